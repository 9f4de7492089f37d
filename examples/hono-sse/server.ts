/**
 * A REST API on Hono that tells of its writes over Server-Sent Events at /realtime/events. It runs wherever Hono runs:
 * nothing here is Node's but the last lines.
 *
 *   npm install hono @hono/node-server realtime-query-bridge
 *   node --import tsx server.ts
 */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import {
  createRealtimeServer,
  idempotent,
  memoryIdempotencyStore,
  sseHandler,
  withPosition,
} from 'realtime-query-bridge/server'

const tasks: { id: number; title: string }[] = []
const answers = memoryIdempotencyStore()

/** Stands for what checks a real token. */
const userOf = (token: string | undefined) => (token ? { user: token } : null)

const realtime = createRealtimeServer({
  authenticate: ({ token }) => userOf(token),
  authorize: ({ topic }) => topic === 'tasks',
})
const events = sseHandler(realtime)

const app = new Hono()

app.on(['GET', 'POST', 'OPTIONS'], '/realtime/events', (c) => events(c.req.raw))

// First the position, then the state: what happens between the two comes as an event.
app.get('/tasks', (c) => withPosition(realtime, ['tasks'], () => c.json(tasks)))

app.post('/tasks', async (c) => {
  const identity = userOf(c.req.header('Authorization')?.replace(/^Bearer /, ''))
  if (!identity) return c.body(null, 401)
  const key = c.req.header('Idempotency-Key')
  const body = await c.req.text()
  const { title } = JSON.parse(body) as { title: string }
  const asked = { key, userId: identity.user, fingerprint: `POST /tasks ${body}` }
  const answer = await idempotent(answers, asked, async () => {
    const task = { id: tasks.length + 1, title }
    tasks.push(task)
    await realtime.publish('tasks', { type: 'task.created', data: task, mutationId: key })
    return { status: 201, body: task }
  })
  return Response.json(answer.body, { status: answer.status })
})

serve({ fetch: app.fetch, port: Number(process.env['PORT'] ?? 3000) }, ({ port }) => {
  console.log(`http://localhost:${port}`)
})
