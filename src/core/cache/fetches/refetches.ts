/** Puts queries out of date, and has them fetched when the scheduler finds that it is time, a few at once. */
import type { Query } from '@tanstack/query-core'
import type { RefetchType } from '../../overlay/fact.ts'
import type { CacheParts } from '../cache-parts.ts'
import { FetchGate } from './fetch-gate.ts'
import { InvalidationScheduler, wouldFetch } from './invalidation-scheduler.ts'

/** A fetch that takes longer counts as one that hangs, and keeps the others waiting no longer. In ms. */
const MAX_HOLD_MS = 10_000

type Parts = Pick<CacheParts, 'flush' | 'journal' | 'options' | 'writer'>

export class Refetches {
  readonly scheduler: InvalidationScheduler
  readonly #parts: Parts
  readonly #gate: FetchGate<Query>

  constructor(parts: Parts) {
    const { clock, limits, random } = parts.options
    this.#parts = parts
    this.#gate = new FetchGate({ clock, maxAtOnce: limits.maxConcurrentRefetches, maxHoldMs: MAX_HOLD_MS })
    this.scheduler = new InvalidationScheduler({
      clock,
      random,
      intervalMs: limits.refetchIntervalMs,
      refetch: (query) => {
        this.#gate.enter(query, () => this.#start(query))
      },
    })
  }

  /** A fetch of this query began, whoever asked for it: it answers all that was wanted until now. */
  started(query: Query): void {
    this.scheduler.started(query)
    this.#gate.forget(query)
  }

  /** The query has left the cache. */
  forget(query: Query): void {
    this.scheduler.forget(query)
    this.#gate.forget(query)
  }

  clear(): void {
    this.scheduler.clear()
    this.#gate.clear()
  }

  /** A query is out of date, whatever a response on its way will say. It is not fetched before `delayMs` from now. */
  invalidate(query: Query, refetchType: RefetchType, delayMs = 0): void {
    const { writer, journal } = this.#parts
    writer.invalidate(query)
    this.scheduler.mark(query, refetchType)
    // Whether it is on screen is asked again when the fetch in flight has ended.
    if (journal.markDirty(query, refetchType)) return
    if (wouldFetch(query, refetchType)) this.scheduler.request(query, refetchType, delayMs)
  }

  /** Whether a query is being fetched as a whole, or is to be. */
  isAwaited(query: Query): boolean {
    const record = this.#parts.journal.get(query)
    return (record && record.page === undefined) ?? this.scheduler.staleness(query) !== undefined
  }

  /** Events have put a query out of date. A response on its way may be from after them: its record tells. */
  outdated(query: Query, refetchType: RefetchType): void {
    const { writer, journal } = this.#parts
    writer.invalidate(query)
    this.scheduler.mark(query, refetchType)
    if (journal.get(query) === undefined && wouldFetch(query, refetchType)) {
      this.scheduler.request(query, refetchType)
    }
  }

  #start(query: Query): Promise<unknown> | undefined {
    const { journal, writer } = this.#parts
    this.#parts.flush() // What has arrived is answered by the request that leaves now.
    // Someone else's fetch is in flight (a page, say): one more after it.
    if (journal.markDirty(query, 'active')) return undefined
    // It may have waited: whoever wanted it may be gone. Its stale mark stays.
    return wouldFetch(query, this.scheduler.staleness(query) ?? 'none') ? writer.refetch(query) : undefined
  }
}
