/** The queries of the model app, and how the server answers them. */
import { isDeepStrictEqual } from 'node:util'
import type { QueryKey } from '@tanstack/query-core'
import { isOpen, isVisible, sorted, topicOf, type Board, type BoardState, type Row } from './facts.ts'

export type Kind = 'all' | 'open' | 'both' | 'feed' | 'detail' | 'stats' | 'counter'

export interface RowQuery {
  readonly name: string
  readonly kind: Kind
  readonly key: QueryKey
  readonly boards: readonly Board[]
  readonly topics: readonly string[]
  /** Which row, of a detail. */
  readonly id: string | undefined
}

const query = (kind: Kind, key: QueryKey, boards: readonly Board[], id?: string): RowQuery => ({
  name: JSON.stringify(key),
  kind,
  key,
  boards,
  topics: boards.map(topicOf),
  id,
})

export const QUERIES: readonly RowQuery[] = [
  ...(['a', 'b'] as const).flatMap((board) => [
    query('all', ['rows', 'list', board], [board]),
    query('open', ['rows', 'list', board, 'open'], [board]),
    query('feed', ['rows', 'feed', board], [board]),
    query('detail', ['rows', 'detail', `${board}1`], [board], `${board}1`),
    query('stats', ['stats', board], [board]),
    query('counter', ['counter', board], [board]),
  ]),
  query('both', ['rows', 'list'], ['a', 'b']),
]

export const allOf = (board: Board) =>
  QUERIES.find(({ kind, boards }) => kind === 'all' && boards[0] === board)!

export const PAGE_SIZE = 3

export interface FeedPage {
  readonly items: readonly Row[]
  /** The rank after which the next page begins; `null`: there is none. */
  readonly next: number | null
}

export interface Stats {
  readonly total: number
  readonly open: number
  readonly rev: number
}

export type States = Readonly<Partial<Record<Board, BoardState>>>

/** The rows of a list, as one client sees them. */
export function rowsIn({ kind, boards, id }: RowQuery, states: States, client: number): Row[] {
  const rows = boards.flatMap((board) => states[board]!.rows).filter(({ only }) => isVisible(only, client))
  if (kind === 'open') return rows.filter(isOpen)
  if (kind === 'detail') return rows.filter((row) => row.id === id)
  return boards.length > 1 ? sorted([...rows]) : rows
}

/** The server's answer. */
export function answer(
  query: RowQuery,
  states: States,
  client: number,
  after: number | null = null,
): unknown {
  const { kind, boards } = query
  const [board] = boards
  if (kind === 'counter') return { ...states[board!]!.counter }
  const rows = rowsIn(query, states, client).map((row) => ({ ...row }))
  if (kind === 'detail') return rows[0] ?? null
  if (kind === 'stats') {
    const stats: Stats = {
      total: rows.length,
      open: rows.filter(isOpen).length,
      rev: states[board!]!.seenRevs[client]!,
    }
    return stats
  }
  if (kind !== 'feed') return rows
  const rest = after === null ? rows : rows.filter(({ rank }) => rank > after)
  const items = rest.slice(0, PAGE_SIZE)
  const page: FeedPage = { items, next: rest.length > PAGE_SIZE ? items.at(-1)!.rank : null }
  return page
}

/** Every row in the data of a query, in order. */
export function rowsOf({ kind }: RowQuery, data: unknown): readonly Row[] {
  if (data === undefined || data === null || kind === 'stats' || kind === 'counter') return []
  if (kind === 'detail') return [data as Row]
  if (kind === 'feed') return (data as { pages: FeedPage[] }).pages.flatMap(({ items }) => items)
  return data as readonly Row[]
}

/** Whether an infinite list says that there is no more. */
export const isWhole = ({ kind }: RowQuery, data: unknown): boolean =>
  kind !== 'feed' || (data as { pages: FeedPage[] }).pages.at(-1)?.next === null

/**
 * Whether a query's data is what the server would answer. Of an infinite list: as far as it is loaded, since pages
 * break where they broke when they were read.
 */
export function isTrue(query: RowQuery, data: unknown, states: States, client: number): boolean {
  if (data === undefined) return false
  if (query.kind !== 'feed') return isDeepStrictEqual(data, answer(query, states, client))
  const rows = rowsIn(query, states, client)
  const loaded = rowsOf(query, data)
  const isEnough = isWhole(query, data) ? loaded.length === rows.length : loaded.length <= rows.length
  return isEnough && loaded.every((row, index) => isSameRow(row, rows[index]))
}

export const isSameRow = (a: Row | undefined, b: Row | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    a.id === b.id &&
    a.title === b.title &&
    a.stage === b.stage &&
    a.rank === b.rank &&
    a.rev === b.rev)

export const rowsInWords = (rows: readonly Row[]): string =>
  `[${rows.map(({ id, title, stage, rank, rev }) => `${id}:${title}/${stage}/${Math.round(rank)}@${rev}`).join(' ')}]`

export const inWords = (query: RowQuery, data: unknown): string =>
  query.kind === 'stats' || query.kind === 'counter' || data === undefined
    ? JSON.stringify(data)
    : `${rowsInWords(rowsOf(query, data))}${isWhole(query, data) ? '' : '…'}`
