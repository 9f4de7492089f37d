/** The REST API, one function per request. */
import type {
  ActivityPage,
  Board,
  NewTask,
  Task,
  TaskChange,
  TaskFilters,
  TaskMove,
  TaskPatch,
  User,
} from '../shared/model.ts'
import { demoSession, enterAs, type DemoSession } from './demo-session.ts'
import { faultyFetch } from './network/faulty-fetch.ts'

export class ApiError extends Error {
  /** The HTTP status; 0 when there was no answer at all. */
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }

  /** Whether the same request may succeed a little later. */
  get isTransient(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503
  }
}

interface RequestOptions {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly body?: unknown
  readonly signal?: AbortSignal
  /** Sent as `Idempotency-Key`: however often the request is sent, it is carried out once. */
  readonly mutationId?: string
  /** Told of the response: its headers say where in the stream of events it stands. */
  readonly received?: <TResponse extends Response>(response: TResponse) => TResponse
}

/** What a query hands to its request. */
export type ReadOptions = Required<Pick<RequestOptions, 'signal' | 'received'>>

/** What a write hands to its request. */
export type WriteOptions = Required<Pick<RequestOptions, 'signal' | 'received' | 'mutationId'>>

async function request<TAnswer>(path: string, options: RequestOptions = {}): Promise<TAnswer> {
  const { method = 'GET', body, signal, mutationId, received } = options
  const headers = new Headers()
  const session = demoSession.get()
  if (session !== null) headers.set('Authorization', `Bearer ${session.token}`)
  if (body !== undefined) headers.set('Content-Type', 'application/json')
  if (mutationId !== undefined) headers.set('Idempotency-Key', mutationId)
  const init: RequestInit = { method, headers }
  if (body !== undefined) init.body = JSON.stringify(body)
  if (signal !== undefined) init.signal = signal
  let response: Response
  try {
    response = await faultyFetch(`/api${path}`, init)
  } catch (error) {
    if (signal?.aborted === true) throw error
    throw new ApiError(0, 'no-answer', 'The server did not answer.')
  }
  const answer = (await response.json().catch(() => null)) as unknown
  received?.(response)
  if (response.ok) return answer as TAnswer
  const { error } = (answer ?? {}) as { error?: { code: string; message: string } }
  // Our own token is no longer good: pick a person again.
  if (response.status === 401) enterAs(null)
  throw new ApiError(response.status, error?.code ?? 'unknown', error?.message ?? 'The server refused it.')
}

const searchOf = (filters: TaskFilters) =>
  new URLSearchParams(
    Object.entries(filters).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )

export const api = {
  users: (signal: AbortSignal) => request<User[]>('/users', { signal }),
  signIn: (userId: string) => request<DemoSession>('/session', { method: 'POST', body: { userId } }),

  boards: (read: ReadOptions) => request<Board[]>('/boards', read),
  tasks: (boardId: string, filters: TaskFilters, read: ReadOptions) =>
    request<Task[]>(`/boards/${boardId}/tasks?${searchOf(filters)}`, read),
  task: (taskId: string, read: ReadOptions) => request<Task>(`/tasks/${taskId}`, read),
  activity: (of: { boardId: string; taskId?: string }, cursor: number | null, read: ReadOptions) =>
    request<ActivityPage>(
      `${of.taskId === undefined ? `/boards/${of.boardId}` : `/tasks/${of.taskId}`}/activity` +
        (cursor === null ? '' : `?cursor=${cursor}`),
      read,
    ),

  createTask: (boardId: string, body: NewTask, write: WriteOptions) =>
    request<TaskChange>(`/boards/${boardId}/tasks`, { method: 'POST', body, ...write }),
  patchTask: (taskId: string, body: TaskPatch, write: WriteOptions) =>
    request<TaskChange>(`/tasks/${taskId}`, { method: 'PATCH', body, ...write }),
  moveTask: (taskId: string, body: TaskMove, write: WriteOptions) =>
    request<TaskChange>(`/tasks/${taskId}/move`, { method: 'POST', body, ...write }),
  deleteTask: (taskId: string, write: WriteOptions) =>
    request<TaskChange>(`/tasks/${taskId}`, { method: 'DELETE', ...write }),
  restoreTask: (taskId: string, write: WriteOptions) =>
    request<TaskChange>(`/tasks/${taskId}/restore`, { method: 'POST', ...write }),
  comment: (taskId: string, body: string, write: WriteOptions) =>
    request<TaskChange>(`/tasks/${taskId}/comments`, { method: 'POST', body: { body }, ...write }),
}
