/**
 * What a response says of itself, and when it may be shown: `bridge.queryFn`.
 *
 * A response that was read while a mutation is under way may have its effect in it or not. For one that must not be
 * applied twice it is held until the mutation's fate is known (R12 of the engine's rules), or until the stream proves
 * that it is not in it: everything up to the response's position has arrived, and the mutation's echo was not among it.
 */
import type { Query, QueryFunction, QueryFunctionContext, QueryKey } from '@tanstack/query-core'
import type { Clock } from '../clock.ts'
import type { Position } from '../event.ts'
import { hasReached, type Positions } from '../overlay/fact.ts'
import type { Operation } from '../overlay/operation.ts'
import type { Overlay } from '../overlay/overlay.ts'
import type { FetchRecord } from './fetch-journal.ts'
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
  overlay: Overlay<Query>
  clock: Clock
  /** How long a response is held at most, in ms. */
  barrierTimeoutMs: number
  readonly find: (queryKey: QueryKey) => Query | undefined
  readonly recordOf: (query: Query) => FetchRecord | undefined
  /** A response of a query that is not watched: the bridge is not started, as on a server that renders. */
  unwatched(context: Pick<QueryFunctionContext, 'client' | 'queryKey'>, positions: Positions): void
  /** Resolves when the fate of a mutation, or the place of a stream, has changed. */
  readonly whenChanged: () => { promise: Promise<void>; cancel(): void }
}

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
      const isClear = await pass(query, { positions, startedAt }, options)
      if (isClear === 'again' && reads < MAX_READS) continue
      if (isClear !== true) record.isVoid = true
      record.readAt = Math.min(record.readAt ?? Infinity, startedAt)
      record.positions = lowest(record.positions, positions)
      return data
    }
  }
}

/** True: the response can be shown. Again: it has to be read again. False: it was held for too long. */
async function pass(
  query: Query,
  { positions, startedAt }: { positions: Positions; startedAt: number },
  { overlay, clock, barrierTimeoutMs, whenChanged }: PositionedFetchOptions,
): Promise<boolean | 'again'> {
  const overlapping = new Set<Operation>()
  const isHeld = () => {
    let isAnyHeld = false
    for (const operation of overlay.operations.values()) {
      const { isIdempotent, isSent, fate } = operation
      if (isIdempotent || !isSent || overlay.effectsOn(operation, query).length === 0) continue
      if (fate !== 'pending') continue
      if (positions.size > 0 && overlay.hasNoEcho(operation, positions)) continue
      isAnyHeld = true
      overlapping.add(operation)
    }
    return isAnyHeld
  }
  const deadline = clock.now() + barrierTimeoutMs
  while (isHeld()) {
    const left = deadline - clock.now()
    if (left <= 0) return false
    const change = whenChanged()
    let stop: (() => void) | undefined
    const timeout = new Promise<void>((resolve) => {
      stop = clock.after(left, resolve)
    })
    await Promise.race([change.promise, timeout])
    stop?.()
    change.cancel()
  }
  // Without positions, or with those of two epochs, nothing tells whether it was read before one was carried out.
  const isOpen = ({ fate, acks }: Operation) =>
    fate !== 'pending' && ![...acks].some(([topic, at]) => isComparable(topic, at))
  const isComparable = (topic: string, at: Position) => {
    const read = positions.get(topic)
    return overlay.log.hasReached(topic, read, at) !== undefined
  }
  for (const operation of overlay.operations.values()) {
    if (operation.isIdempotent || overlay.effectsOn(operation, query).length === 0) continue
    if (operation.settledAt >= startedAt) overlapping.add(operation)
  }
  return [...overlapping].some(isOpen) ? 'again' : true
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
