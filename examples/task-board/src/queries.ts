/** Every query of the app: its key, where its data comes from, and the topics whose events concern it. */
import { infiniteQueryOptions, keepPreviousData, queryOptions, type QueryKey } from '@tanstack/react-query'
import { positioned } from 'realtime-query-bridge'
import type { ActivityPage, Task, TaskFilters } from '../shared/model.ts'
import { api } from './api.ts'
import { keys } from './query-keys.ts'
import { bridge } from './realtime.ts'

export const usersQuery = () =>
  queryOptions({
    queryKey: keys.users,
    queryFn: ({ signal }) => api.users(signal),
    staleTime: Infinity,
  })

/** Events keep what is live fresh: neither a look at the window nor a new network fetches it. */
const staleTime = bridge.staleTime(10_000)

export const boardsQuery = () =>
  queryOptions({
    queryKey: keys.boards,
    queryFn: positioned(bridge, (read) => api.boards(read)),
    staleTime,
    meta: { topics: ['boards'] },
  })

export const taskListQuery = (boardId: string, filters: TaskFilters) =>
  queryOptions({
    queryKey: keys.taskList(boardId, filters),
    queryFn: positioned<Task[]>(bridge, (read) => api.tasks(boardId, filters, read)),
    // While the next filter is loading, the rows of the last one stay; those of another board do not.
    placeholderData: (rows, query) => (query?.queryKey[1] === boardId ? keepPreviousData(rows) : undefined),
    staleTime,
    meta: { topics: [`board:${boardId}`] },
  })

export const taskQuery = (boardId: string, taskId: string) =>
  queryOptions({
    queryKey: keys.task(boardId, taskId),
    queryFn: positioned(bridge, (read) => api.task(taskId, read)),
    staleTime,
    meta: { topics: [`board:${boardId}`] },
  })

/** What happened on a board, or to one of its tasks: newest first, page by page. */
export const activityQuery = (boardId: string, of: { taskId?: string } = {}) =>
  infiniteQueryOptions({
    queryKey: keys.feed(boardId, of),
    queryFn: positioned<ActivityPage, QueryKey, number | null>(bridge, (read) =>
      api.activity({ boardId, ...of }, read.pageParam, read),
    ),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.nextCursor,
    staleTime,
    meta: { topics: [`board:${boardId}`] },
  })
