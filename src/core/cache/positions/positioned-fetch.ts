/** What a response says of itself: `positioned`. */
import type { Query, QueryFunction, QueryFunctionContext, QueryKey } from '@tanstack/query-core'
import { hasReached, type Positions } from '../../overlay/fact.ts'
import type { Overlay } from '../../overlay/overlay.ts'
import type { FetchRecord } from '../fetches/fetch-journal.ts'
import { positionsOf, type PositionSource } from './position-source.ts'

/** What a wrapped `queryFn` gets: TanStack's context, and `received`. */
export type PositionedContext<
  TQueryKey extends QueryKey = QueryKey,
  TPageParam = never,
> = QueryFunctionContext<TQueryKey, TPageParam> & {
  /** Notes the positions that a response states, and gives it back. */
  received<TSource extends PositionSource>(source: TSource): TSource
}

export interface PositionedFetchOptions {
  overlay: Pick<Overlay<Query>, 'nextTick'>
  readonly find: (queryKey: QueryKey) => Query | undefined
  readonly recordOf: (query: Query) => FetchRecord | undefined
  /** A response of a query that is not watched: the bridge is not started, as on a server that renders. */
  unwatched(context: Pick<QueryFunctionContext, 'client' | 'queryKey'>, positions: Positions): void
  pass(query: Query, reading: Reading): Passage | Promise<Passage>
}

/** One reading of a query: what it states, and when it began, in ticks. */
export interface Reading {
  readonly positions: Positions
  readonly startedAt: number
}

/** Whether a response may be shown. With any `undecided` it has to be read again, unless it is late. */
export interface Passage {
  /** The mutations that it may have in it or not. */
  readonly undecided: readonly string[]
  /** It was held for too long, and is to be held no longer. */
  readonly isLate: boolean
}

export const CLEAR: Passage = { undecided: [], isLate: false }

/** Reads of one fetch that mutations overlapped. One more would not tell more. */
const MAX_READS = 5

export function positionedFetch<TData, TQueryKey extends QueryKey, TPageParam>(
  fn: (context: PositionedContext<TQueryKey, TPageParam>) => TData | Promise<TData>,
  options: PositionedFetchOptions,
): QueryFunction<TData, TQueryKey, TPageParam> {
  return async (context) => {
    const query = options.find(context.queryKey)
    const record = query && options.recordOf(query)
    for (let reads = 1; ; reads++) {
      let positions: Positions = new Map()
      const startedAt = options.overlay.nextTick()
      const received = <TSource extends PositionSource>(source: TSource): TSource => {
        positions = positionsOf(source)
        return source
      }
      // Not a spread: it would read `signal`, and TanStack would take that for its use.
      const own = Object.getOwnPropertyDescriptors(context)
      const extended = Object.defineProperties(Object.create(null), {
        ...own,
        received: { value: received, enumerable: true },
      }) as PositionedContext<TQueryKey, TPageParam>
      const data = await fn(extended)
      if (query === undefined || record === undefined) {
        options.unwatched(context, positions)
        return data
      }
      const { undecided, isLate } = await options.pass(query, { positions, startedAt })
      if (undecided.length > 0 && !isLate && reads < MAX_READS) continue
      for (const mutationId of undecided) record.undecided.add(mutationId)
      record.readAt = Math.min(record.readAt ?? Infinity, startedAt)
      record.positions = lowest(record.positions, positions)
      record.reads.push(positions)
      return data
    }
  }
}

/** Of several pages the one that is furthest behind counts; a topic that one of them does not state is not known. */
export function lowest(known: Positions | undefined, added: Positions): Positions {
  if (known === undefined) return added
  const result = new Map(known)
  for (const [topic, position] of known) {
    const other = added.get(topic)
    if (!other || other.epoch !== position.epoch) result.delete(topic)
    else if (hasReached(other, position) === false) result.set(topic, other)
  }
  return result
}
