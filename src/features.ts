/**
 * What a bridge can do beside keeping queries live. Functions and not methods, so that an app ships those that it calls:
 * each makes its part of the bridge on first use, and finds it again from then on.
 */
import type { Query, QueryFunction, QueryKey } from '@tanstack/query-core'
import type { RealtimeQueryBridge } from './bridge.ts'
import { fetchHost, optimisticHost } from './core/cache/hosts.ts'
import { Optimistic } from './core/cache/mutations/optimistic.ts'
import { PendingMutations } from './core/cache/mutations/pending-mutations.ts'
import { positionedFetch, type PositionedContext } from './core/cache/positions/positioned-fetch.ts'
import { QueryPositions } from './core/cache/positions/query-positions.ts'
import { Overlay } from './core/overlay/overlay.ts'
import { PAGES_AHEAD } from './core/overlay/pages-ahead.ts'
import { TemporaryIds } from './core/overlay/temporary-ids.ts'
import type { EventTable } from './core/routing/event-table.ts'
import { Presence } from './core/session/extensions/presence.ts'
import { randomId } from './core/session/random-id.ts'
import { Signals } from './core/session/extensions/signals.ts'

/** Any bridge, whatever its table. */
type AnyBridge = RealtimeQueryBridge<EventTable>

/** Who is present in a topic. `usePresence` does it for you. */
export function presenceOf(bridge: AnyBridge): Pick<Presence, 'join' | 'of' | 'subscribe'> {
  return bridge.session.use(Presence)
}

/** Passing words between clients: cursors, typing. `useSignal` does it for you. */
export function signalsOf(bridge: AnyBridge): Pick<Signals, 'send' | 'listen'> {
  return bridge.session.use(Signals)
}

/**
 * Wraps a `queryFn`, so that the bridge knows where in the stream a response stands: what it has in it already is not
 * applied again, what it misses is, and one that is older than what is on screen is not shown. Pass the response, or its
 * positions, through `received`.
 *
 * Callbacks beside it that use the data (`select`, `getNextPageParam`) need its type: `positioned<Page, QueryKey, number>`.
 *
 * @example
 * queryFn: positioned(bridge, async ({ signal, received }) => received(await fetch('/api/tasks', { signal })).json())
 */
export function positioned<TData, TQueryKey extends QueryKey = QueryKey, TPageParam = never>(
  bridge: AnyBridge,
  fn: (context: PositionedContext<TQueryKey, TPageParam>) => TData | Promise<TData>,
): QueryFunction<TData, TQueryKey, TPageParam> {
  const overlay = tracked(bridge)
  overlay.pagesAhead = PAGES_AHEAD
  bridge.cache.withPositions(() => new QueryPositions(overlay))
  return positionedFetch(fn, fetchHost(bridge.cache, overlay))
}

/**
 * The mutations of a bridge. Whatever makes one asks for them first, so that those which a persister restores are seen.
 * @internal
 */
export function mutationsOf(bridge: AnyBridge): PendingMutations {
  return bridge.withMutations(({ createId, ...parts }) => {
    const { cache } = bridge
    const { clock, onError, queryClient, random } = cache.options
    const ids = new TemporaryIds()
    const overlay = tracked(bridge)
    const optimistic = (cache.optimistic = new Optimistic({ ...optimisticHost(cache), overlay, ids }))
    return new PendingMutations({
      ...parts,
      now: () => clock.now(),
      createId: createId ?? (() => randomId(random)),
      queryClient,
      optimistic,
      ids,
      owner: bridge,
      onError,
    })
  })
}

const tracked = ({ cache }: AnyBridge): Overlay<Query> => cache.track((options) => new Overlay(options))
