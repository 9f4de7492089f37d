/** Puts queries out of date, and has them fetched when the scheduler finds that it is time. */
import type { Query } from '@tanstack/query-core'
import type { Clock } from '../clock.ts'
import type { RefetchType } from '../overlay/fact.ts'
import type { CacheWriter } from './cache-writer.ts'
import type { FetchJournal } from './fetch-journal.ts'
import { InvalidationScheduler, wouldFetch } from './invalidation-scheduler.ts'

export interface RefetchesOptions {
  readonly clock: Clock
  readonly random: () => number
  /** At least this long between the starts of two fetches of one query, in ms. */
  readonly intervalMs: number
  readonly writer: CacheWriter
  readonly journal: FetchJournal
  /** Called before a request leaves: what has arrived is answered by it. */
  readonly beforeFetch: () => void
}

export class Refetches {
  readonly scheduler: InvalidationScheduler
  readonly #options: RefetchesOptions

  constructor(options: RefetchesOptions) {
    const { clock, random, intervalMs, writer, journal, beforeFetch } = options
    this.#options = options
    this.scheduler = new InvalidationScheduler({
      clock,
      random,
      intervalMs,
      refetch: (query) => {
        beforeFetch()
        // Someone else's fetch is in flight (a page, say): one more after it.
        if (!journal.markDirty(query, 'active')) writer.refetch(query)
      },
    })
  }

  /** A query is out of date, whatever a response on its way will say. */
  invalidate(query: Query, refetchType: RefetchType): void {
    const { writer, journal } = this.#options
    writer.invalidate(query)
    this.scheduler.mark(query, refetchType)
    // Whether it is on screen is asked again when the fetch in flight has ended.
    if (journal.markDirty(query, refetchType)) return
    if (wouldFetch(query, refetchType)) this.scheduler.request(query, refetchType)
  }

  /** Whether a query is being fetched as a whole, or is to be. */
  isAwaited(query: Query): boolean {
    const record = this.#options.journal.get(query)
    return (record && record.page === undefined) ?? this.scheduler.staleness(query) !== undefined
  }

  /** Events have put a query out of date. A response on its way may be from after them: its record tells. */
  outdated(query: Query, refetchType: RefetchType): void {
    const { writer, journal } = this.#options
    writer.invalidate(query)
    this.scheduler.mark(query, refetchType)
    if (journal.get(query) === undefined && wouldFetch(query, refetchType)) {
      this.scheduler.request(query, refetchType)
    }
  }
}
