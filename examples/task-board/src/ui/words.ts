/** How values are called in the interface. */
import type { Label, Priority, Sort, Status } from '../../shared/model.ts'

export const STATUS_NAMES: Record<Status, string> = {
  todo: 'To do',
  doing: 'In progress',
  review: 'In review',
  done: 'Done',
}

export const PRIORITY_NAMES: Record<Priority, string> = {
  none: 'No priority',
  low: 'Low',
  medium: 'Medium',
  high: 'High',
  urgent: 'Urgent',
}

export const LABEL_NAMES: Record<Label, string> = {
  bug: 'Bug',
  feature: 'Feature',
  design: 'Design',
  research: 'Research',
  chore: 'Chore',
}

export const SORT_NAMES: Record<Sort, string> = {
  rank: 'Board order',
  priority: 'Priority',
  updated: 'Last changed',
  due: 'Due date',
  newest: 'Newest',
}

export const tasksCount = (n: number) => (n === 1 ? '1 task' : `${n} tasks`)
