/**
 * Which tasks a list holds and in which order, as the server's SQL has it (`server/tasks.ts`). The two are held
 * together by a test.
 */
import { PRIORITIES, STATUSES, type Task, type TaskFilters } from './model.ts'

/** Whether a task belongs in a list. `undefined`: only the server can tell. */
export function matchesFilters(task: Task, filters: TaskFilters): boolean | undefined {
  if (filters.status !== undefined && task.status !== filters.status) return false
  if (filters.priority !== undefined && task.priority !== filters.priority) return false
  if (filters.label !== undefined && !task.labels.includes(filters.label)) return false
  if (filters.assignee !== undefined && (task.assigneeId ?? 'nobody') !== filters.assignee) return false
  // How text is searched is the server's business.
  return filters.q === undefined ? true : undefined
}

const compare = <T extends string | number>(a: T, b: T) => (a < b ? -1 : a > b ? 1 : 0)

/** The order of a list: total, so that every window shows the same one. */
export function compareTasks(a: Task, b: Task, filters: TaskFilters): number {
  return bySort(a, b, filters.sort ?? 'rank') || byRank(a, b)
}

function bySort(a: Task, b: Task, sort: NonNullable<TaskFilters['sort']>): number {
  switch (sort) {
    case 'rank':
      return 0
    case 'priority':
      return PRIORITIES.indexOf(b.priority) - PRIORITIES.indexOf(a.priority)
    case 'updated':
      return compare(b.updatedAt, a.updatedAt)
    case 'newest':
      return compare(b.createdAt, a.createdAt)
    case 'due':
      return compare(a.dueOn ?? '9999', b.dueOn ?? '9999')
  }
}

function byRank(a: Task, b: Task): number {
  return (
    STATUSES.indexOf(a.status) - STATUSES.indexOf(b.status) || compare(a.rank, b.rank) || compare(a.id, b.id)
  )
}
