/** What can be done to a task, as values: sent to the server, and shown at once while the answer is under way. */
import { update, type Effect } from 'realtime-query-bridge'
import type { NewTask, Task, TaskChange, TaskFilters, TaskMove, TaskPatch } from '../shared/model.ts'
import { compareTasks, matchesFilters } from '../shared/task-order.ts'
import { api, type WriteOptions } from './api.ts'
import { keys } from './query-keys.ts'

export type TaskWrite = {
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

export function sendTaskWrite(write: TaskWrite, options: WriteOptions): Promise<TaskChange> {
  const { task } = write
  switch (write.kind) {
    case 'create': {
      const { id, title, status, priority, assigneeId } = task
      const body: NewTask = { id, title, status, priority, assigneeId }
      return api.createTask(task.boardId, body, options)
    }
    case 'patch':
      return api.patchTask(task.id, write.patch, options)
    case 'move':
      return api.moveTask(task.id, write.move, options)
    case 'delete':
      return api.deleteTask(task.id, options)
    case 'restore':
      return api.restoreTask(task.id, options)
    case 'comment':
      return api.comment(task.id, write.body, options)
  }
}

/** What a write shows until the server has told: in every list of the board, and in the task itself. */
export function optimisticEffects(write: TaskWrite): Effect[] {
  const { boardId, id } = write.task
  return [
    update(keys.taskLists(boardId), (rows, key) => withWrite(rows as Task[], write, key[3] as TaskFilters)),
    update(keys.task(boardId, id), (task) => after(task as Task, write) ?? task),
  ]
}

/** The event that a write causes. */
export const eventOf = (write: TaskWrite) =>
  write.kind === 'create' || write.kind === 'restore'
    ? 'task.created'
    : write.kind === 'delete'
      ? 'task.deleted'
      : 'task.updated'

/** The task as a write leaves it; null when the write removes it. Doing it twice changes nothing more. */
function after(task: Task, write: TaskWrite): Task | null {
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

/** The rows of a list with a write in them, in the order that the server will give. */
function withWrite(rows: Task[], write: TaskWrite, filters: TaskFilters): Task[] {
  const row = rows.find(({ id }) => id === write.task.id)
  const isNew = write.kind === 'create' || write.kind === 'restore'
  if (row === undefined && !isNew) return rows
  const task = row === undefined ? write.task : after(row, write)
  if (task === row) return rows
  const others = rows.filter((other) => other !== row)
  if (task === null || matchesFilters(task, filters) === false) return others
  return [...others, task].sort((a, b) => compareTasks(a, b, filters))
}
