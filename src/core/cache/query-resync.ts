/**
 * Makes queries true again after events were missed (L2): the active ones are fetched, the others marked stale. One
 * that is known to have been read late enough is left alone: its position says so, or its data, or its fetch in
 * flight, was asked for within `quietMs`, in which nothing has happened.
 */
import type { Query } from '@tanstack/query-core'
import type { Clock } from '../clock.ts'
import type { Overlay } from '../overlay/overlay.ts'
import type { Resync } from './cache-options.ts'
import type { FetchJournal } from './fetch-journal.ts'
import type { Refetches } from './refetches.ts'

export interface QueryResyncOptions {
  readonly clock: Clock
  readonly overlay: Overlay<Query>
  readonly journal: FetchJournal
  readonly refetches: Refetches
}

export class QueryResync {
  readonly #options: QueryResyncOptions

  constructor(options: QueryResyncOptions) {
    this.#options = options
  }

  /** @param isConcerned - whether the stream keeps a query live */
  run(queries: readonly Query[], isConcerned: (query: Query) => boolean, resync: Resync): void {
    const { clock, overlay, journal, refetches } = this.#options
    const { topic, position, quietMs = 0 } = resync
    const now = clock.now()
    overlay.nextTick()
    for (const query of queries) {
      if (!isConcerned(query)) {
        if (topic !== undefined) overlay.entries.get(query)?.positions.delete(topic)
        continue
      }
      if (topic !== undefined && position && !overlay.reset(query, topic, position)) continue
      if (this.#isNewerThan(now - quietMs, query)) continue
      const record = journal.get(query)
      const isOnItsWay = record !== undefined && record.page === undefined
      // A response that was asked for late enough makes it good; if it does not come, the query is stale.
      if (isOnItsWay && now - refetches.scheduler.startedAt(query) < quietMs)
        refetches.scheduler.mark(query, 'active')
      else this.#missed(query, resync)
    }
    if (topic !== undefined && position) overlay.log.reset(topic, position, overlay.tick)
  }

  /** A stream was broken. A response on its way tells by its own position whether it is from after the break. */
  #missed(query: Query, { topic, position }: Resync): void {
    const { overlay, journal, refetches } = this.#options
    const record = journal.get(query)
    if (record === undefined || topic === undefined || !position) return refetches.invalidate(query, 'active')
    const event = { type: '', data: undefined, topic, position }
    journal.note(query, [{ event, effects: [], refetchType: 'active', tick: overlay.tick }])
    refetches.outdated(query, 'active')
  }

  /** Whether what a query shows was read after a moment. */
  #isNewerThan(moment: number, query: Query): boolean {
    // `dataUpdatedAt`: a persister may have answered a fetch with data of yesterday, and says so there.
    return this.#options.refetches.scheduler.provenAt(query) > moment && query.state.dataUpdatedAt > moment
  }
}
