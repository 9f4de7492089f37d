/** What can be done to a task, as values: sent to the server, and shown at once while the answer is under way. */
import type { NewTask, Task, TaskChange, TaskFilters, TaskMove, TaskPatch } from '../shared/model.ts'
import { compareTasks, matchesFilters } from '../shared/task-order.ts'
import { api } from './api.ts'

export type TaskWrite = {
  /** Sent as `Idempotency-Key`; comes back on the event that the write causes. */
  readonly mutationId: string
  /** When it was done, by this window's clock. */
  readonly at: string
} & (
  | { readonly kind: 'create'; readonly task: Task }
  | { readonly kind: 'patch'; readonly task: Task; readonly patch: TaskPatch }
  /** `rank` is a guess at the one that the server will give. */
  | { readonly kind: 'move'; readonly task: Task; readonly move: TaskMove; readonly rank: string }
  | { readonly kind: 'delete'; readonly task: Task }
  | { readonly kind: 'restore'; readonly task: Task }
  | { readonly kind: 'comment'; readonly task: Task; readonly body: string }
)

export function sendTaskWrite(write: TaskWrite): Promise<TaskChange> {
  const { task, mutationId } = write
  switch (write.kind) {
    case 'create': {
      const { id, title, status, priority, assigneeId } = task
      const body: NewTask = { id, title, status, priority, assigneeId }
      return api.createTask(task.boardId, body, mutationId)
    }
    case 'patch':
      return api.patchTask(task.id, write.patch, mutationId)
    case 'move':
      return api.moveTask(task.id, write.move, mutationId)
    case 'delete':
      return api.deleteTask(task.id, mutationId)
    case 'restore':
      return api.restoreTask(task.id, mutationId)
    case 'comment':
      return api.comment(task.id, write.body, mutationId)
  }
}

/** The task as a write leaves it; null when the write removes it. Doing it twice changes nothing more. */
export function applyWrite(task: Task, write: TaskWrite): Task | null {
  switch (write.kind) {
    case 'create':
    case 'restore':
    case 'comment':
      return task
    case 'patch':
      return { ...task, ...(write.patch as Partial<Task>), updatedAt: write.at }
    case 'move':
      return { ...task, status: write.move.status, rank: write.rank, updatedAt: write.at }
    case 'delete':
      return null
  }
}

/** The rows of a list with the writes under way in them, in the order that the server will give. */
export function applyWrites(
  rows: readonly Task[],
  writes: readonly TaskWrite[],
  filters: TaskFilters,
): Task[] {
  if (writes.length === 0) return rows as Task[]
  const byId = new Map(rows.map((row) => [row.id, row]))
  for (const write of writes) {
    const { id } = write.task
    const row = byId.get(id)
    if (row === undefined) {
      if (write.kind === 'create' || write.kind === 'restore') byId.set(id, write.task)
      continue
    }
    const after = applyWrite(row, write)
    if (after === null) byId.delete(id)
    else byId.set(id, after)
  }
  return [...byId.values()]
    .filter((row) => matchesFilters(row, filters) !== false)
    .sort((a, b) => compareTasks(a, b, filters))
}

/** The rows of a list after the server has answered with a task; the same rows when they know better. */
export function placeTask(rows: readonly Task[], task: Task, filters: TaskFilters): Task[] {
  const known = rows.find((row) => row.id === task.id)
  if (known !== undefined && known.version >= task.version) return rows as Task[]
  const others = rows.filter((row) => row.id !== task.id)
  // Where only the server can tell whether it belongs, it stays if it was there.
  if (!(matchesFilters(task, filters) ?? known !== undefined)) return others
  return [...others, task].sort((a, b) => compareTasks(a, b, filters))
}
