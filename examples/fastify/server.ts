/**
 * A REST API on Fastify that tells of its writes: over WebSocket at /realtime, over Server-Sent Events at
 * /realtime/events.
 *
 *   npm install fastify ws realtime-query-bridge
 *   node --import tsx server.ts
 */
import Fastify from 'fastify'
import {
  attachWebSocket,
  createRealtimeServer,
  idempotent,
  memoryIdempotencyStore,
  nodeListener,
  POSITION_HEADER,
  positionHeader,
  sseHandler,
} from 'realtime-query-bridge/server'

const tasks: { id: number; title: string }[] = []
const answers = memoryIdempotencyStore()

/** Stands for what checks a real token. */
const userOf = (token: string | undefined) => (token ? { user: token } : null)

const realtime = createRealtimeServer({
  authenticate: ({ token }) => userOf(token),
  authorize: ({ topic }) => topic === 'tasks',
})

const app = Fastify()

// A plugin of its own: only here Fastify leaves bodies to the handler.
app.register((plugin, _options, done) => {
  const listener = nodeListener(sseHandler(realtime))
  plugin.removeAllContentTypeParsers()
  plugin.addContentTypeParser('*', (_request, _payload, parsed) => {
    parsed(null)
  })
  plugin.route({
    method: ['GET', 'POST', 'OPTIONS'],
    url: '/realtime/events',
    handler(request, reply) {
      reply.hijack()
      listener(request.raw, reply.raw)
    },
  })
  done()
})

app.get('/tasks', async (_request, reply) => {
  // First the position, then the state: what happens between the two comes as an event.
  reply.header(POSITION_HEADER, await positionHeader(realtime, ['tasks']))
  return tasks
})

app.post<{ Body: { title: string } }>('/tasks', async (request, reply) => {
  const identity = userOf(request.headers.authorization?.replace(/^Bearer /, ''))
  if (!identity) return reply.code(401).send()
  const key = request.headers['idempotency-key']?.toString()
  const { title } = request.body
  const asked = { key, userId: identity.user, fingerprint: `POST /tasks ${JSON.stringify(request.body)}` }
  const answer = await idempotent(answers, asked, async () => {
    const task = { id: tasks.length + 1, title }
    tasks.push(task)
    await realtime.publish('tasks', { type: 'task.created', data: task, mutationId: key })
    return { status: 201, body: task }
  })
  return reply.code(answer.status).send(answer.body)
})

attachWebSocket(realtime, app.server)
console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))
