/**
 * Makes queries true again after events were missed (L2): the active ones are fetched, as `resync-plan.ts` says and
 * through the gate of `refetches.ts`; the others are marked stale. One
 * that is known to have been read late enough is left alone: its position says so, or its data, or its fetch in
 * flight, was asked for within `quietMs`, in which nothing has happened.
 */
import type { Query } from '@tanstack/query-core'
import { isInfinite } from '../../routing/list-draft.ts'
import type { Resync } from '../cache-options.ts'
import type { CacheParts } from '../cache-parts.ts'
import { planResync } from './resync-plan.ts'

/** @param isConcerned - whether the stream keeps a query live */
export function resyncQueries(
  parts: CacheParts,
  isConcerned: (query: Query) => boolean,
  resync: Resync,
): void {
  const { index, journal, options, overlay, refetches } = parts
  const { limits, random } = options
  const { topic, position, quietMs = 0, wasLive } = resync
  const missed: Query[] = []
  overlay.nextTick()
  for (const query of index.match({})) {
    if (!isConcerned(query)) {
      if (topic !== undefined) overlay.entries.get(query)?.positions.delete(topic)
      continue
    }
    const isBehind = topic !== undefined && position ? overlay.reset(query, topic, position) : undefined
    if (isBehind) missed.push(query)
    // Where positions do not tell, the clock does.
    if (isBehind !== undefined || isWithin(parts, query, quietMs)) continue
    const record = journal.get(query)
    const isOnItsWay = record !== undefined && record.page === undefined
    // A response that was asked for late enough makes it good; if it does not come, the query is stale.
    if (isOnItsWay && refetches.scheduler.startedAgoMs(query) < quietMs)
      refetches.scheduler.mark(query, 'active')
    else missed.push(query)
  }
  if (topic !== undefined && position) overlay.log.reset(topic, position, overlay.tick)
  const plan = planResync(
    missed.map((query) => ({ query, requests: requestsOf(query) })),
    { random, spreadMs: wasLive ? limits.resetSpreadMs : 0 },
  )
  for (const planned of plan) fetchMissed(parts, resync, planned)
}

/** A stream was broken. A response on its way tells by its own position whether it is from after the break. */
function fetchMissed(
  parts: CacheParts,
  { topic, position }: Resync,
  { query, delayMs }: { query: Query; delayMs: number },
): void {
  const { overlay, journal, refetches } = parts
  const record = journal.get(query)
  if (record === undefined || topic === undefined || !position) {
    refetches.invalidate(query, 'active', delayMs)
    return
  }
  const event = { type: '', data: undefined, topic, position }
  journal.note(query, [{ event, effects: [], refetchType: 'active', tick: overlay.tick }])
  refetches.outdated(query, 'active')
}

/** Whether what a query shows was read within the last so many ms. */
function isWithin({ options, refetches }: CacheParts, query: Query, ms: number): boolean {
  // `dataUpdatedAt`: a persister may have answered a fetch with data of yesterday, and says so there.
  return refetches.scheduler.provenAgoMs(query) < ms && query.state.dataUpdatedAt > options.clock.now() - ms
}

/** How many requests a fetch makes: of an infinite query one for each page, the head page first. */
function requestsOf({ state }: Query): number {
  const data: unknown = state.data
  return typeof data === 'object' && data !== null && isInfinite(data) ? data.pages.length : 1
}
