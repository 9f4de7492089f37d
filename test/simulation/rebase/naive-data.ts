/** How an app without help writes into its cache: by hand, for each shape of data. */
import { isOpen, type Field, type Row } from './facts.ts'
import type { FeedPage, RowQuery } from './queries.ts'

interface Feed {
  readonly pages: readonly FeedPage[]
  readonly pageParams: readonly unknown[]
}

const inOrder = (rows: Row[]) => rows.sort((a, b) => a.rank - b.rank)

export function withRow(query: RowQuery, data: unknown, row: Row): unknown {
  const { kind, boards, id } = query
  if (data === undefined || !boards.includes(row.board)) return data
  if (kind === 'detail') return row.id === id ? row : data
  if (kind === 'open' && !isOpen(row)) return withoutRow(query, data, row.id)
  if (kind === 'feed') return insertedIntoFeed(withoutRow(query, data, row.id) as Feed, row)
  if (kind === 'stats' || kind === 'counter') return data
  return inOrder([...(withoutRow(query, data, row.id) as Row[]), row])
}

export function withoutRow({ kind, id }: RowQuery, data: unknown, gone: string): unknown {
  if (data === undefined || kind === 'stats' || kind === 'counter') return data
  if (kind === 'detail') return gone === id ? null : data
  if (kind !== 'feed') return (data as Row[]).filter((row) => row.id !== gone)
  const feed = data as Feed
  return {
    ...feed,
    pages: feed.pages.map((page) => ({ ...page, items: page.items.filter((row) => row.id !== gone) })),
  }
}

function insertedIntoFeed(feed: Feed, row: Row): Feed {
  const at = feed.pages.findIndex(({ items, next }) => next === null || (items.at(-1)?.rank ?? 0) > row.rank)
  if (at === -1) return feed
  const pages = feed.pages.map((page, index) =>
    index === at ? { ...page, items: inOrder([...page.items, row]) } : page,
  )
  return { ...feed, pages }
}

/** The row with this id, in the data of a query. */
export function rowOf({ kind }: RowQuery, data: unknown, id: string): Row | undefined {
  if (data === undefined || data === null || kind === 'stats' || kind === 'counter') return undefined
  if (kind === 'detail') return (data as Row).id === id ? (data as Row) : undefined
  const rows = kind === 'feed' ? (data as Feed).pages.flatMap(({ items }) => items) : (data as Row[])
  return rows.find((row) => row.id === id)
}

export function withField(
  query: RowQuery,
  data: unknown,
  { id, field, value }: { id: string; field: Field; value: string | number },
): unknown {
  const row = rowOf(query, data, id)
  return row ? withRow(query, data, { ...row, [field]: value }) : data
}
