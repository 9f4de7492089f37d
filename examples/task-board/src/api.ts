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
}

async function request<TAnswer>(path: string, options: RequestOptions = {}): Promise<TAnswer> {
  const { method = 'GET', body, signal, mutationId } = options
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

  boards: (signal: AbortSignal) => request<Board[]>('/boards', { signal }),
  tasks: (boardId: string, filters: TaskFilters, signal: AbortSignal) =>
    request<Task[]>(`/boards/${boardId}/tasks?${searchOf(filters)}`, { signal }),
  task: (taskId: string, signal: AbortSignal) => request<Task>(`/tasks/${taskId}`, { signal }),
  activity: (of: { boardId: string; taskId?: string }, cursor: number | null, signal: AbortSignal) =>
    request<ActivityPage>(
      `${of.taskId === undefined ? `/boards/${of.boardId}` : `/tasks/${of.taskId}`}/activity` +
        (cursor === null ? '' : `?cursor=${cursor}`),
      { signal },
    ),

  createTask: (boardId: string, body: NewTask, mutationId: string) =>
    request<TaskChange>(`/boards/${boardId}/tasks`, { method: 'POST', body, mutationId }),
  patchTask: (taskId: string, body: TaskPatch, mutationId: string) =>
    request<TaskChange>(`/tasks/${taskId}`, { method: 'PATCH', body, mutationId }),
  moveTask: (taskId: string, body: TaskMove, mutationId: string) =>
    request<TaskChange>(`/tasks/${taskId}/move`, { method: 'POST', body, mutationId }),
  deleteTask: (taskId: string, mutationId: string) =>
    request<TaskChange>(`/tasks/${taskId}`, { method: 'DELETE', mutationId }),
  restoreTask: (taskId: string, mutationId: string) =>
    request<TaskChange>(`/tasks/${taskId}/restore`, { method: 'POST', mutationId }),
  comment: (taskId: string, body: string, mutationId: string) =>
    request<TaskChange>(`/tasks/${taskId}/comments`, { method: 'POST', body: { body }, mutationId }),
}
