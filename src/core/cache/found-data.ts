/**
 * Data that this stage finds in a query and has not put there: it was there before, or came from hydration, from a
 * persister, from `initialData`, or from the app.
 */
import type { Query } from '@tanstack/query-core'
import { rebase } from '../overlay/entry.ts'
import type { CacheParts } from './cache-parts.ts'

/** What came before a query was seen here is not known, nor when the fetch began that it may be in. */
export function join({ foreignWrites, journal, overlay }: CacheParts, query: Query): void {
  foreignWrites.changed(query)
  if (query.state.fetchStatus !== 'idle') journal.open(query, { page: undefined, startedAt: overlay.tick })
}

/** The data that a query has now is its base, wherever it came from. */
export function takeAsBase(parts: CacheParts, query: Query): void {
  parts.overlay.forget(query)
  place(parts, query)
  parts.optimistic?.cover(query)
}

/** Data that has come with its positions is as good as a response that was read there. */
export function place(parts: CacheParts, query: Query): void {
  const came = parts.positions?.take(query)
  if (came === undefined) return
  // Mutations may be shown over it by now.
  const outcome = parts.overlay.respond(query, {
    data: parts.baseOf(query),
    positions: came,
    startedAt: 0,
    page: undefined,
    arrived: [],
    undecided: new Set(),
  })
  parts.failed.tell(query, outcome, [])
  parts.view.show(query)
  if (outcome.refetchType) distrust(parts, query)
}

/**
 * It came while events were coming: how old it is in terms of the stream is not known, and what came before it was not
 * applied to it. It may be shown, and is fetched.
 */
export function distrust(parts: CacheParts, query: Query): void {
  // Not inside the dispatch: whoever restores it may not have finished.
  queueMicrotask(() => {
    if (parts.isAttached && !parts.overlay.isLive(query)) parts.refetches.invalidate(query, 'active')
  })
}

/** The app wrote the query itself. A cancel keeps that, so nothing of ours is put back over it. */
export function writtenByApp(parts: CacheParts, query: Query): void {
  const { foreignWrites, journal, optimistic, overlay, refetches, view, writer } = parts
  const record = journal.get(query)
  if (record !== undefined) record.written = undefined
  foreignWrites.writtenByApp(query)
  const entry = overlay.entries.get(query)
  if (entry) rebase(entry, query.state.data)
  optimistic?.writtenByApp(query)
  view.show(query)
  // Made from data that was out of date, it is out of date as well.
  if (refetches.scheduler.staleness(query)) writer.invalidate(query)
}
