/**
 * A REST API on Bun that tells of its writes over Server-Sent Events at /realtime/events. Nothing is installed but the
 * package, and nothing here is Bun's but the last lines: Deno and workers take the same `fetch`.
 *
 *   bun add realtime-query-bridge
 *   bun server.ts
 */
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

async function createTask(request: Request): Promise<Response> {
  const identity = userOf(request.headers.get('Authorization')?.replace(/^Bearer /, ''))
  if (!identity) return new Response(null, { status: 401 })
  const key = request.headers.get('Idempotency-Key') ?? undefined
  const body = await request.text()
  const { title } = JSON.parse(body) as { title: string }
  const asked = { key, userId: identity.user, fingerprint: `POST /tasks ${body}` }
  const answer = await idempotent(answers, asked, async () => {
    const task = { id: tasks.length + 1, title }
    tasks.push(task)
    await realtime.publish('tasks', { type: 'task.created', data: task, mutationId: key })
    return { status: 201, body: task }
  })
  return Response.json(answer.body, { status: answer.status })
}

async function answerTo(request: Request): Promise<Response> {
  switch (`${request.method} ${new URL(request.url).pathname}`) {
    case 'GET /realtime/events':
    case 'POST /realtime/events':
    case 'OPTIONS /realtime/events':
      return events(request)
    case 'GET /tasks':
      // First the position, then the state: what happens between the two comes as an event.
      return withPosition(realtime, ['tasks'], () => Response.json(tasks))
    case 'POST /tasks':
      return createTask(request)
    default:
      return new Response(null, { status: 404 })
  }
}

// Bun serves what a module exports so. It would end what was silent for 10 s; a silent stream gives a sign every 15 s.
// eslint-disable-next-line import-x/no-default-export -- what Bun looks for
export default { port: Number(process.env['PORT'] ?? 3000), idleTimeout: 60, fetch: answerTo }
