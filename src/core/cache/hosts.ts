/**
 * What the cache stage is to mutations and to `positioned`. Made here and not by `CacheSync`: apps that have neither
 * do not ship it.
 */
import type { Query, QueryFilters } from '@tanstack/query-core'
import type { Overlay } from '../overlay/overlay.ts'
import { passBarrier } from './mutations/barrier.ts'
import type { CacheSync } from './cache-sync.ts'
import { matchSafely } from './matching/match-safely.ts'
import type { OptimisticHost } from './mutations/optimistic-host.ts'
import { CLEAR, type PositionedFetchOptions } from './positions/positioned-fetch.ts'

export function optimisticHost(cache: CacheSync): Omit<OptimisticHost, 'overlay'> {
  const { clock, limits, onError } = cache.options
  const { index, journal, refetches, view } = cache
  const match = (filters: QueryFilters) => index.match(filters)
  return {
    clock,
    echoTimeoutMs: limits.echoTimeoutMs,
    affected: (effects) => new Set(effects.flatMap((effect) => matchSafely(effect, match))),
    find: (queryKey) => cache.find(queryKey),
    oldestFetch: (queries) => journal.oldest(queries),
    show: (query) => {
      view.show(query)
    },
    together: (step) => {
      view.together(step)
    },
    invalidate: (query) => {
      refetches.invalidate(query, 'active')
    },
    isAttached: () => cache.isAttached,
    isAwaited: (query) => refetches.isAwaited(query),
    onError,
  }
}

export function fetchHost(cache: CacheSync, overlay: Overlay<Query>): PositionedFetchOptions {
  const { clock, limits } = cache.options
  return {
    overlay,
    find: (queryKey) => cache.find(queryKey),
    recordOf: (query) => cache.journal.get(query),
    pass(query, reading) {
      const { optimistic } = cache
      if (!optimistic) return CLEAR
      const { barrierTimeoutMs } = limits
      const whenChanged = () => optimistic.whenChanged()
      return passBarrier(query, reading, { overlay, clock, barrierTimeoutMs, whenChanged })
    },
    unwatched: ({ client, queryKey }, positions) => {
      const query = client.getQueryCache().get(client.defaultQueryOptions({ queryKey }).queryHash)
      if (query) cache.positions?.stated(query, positions)
    },
  }
}
