/**
 * A REST API on Express that tells of its writes: over WebSocket at /realtime, over Server-Sent Events at
 * /realtime/events.
 *
 *   npm install express ws prom-client realtime-query-bridge
 *   node --import tsx server.ts
 */
import express from 'express'
import { Registry } from 'prom-client'
import {
  attachWebSocket,
  createRealtimeServer,
  idempotent,
  memoryIdempotencyStore,
  nodeListener,
  positionMiddleware,
  sseHandler,
} from 'realtime-query-bridge/server'
import { realtimeMetrics } from './metrics.ts'

const tasks: { id: number; title: string }[] = []
const answers = memoryIdempotencyStore()

/** Stands for what checks a real token. */
const userOf = (token: string | undefined) => (token ? { user: token } : null)

const realtime = createRealtimeServer({
  authenticate: ({ token }) => userOf(token),
  authorize: ({ topic }) => topic === 'tasks',
})

const app = express()
// In front of the body parsers, which would read the body first.
app.all('/realtime/events', nodeListener(sseHandler(realtime)))
app.use(express.json())

// First the position, then the state: what happens between the two comes as an event.
app.get(
  '/tasks',
  positionMiddleware(realtime, () => ['tasks']),
  (_request, response) => {
    response.json(tasks)
  },
)

app.post('/tasks', async (request, response) => {
  const identity = userOf(request.get('Authorization')?.replace(/^Bearer /, ''))
  if (!identity) return void response.sendStatus(401)
  const key = request.get('Idempotency-Key')
  const { title } = request.body as { title: string }
  const asked = { key, userId: identity.user, fingerprint: `POST /tasks ${JSON.stringify(request.body)}` }
  const answer = await idempotent(answers, asked, async () => {
    const task = { id: tasks.length + 1, title }
    tasks.push(task)
    await realtime.publish('tasks', { type: 'task.created', data: task, mutationId: key })
    return { status: 201, body: task }
  })
  response.status(answer.status).json(answer.body)
})

// For operators: Prometheus scrapes the one, a load balancer asks the other. Neither is for the world to see.
const registry = new Registry()
const metrics = realtimeMetrics(realtime, registry)
app.get('/metrics', async (_request, response) => {
  response.type(registry.contentType).send(await metrics())
})
app.get('/ready', async (_request, response) => {
  const health = await realtime.health()
  response.status(health.status === 'ok' ? 200 : 503).json(health)
})

const server = app.listen(Number(process.env['PORT'] ?? 3000), () => {
  const address = server.address()
  console.log(`http://localhost:${typeof address === 'object' ? address?.port : address}`)
})
attachWebSocket(realtime, server)
