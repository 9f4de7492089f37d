/** Everything that makes the app live: what each event does to the queries, and where the events come from. */
import {
  defineEvents,
  drop,
  invalidate,
  on,
  RealtimeQueryBridge,
  remove,
  upsert,
  type RealtimeQueryMeta,
} from 'realtime-query-bridge'
import { webSocketTransport } from 'realtime-query-bridge/websocket'
import { Board, TaskChange, type Activity, type Task, type TaskFilters } from '../shared/model.ts'
import { compareTasks, matchesFilters } from '../shared/task-order.ts'
import { demoSession } from './demo-session.ts'
import { FaultyWebSocket } from './network/faulty-web-socket.ts'
import { queryClient } from './query-client.ts'
import { keys } from './query-keys.ts'

const version = (task: Task) => task.version

/** Puts a task where the server's filters and order would have it: the key of a list carries its filters. */
const intoLists = ({ task }: TaskChange) =>
  upsert(keys.taskLists(task.boardId), task, {
    where: (row, key) => matchesFilters(row, key[3] as TaskFilters),
    sort: (a, b, key) => compareTasks(a, b, key[3] as TaskFilters),
    version,
  })

/** Puts what happened on top of the board's feed, and of the task's own. */
const intoFeeds = ({ task, activity }: TaskChange) =>
  activity.map((entry) =>
    upsert(keys.feeds(task.boardId), entry, {
      list: 'items',
      at: 'start',
      where: (row: Activity, key) => [undefined, row.taskId].includes((key[3] as { taskId?: string }).taskId),
    }),
  )

export const events = defineEvents({
  'task.created': on(TaskChange, (change) => [
    intoLists(change),
    ...intoFeeds(change),
    // Somebody may be looking at a task that was deleted, and is back.
    invalidate({ queryKey: keys.task(change.task.boardId, change.task.id) }),
  ]),
  'task.updated': on(TaskChange, (change) => [
    intoLists(change),
    ...intoFeeds(change),
    upsert(keys.task(change.task.boardId, change.task.id), change.task, { version }),
  ]),
  'task.deleted': on(TaskChange, (change) => [
    remove(keys.taskLists(change.task.boardId), change.task.id),
    ...intoFeeds(change),
    drop(keys.task(change.task.boardId, change.task.id)),
  ]),
  'board.updated': on(Board, (board) => upsert(keys.boards, board)),
})

export const bridge = new RealtimeQueryBridge({
  queryClient,
  events,
  transport: webSocketTransport({
    url: '/realtime',
    token: () => demoSession.get()?.token,
    // The network panel's: leave it out. The times are for people who wait for something to happen.
    WebSocket: FaultyWebSocket,
    heartbeat: { intervalMs: 4_000, timeoutMs: 3_000 },
  }),
  limits: { retryMaxMs: 3_000 },
})

declare module 'realtime-query-bridge' {
  interface Register {
    events: typeof events
  }
}

declare module '@tanstack/react-query' {
  interface Register {
    queryMeta: RealtimeQueryMeta
  }
}
