/** The app's table of events, and what its mutations predict: the same effects. */
import type { QueryKey } from '@tanstack/query-core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Effect } from '../../../src/core/routing/effect.ts'
import { invalidate, patch, remove, setData, update, upsert } from '../../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../../src/core/routing/event-table.ts'
import type { Configuration } from './configurations.ts'
import { boardOf, isOpen, type Board, type Row, type Write } from './facts.ts'
import { allOf, QUERIES, rowsOf, type RowQuery } from './queries.ts'

const LISTS = ['rows', 'list']
const FEEDS = ['rows', 'feed']

/** What comes from the model is what it should be: schemas have tests of their own. */
const anything = <T>(): StandardSchemaV1<unknown, T> => ({
  '~standard': {
    version: 1,
    vendor: 'simulation',
    validate: (value) => ({ value: value as T }),
  },
})

const isShown = (row: Row, [, kind, board, only]: QueryKey): boolean =>
  (board === undefined || row.board === board) && (only !== 'open' || isOpen(row)) && kind !== 'detail'
const byRank = (a: Row, b: Row) => a.rank - b.rank

export interface AppOptions {
  /** Rows are held against the version of the cached one. */
  readonly versions: boolean
}

export function saved(row: Row, { versions }: AppOptions): Effect[] {
  const options = {
    where: isShown,
    sort: byRank,
    ...(versions && { version: ({ rev }: Row) => rev || undefined }),
  }
  return [
    upsert(LISTS, row, options),
    upsert(FEEDS, row, { ...options, list: 'items' }),
    setData(['rows', 'detail', row.id], row),
  ]
}

export const deleted = (id: string): Effect[] => [
  remove(LISTS, id),
  remove(FEEDS, id, { list: 'items' }),
  setData(['rows', 'detail', id], null),
]

interface Counter {
  readonly n: number
  readonly rev: number
}

export function appEvents(configuration: Configuration) {
  return defineEvents({
    'row.saved': on(anything<Row>(), (row) => [
      ...saved(row, configuration),
      invalidate(['stats', row.board]),
    ]),
    'row.deleted': on(anything<{ board: Board; id: string }>(), ({ board, id }) => [
      ...deleted(id),
      invalidate(['stats', board]),
    ]),
    'board.touched': on(anything<{ board: Board }>(), ({ board }) => touched(board)),
    'counter.added': on(anything<{ board: Board; by: number; rev: number }>(), ({ board, by, rev }) =>
      update<Counter>(['counter', board], ({ n }) => ({ n: n + by, rev })),
    ),
    'counter.set': on(anything<{ board: Board; counter: Counter }>(), ({ board, counter }) =>
      setData(['counter', board], counter),
    ),
  })
}

export const touched = (board: Board): Effect[] =>
  QUERIES.filter(({ boards }) => boards.includes(board)).map(({ key }) =>
    invalidate({ queryKey: key, exact: true }),
  )

/** What a write may change of queries that do not show its row: an author without an echo has to know it. */
export function changedBeside(write: Write): Effect[] {
  const board = boardOf(write)
  const effects = [invalidate(['stats', board])]
  // A row that moves may come into view.
  if (write.op === 'set' && write.field !== 'title')
    effects.push(invalidate([...FEEDS, board]), invalidate([...LISTS, board, 'open']))
  return effects
}

type Get = (queryKey: QueryKey) => unknown

/** What an author expects of its own write. */
export function guessed(write: Write, get: Get, mutationId: string): Effect[] {
  switch (write.op) {
    case 'insert':
      return saved({ ...write.row, id: mutationId }, { versions: false })
    case 'delete':
      return deleted(write.id)
    case 'add':
      return [
        update<Counter>(['counter', write.board], ({ n, ...rest }) => ({
          ...rest,
          n: n + write.by,
        })),
      ]
    case 'set':
      return write.field === 'title' ? retitled(write.id, `${write.value}`) : moved(write, get)
  }
}

const retitled = (id: string, title: string): Effect[] => [
  patch<Row>(LISTS, id, { title }),
  patch<Row>(FEEDS, id, { title }, { list: 'items' }),
  patch<Row>(['rows', 'detail', id], id, { title }),
]

/** A row that changes its place: in each query from the row that stands there, else from the list that has all. */
function moved(write: Write & { op: 'set' }, get: Get): Effect[] {
  const find = (query: RowQuery) => rowsOf(query, get(query.key)).find(({ id }) => id === write.id)
  const source = find(allOf(write.board))
  return QUERIES.flatMap((query): Effect[] => {
    if (!query.boards.includes(write.board) || query.kind === 'stats' || query.kind === 'counter') return []
    // What was read in another query may be older or newer than this one: it counts as a guess.
    const isPart = query.kind === 'open' || query.kind === 'feed'
    const row = find(query) ?? (isPart && source ? { ...source, rev: 0 } : undefined)
    if (!row) return []
    const next = { ...row, [write.field]: write.value }
    if (query.kind === 'detail') return [setData(query.key, next)]
    const options = {
      where: isShown,
      sort: byRank,
      ...(query.kind === 'feed' && { list: 'items' }),
    }
    return [upsert({ queryKey: query.key, exact: true }, next, options)]
  })
}
