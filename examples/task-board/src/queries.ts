/** Every query of the app: its key, where its data comes from, and the topics whose events concern it. */
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'
import type { TaskFilters } from '../shared/model.ts'
import { api } from './api.ts'

export const keys = {
  users: ['users'] as const,
  boards: ['boards'] as const,
  board: (boardId: string) => ['board', boardId] as const,
  taskLists: (boardId: string) => ['board', boardId, 'tasks'] as const,
  taskList: (boardId: string, filters: TaskFilters) => ['board', boardId, 'tasks', filters] as const,
  task: (boardId: string, taskId: string) => ['board', boardId, 'task', taskId] as const,
  feeds: (boardId: string) => ['board', boardId, 'activity'] as const,
  feed: (boardId: string, of: { taskId?: string }) => ['board', boardId, 'activity', of] as const,
}

export const usersQuery = () =>
  queryOptions({
    queryKey: keys.users,
    queryFn: ({ signal }) => api.users(signal),
    staleTime: Infinity,
  })

export const boardsQuery = () =>
  queryOptions({
    queryKey: keys.boards,
    queryFn: ({ signal }) => api.boards(signal),
    meta: { topics: ['boards'] },
  })

export const taskListQuery = (boardId: string, filters: TaskFilters) =>
  queryOptions({
    queryKey: keys.taskList(boardId, filters),
    queryFn: ({ signal }) => api.tasks(boardId, filters, signal),
    // While the next filter is loading, the rows of the last one stay; those of another board do not.
    placeholderData: (rows, query) => (query?.queryKey[1] === boardId ? keepPreviousData(rows) : undefined),
    meta: { topics: [`board:${boardId}`] },
  })

export const taskQuery = (boardId: string, taskId: string) =>
  queryOptions({
    queryKey: keys.task(boardId, taskId),
    queryFn: ({ signal }) => api.task(taskId, signal),
    meta: { topics: [`board:${boardId}`] },
  })

/** What happened on a board, or to one of its tasks: newest first, page by page. */
export const activityQuery = (boardId: string, of: { taskId?: string } = {}) =>
  infiniteQueryOptions({
    queryKey: keys.feed(boardId, of),
    queryFn: ({ pageParam, signal }) => api.activity({ boardId, ...of }, pageParam, signal),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.nextCursor,
    meta: { topics: [`board:${boardId}`] },
  })
