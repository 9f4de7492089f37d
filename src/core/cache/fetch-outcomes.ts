/** What the beginning and the end of a fetch, whoever began it, do to the overlay, the journal and what is planned. */
import type { Query } from '@tanstack/query-core'
import type { RealtimeError } from '../errors.ts'
import type { QueryOverlay } from '../overlay/bare-overlay.ts'
import { widest } from '../overlay/fact.ts'
import type { CacheWriter } from './cache-writer.ts'
import { problemsOf } from './effect-failed.ts'
import type { FetchJournal, FetchRecord } from './fetch-journal.ts'
import type { ForeignWrites } from './foreign-writes.ts'
import type { Refetches } from './refetches.ts'
import { isHandedOver } from './travelling-positions.ts'
import type { View } from './view.ts'

export interface FetchOutcomesOptions {
  readonly overlay: QueryOverlay<Query>
  readonly writer: CacheWriter
  readonly journal: FetchJournal
  readonly refetches: Refetches
  readonly foreignWrites: ForeignWrites
  readonly view: View
  /** A fetch has ended: what it tells is in the overlay. */
  readonly onEnd: () => void
  readonly onError: (error: RealtimeError) => void
}

export class FetchOutcomes {
  readonly #options: FetchOutcomesOptions

  constructor(options: FetchOutcomesOptions) {
    this.#options = options
  }

  started(query: Query, page: FetchRecord['page']): void {
    const { overlay, journal, refetches } = this.#options
    journal.open(query, { page, startedAt: overlay.nextTick(), isHandedOver: isHandedOver(query) })
    if (page === undefined) refetches.started(query)
  }

  succeeded(query: Query): void {
    const { overlay, writer, journal, refetches, foreignWrites, view, onEnd, onError } = this.#options
    const { scheduler } = refetches
    const record = journal.close(query)
    const { readAt, page, positions, facts: arrived = [], undecided = new Set<string>() } = record ?? {}
    // With one more page come the others as they were when the fetch began, whenever it was sent.
    const isOfThen = page !== undefined && overlay.entries.get(query)?.base === undefined
    const startedAt = (isOfThen ? undefined : readAt) ?? record?.startedAt ?? 0
    overlay.nextTick()
    const stated = positions && positions.size > 0 ? positions : undefined
    const response = { data: query.state.data, positions: stated, startedAt, page, arrived, undecided }
    const outcome = overlay.respond(query, response)
    if (outcome.isRefused) {
      view.show(query)
      scheduler.mark(query, 'active')
      writer.invalidate(query)
      scheduler.failed(query)
      return
    }
    for (const error of problemsOf(query, outcome, arrived)) onError(error)
    foreignWrites.changed(query)
    if (page === undefined) scheduler.succeeded(query)
    view.show(query)
    onEnd()
    let stale = record?.dirty
    if (record?.isHandedOver) stale = widest(stale, 'active')
    if (outcome.refetchType) stale = widest(stale, outcome.refetchType)
    // A page makes nothing good that was out of date before.
    const before = scheduler.staleness(query)
    if (before) stale = widest(stale, before)
    if (stale) refetches.invalidate(query, stale)
  }

  /** The stream has moved: pages that were read ahead of it may be part of their lists now. */
  caughtUp(): void {
    const { overlay, refetches, view, onError } = this.#options
    for (const [query, outcome] of overlay.caughtUp()) {
      for (const error of problemsOf(query, outcome, [])) onError(error)
      if (outcome.refetchType) refetches.invalidate(query, outcome.refetchType)
      view.show(query)
    }
  }

  failed(query: Query, record = this.#options.journal.close(query)): void {
    const { writer, refetches, onEnd } = this.#options
    if (record?.dirty) refetches.scheduler.mark(query, record.dirty)
    if (refetches.scheduler.staleness(query)) writer.invalidate(query)
    refetches.scheduler.failed(query)
    onEnd()
  }

  /** It is asked again, and what comes then says for itself where it stands. */
  retrying(query: Query): void {
    const record = this.#options.journal.get(query)
    if (record) record.positions = undefined
  }

  /** A cancel put the query back to the state of the fetch's start: what was known since is put back (L4). */
  reverted(query: Query): void {
    const { writer, journal, refetches, foreignWrites } = this.#options
    const record = journal.close(query)
    if (record === undefined) return
    const { written } = record
    if (written !== undefined && query.state.data !== undefined) {
      writer.patch(query, written.data, written.freshness)
    }
    if (record.dirty) refetches.scheduler.mark(query, record.dirty)
    // The app cancels before it writes a guess: a fetch while its mutation is pending would take the guess back.
    if (refetches.scheduler.staleness(query) && foreignWrites.defer(query)) writer.invalidate(query)
    else this.failed(query, record)
  }
}
