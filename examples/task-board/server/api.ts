/** The REST API. Every write says in two lines what others are told of it. */
import { Hono, type Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { POSITION_HEADER, positionHeader, type RealtimeServer } from 'realtime-query-bridge/server'
import { z } from 'zod'
import { NewComment, NewTask, TaskFilters, TaskMove, TaskPatch, type TaskChange } from '../shared/model.ts'
import { listActivity } from './activity.ts'
import { getBoard, listBoards, listUsers, requireMember } from './boards.ts'
import type { Storage } from './storage.ts'
import { readDemoToken, signDemoToken } from './demo-session.ts'
import { ApiError, notFound } from './errors.ts'
import {
  boardOfTask,
  commentTask,
  createTask,
  deleteTask,
  getTask,
  listTasks,
  moveTask,
  patchTask,
  restoreTask,
  type Write,
} from './tasks.ts'
import { WriteQueue } from './writes.ts'

export interface ApiOptions {
  readonly storage: Storage
  readonly sessionSecret: string
  readonly realtime: RealtimeServer
}

type Env = { Variables: { userId: string } }

const ActivityQuery = z.object({
  cursor: z.coerce.number().int().positive().optional(),
  limit: z.coerce.number().int().min(1).max(100).default(25),
})

export function createApi({ storage, sessionSecret, realtime }: ApiOptions) {
  const { db } = storage
  const writes = new WriteQueue(storage, realtime)
  const api = new Hono<Env>()

  api.onError((error, c) => {
    if (error instanceof ApiError) return failure(c, error)
    console.error(error)
    return failure(c, new ApiError(500, 'server-error', 'Something went wrong on the server.'))
  })
  api.notFound((c) => failure(c, notFound('address')))

  // Without a session: who is there to be picked, and the picking.
  api.get('/users', async (c) => c.json(await listUsers(db)))
  api.post('/session', async (c) => {
    const { userId } = parse(z.object({ userId: z.string() }), await readJson(c))
    const user = (await listUsers(db)).find((candidate) => candidate.id === userId)
    if (user === undefined) throw notFound('person')
    return c.json({ user, token: signDemoToken(userId, sessionSecret) }, 201)
  })

  const signedIn = createMiddleware<Env>(async (c, next) => {
    const token = /^Bearer (.+)$/.exec(c.req.header('Authorization') ?? '')?.[1]
    const userId = token === undefined ? null : readDemoToken(token, sessionSecret)
    if (userId === null) throw new ApiError(401, 'signed-out', 'Pick who you are first.')
    c.set('userId', userId)
    await next()
  })
  api.use('/boards/*', signedIn)
  api.use('/tasks/*', signedIn)

  api.get('/boards', async (c) => {
    await statePosition(c, 'boards')
    return c.json(await listBoards(db))
  })

  api.get('/boards/:boardId/tasks', async (c) => {
    const { boardId } = await openBoard(c)
    await statePosition(c, `board:${boardId}`)
    return c.json(await listTasks(db, boardId, parse(TaskFilters, c.req.query())))
  })
  api.get('/boards/:boardId/activity', async (c) => {
    const { boardId } = await openBoard(c)
    await statePosition(c, `board:${boardId}`)
    return c.json(await listActivity(db, { boardId, ...parse(ActivityQuery, c.req.query()) }))
  })
  api.get('/tasks/:taskId', async (c) => {
    const { boardId, taskId } = await openTask(c)
    await statePosition(c, `board:${boardId}`)
    return c.json(await getTask(db, taskId))
  })
  api.get('/tasks/:taskId/activity', async (c) => {
    const { boardId, taskId } = await openTask(c)
    await statePosition(c, `board:${boardId}`)
    return c.json(await listActivity(db, { boardId, taskId, ...parse(ActivityQuery, c.req.query()) }))
  })

  api.post('/boards/:boardId/tasks', async (c) => {
    const { boardId } = await openBoard(c)
    return write(c, 'task.created', NewTask, (to, input) => createTask(to, boardId, input))
  })
  api.patch('/tasks/:taskId', async (c) => {
    const { taskId } = await openTask(c)
    return write(c, 'task.updated', TaskPatch, (to, patch) => patchTask(to, taskId, patch))
  })
  api.post('/tasks/:taskId/move', async (c) => {
    const { taskId } = await openTask(c)
    return write(c, 'task.updated', TaskMove, (to, move) => moveTask(to, taskId, move))
  })
  api.post('/tasks/:taskId/comments', async (c) => {
    const { taskId } = await openTask(c)
    return write(c, 'task.updated', NewComment, (to, { body }) => commentTask(to, taskId, body))
  })
  api.delete('/tasks/:taskId', async (c) => {
    const { taskId } = await openTask(c)
    return write(c, 'task.deleted', z.unknown(), (to) => deleteTask(to, taskId))
  })
  api.post('/tasks/:taskId/restore', async (c) => {
    const { taskId } = await openTask(c)
    return write(c, 'task.created', z.unknown(), (to) => restoreTask(to, taskId))
  })

  /** Says where the topic stood before the state is read: the client then knows what the answer has in it. */
  async function statePosition(c: Context<Env>, topic: string) {
    c.header(POSITION_HEADER, await positionHeader(realtime, [topic]))
  }

  async function openBoard(c: Context<Env, '/boards/:boardId/*'>) {
    const { id } = await getBoard(db, c.req.param('boardId'))
    await requireMember(db, id, c.var.userId)
    return { boardId: id }
  }

  async function openTask(c: Context<Env, '/tasks/:taskId/*'>) {
    const taskId = c.req.param('taskId')
    const boardId = await boardOfTask(db, taskId)
    await requireMember(db, boardId, c.var.userId)
    return { boardId, taskId }
  }

  async function write<TSchema extends z.ZodType>(
    c: Context<Env>,
    type: 'task.created' | 'task.updated' | 'task.deleted',
    schema: TSchema,
    change: (write: Write, input: z.output<TSchema>) => Promise<TaskChange>,
  ) {
    const body = await readJson(c)
    const input = parse(schema, body)
    const mutationId = c.req.header('Idempotency-Key')
    const outcome = await writes.run(
      {
        userId: c.var.userId,
        idempotencyKey: mutationId,
        request: `${c.req.method} ${c.req.path} ${JSON.stringify(body)}`,
      },
      async (to) => ({ status: c.req.method === 'POST' ? 201 : 200, body: await change(to, input) }),
      async (sql, { body: data }) => {
        const board = await getBoard(sql, (data as TaskChange).task.boardId)
        return [
          { topic: `board:${board.id}`, type, data },
          { topic: 'boards', type: 'board.updated', data: board },
        ]
      },
    )
    if (outcome.position !== undefined) c.header(POSITION_HEADER, outcome.position)
    if (outcome.isRepeat) c.header('Idempotency-Replayed', 'true')
    return c.json(outcome.body as TaskChange, outcome.status)
  }

  return { api, drain: () => writes.drain() }
}

function failure(c: Context, error: ApiError) {
  return c.json({ error: { code: error.code, message: error.message } }, error.status)
}

/** The body as JSON; an absent one is null. */
async function readJson(c: Context): Promise<unknown> {
  const text = await c.req.text()
  if (text === '') return null
  try {
    return JSON.parse(text)
  } catch {
    throw new ApiError(400, 'not-json', 'The body is not JSON.')
  }
}

function parse<TSchema extends z.ZodType>(schema: TSchema, input: unknown): z.output<TSchema> {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const { message, path } = result.error.issues[0]!
  throw new ApiError(400, 'invalid', path.length === 0 ? message : `${path.join('.')}: ${message}`)
}
