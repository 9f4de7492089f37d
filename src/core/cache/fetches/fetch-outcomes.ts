/** What the beginning and the end of a fetch, whoever began it, do to the overlay, the journal and what is planned. */
import type { Query } from '@tanstack/query-core'
import { widest } from '../../overlay/fact.ts'
import type { CacheParts } from '../cache-parts.ts'
import type { FetchRecord } from './fetch-journal.ts'
import { isHandedOver } from '../positions/travelling-positions.ts'

export function fetchStarted(parts: CacheParts, query: Query, page: FetchRecord['page']): void {
  const { overlay, journal, refetches } = parts
  journal.open(query, { page, startedAt: overlay.nextTick(), isHandedOver: isHandedOver(query) })
  if (page === undefined) refetches.started(query)
}

export function fetchSucceeded(parts: CacheParts, query: Query): void {
  const { failed, foreignWrites, journal, optimistic, overlay, refetches, view, writer } = parts
  const { scheduler } = refetches
  const record = journal.close(query)
  const { readAt, page, positions, reads, facts: arrived = [], undecided = new Set<string>() } = record ?? {}
  // With one more page come the others as they were when the fetch began, whenever it was sent.
  const isOfThen = page !== undefined && overlay.entries.get(query)?.base === undefined
  const startedAt = (isOfThen ? undefined : readAt) ?? record?.startedAt ?? 0
  overlay.nextTick()
  const stated = positions && positions.size > 0 ? positions : undefined
  const response = { data: query.state.data, positions: stated, reads, startedAt, page, arrived, undecided }
  const outcome = overlay.respond(query, response)
  if (outcome.isRefused) {
    view.show(query)
    scheduler.mark(query, 'active')
    writer.invalidate(query)
    scheduler.failed(query)
    return
  }
  failed.tell(query, outcome, arrived)
  foreignWrites.changed(query)
  if (page === undefined) scheduler.succeeded(query)
  view.show(query)
  optimistic?.fetched()
  let stale = record?.dirty
  if (record?.isHandedOver) stale = widest(stale, 'active')
  if (outcome.refetchType) stale = widest(stale, outcome.refetchType)
  // A page makes nothing good that was out of date before.
  const before = scheduler.staleness(query)
  if (before) stale = widest(stale, before)
  if (stale) refetches.invalidate(query, stale)
}

/** The stream has moved: pages that were read ahead of it may be part of their lists now. */
export function caughtUp(parts: CacheParts): void {
  const { failed, overlay, refetches, view } = parts
  for (const [query, outcome] of overlay.caughtUp()) {
    failed.tell(query, outcome, [])
    if (outcome.refetchType) refetches.invalidate(query, outcome.refetchType)
    view.show(query)
  }
}

export function fetchFailed(parts: CacheParts, query: Query, record = parts.journal.close(query)): void {
  const { optimistic, refetches, writer } = parts
  if (record?.dirty) refetches.scheduler.mark(query, record.dirty)
  if (refetches.scheduler.staleness(query)) writer.invalidate(query)
  refetches.scheduler.failed(query)
  optimistic?.fetched()
}

/** It is asked again, and what comes then says for itself where it stands. */
export function fetchRetrying(parts: CacheParts, query: Query): void {
  const record = parts.journal.get(query)
  if (record === undefined) return
  record.positions = undefined
  record.reads.length = 0
}

/** A cancel put the query back to the state of the fetch's start: what was known since is put back (L4). */
export function fetchReverted(parts: CacheParts, query: Query): void {
  const { writer, journal, refetches, foreignWrites } = parts
  const record = journal.close(query)
  if (record === undefined) return
  const { written } = record
  if (written !== undefined && query.state.data !== undefined) {
    writer.patch(query, written.data, written.freshness)
  }
  if (record.dirty) refetches.scheduler.mark(query, record.dirty)
  // The app cancels before it writes a guess: a fetch while its mutation is pending would take the guess back.
  if (refetches.scheduler.staleness(query) && foreignWrites.defer(query)) writer.invalidate(query)
  else fetchFailed(parts, query, record)
}
