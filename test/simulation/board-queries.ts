/** The queries of the model app, and its table of events. */
import type { QueryKey } from '@tanstack/query-core'
import { z } from 'zod'
import type { ListLens } from '../../src/core/routing/effect.ts'
import { drop, invalidate, patch, remove, setData, update, upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import {
  BOARDS,
  byId,
  byRank,
  byRankDown,
  isHot,
  topicOf,
  TOP_LIMIT,
  type Board,
  type Page,
  type PageParam,
  type Settings,
  type Task,
} from './model-server.ts'

const KINDS = ['all', 'open', 'top', 'hot', 'box', 'stats', 'hits', 'settings', 'feed', 'reel'] as const
/** Tasks that are there from the start: an event does not turn "not found" into a task. */
const DETAILS = [1, 2, 3, 5]

export interface BoardQuery {
  readonly queryKey: QueryKey
  readonly topics: readonly string[]
  readonly isInfinite: boolean
}

/** All queries that the app knows. */
export const QUERIES: readonly BoardQuery[] = [
  ...KINDS.flatMap((kind) =>
    BOARDS.map((board) => ({
      queryKey: ['tasks', kind, board],
      topics: [topicOf(board)],
      isInfinite: kind === 'feed' || kind === 'reel',
    })),
  ),
  // A task may move from board to board.
  ...DETAILS.map((id) => ({
    queryKey: ['tasks', 'detail', id],
    topics: BOARDS.map(topicOf),
    isInfinite: false,
  })),
]

export const nextPage = ({ next }: Page): PageParam | null => next && { after: next }
export const previousPage = ({ previous }: Page): PageParam | null => previous && { before: previous }

const Board = z.enum(BOARDS)
const Task = z.object({
  id: z.number(),
  board: Board,
  title: z.string(),
  done: z.boolean(),
  rank: z.number(),
  rev: z.number(),
})

interface Box {
  readonly total: number
  readonly items: readonly Task[]
}

const box: ListLens = {
  get: (data) => (data as Partial<Box> | null)?.items,
  set: (data, items) => ({
    total: (data as Box).total + items.length - (data as Box).items.length,
    items,
  }),
}

/** The table. `versions`: rows that are older than the cached one are ignored. */
export function boardEvents({ versions }: { versions: boolean }) {
  const version = versions ? ({ rev }: Task) => rev : undefined
  const onBoard = (task: Task, key: QueryKey) => task.board === key[2]
  const isOpen = (task: Task, key: QueryKey) => onBoard(task, key) && !task.done
  // What only the server knows in full: whether an open task is hot.
  const mayBeHot = (task: Task, key: QueryKey) =>
    onBoard(task, key) && !task.done ? (isHot(task) ? undefined : false) : false
  const detail = (id: number) => ({ queryKey: ['tasks', 'detail', id], exact: true })
  const list = (kind: (typeof KINDS)[number]) => ['tasks', kind]
  const ofBoard = (board: Board, id?: number) => ({
    queryKey: ['tasks'],
    predicate: ({ queryKey: [, kind, of] }: { queryKey: QueryKey }) =>
      kind === 'detail' ? id === undefined || of === id : of === board,
  })
  return defineEvents({
    'task.saved': on(Task, (task) => [
      upsert(list('all'), task, { where: onBoard, sort: byId, version }),
      upsert(list('open'), task, { where: isOpen, sort: byRank, version }),
      upsert(list('top'), task, { where: onBoard, sort: byRankDown, version, limit: TOP_LIMIT }),
      upsert(list('hot'), task, { where: mayBeHot, sort: byId, version }),
      upsert(list('box'), task, { where: onBoard, sort: byRank, version, list: box }),
      ...(['feed', 'reel'] as const).map((kind) =>
        upsert(list(kind), task, { where: onBoard, sort: byRank, version, list: 'items' }),
      ),
      upsert(detail(task.id), task, { version }),
      invalidate(list('stats')),
    ]),
    'task.patched': on(
      z.object({ id: z.number(), partial: z.object({ title: z.string(), rev: z.number() }) }),
      ({ id, partial }) => [
        ...(['all', 'open', 'top', 'hot'] as const).map((kind) => patch<Task>(list(kind), id, partial)),
        patch<Task>(list('box'), id, partial, { list: box }),
        ...(['feed', 'reel'] as const).map((kind) => patch<Task>(list(kind), id, partial, { list: 'items' })),
        patch<Task>(detail(id), id, partial),
      ],
    ),
    'task.deleted': on(z.object({ id: z.number() }), ({ id }) => [
      ...(['all', 'open', 'hot'] as const).map((kind) => remove(list(kind), id)),
      remove(list('top'), id, { limit: TOP_LIMIT }),
      remove(list('box'), id, { list: box }),
      ...(['feed', 'reel'] as const).map((kind) => remove(list(kind), id, { list: 'items' })),
      drop(detail(id)),
      invalidate(list('stats')),
    ]),
    // Not `remove`: that has no version, and would take out a row that has come back meanwhile.
    'task.left': on(z.object({ board: Board, task: Task }), ({ board, task }) => {
      const out = { where: () => false, version }
      return [
        ...(['all', 'open', 'hot'] as const).map((kind) => upsert([...list(kind), board], task, out)),
        upsert([...list('top'), board], task, { ...out, limit: TOP_LIMIT }),
        upsert([...list('box'), board], task, { ...out, list: box }),
        ...(['feed', 'reel'] as const).map((kind) =>
          upsert([...list(kind), board], task, { ...out, list: 'items' }),
        ),
        invalidate([...list('stats'), board]),
      ]
    }),
    'task.touched': on(z.object({ id: z.number(), board: Board }), ({ id, board }) =>
      invalidate(ofBoard(board, id)),
    ),
    'board.imported': on(z.object({ board: Board }), ({ board }) =>
      invalidate({ ...ofBoard(board), refetchType: 'all' }),
    ),
    'board.hit': on(z.object({ board: Board }), ({ board }) =>
      update<number>(['tasks', 'hits', board], (hits) => hits + 1),
    ),
    'board.counted': on(z.object({ board: Board }), ({ board }) =>
      setData<number>(['tasks', 'hits', board], (hits) => hits + 1),
    ),
    'settings.saved': on(
      z.object({ board: Board, settings: z.object({ theme: z.string(), rev: z.number() }) }),
      ({ board, settings }) => setData<Settings>(['tasks', 'settings', board], settings, { replace: true }),
    ),
  })
}
