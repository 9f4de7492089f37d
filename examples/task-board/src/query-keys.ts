/** The key of every query of the app. */
import type { TaskFilters } from '../shared/model.ts'

export const keys = {
  users: ['users'] as const,
  boards: ['boards'] as const,
  board: (boardId: string) => ['board', boardId] as const,
  writes: ['write'] as const,
  writesOf: (boardId: string) => ['write', boardId] as const,
  taskLists: (boardId: string) => ['board', boardId, 'tasks'] as const,
  taskList: (boardId: string, filters: TaskFilters) => ['board', boardId, 'tasks', filters] as const,
  task: (boardId: string, taskId: string) => ['board', boardId, 'task', taskId] as const,
  feeds: (boardId: string) => ['board', boardId, 'activity'] as const,
  feed: (boardId: string, of: { taskId?: string }) => ['board', boardId, 'activity', of] as const,
}
