/** What is stored of queries is what the server has confirmed (`base`), not what pending mutations show over it. */
import {
  defaultShouldDehydrateMutation,
  defaultShouldDehydrateQuery,
  dehydrate,
  type DehydratedState,
  type DehydrateOptions,
  type Query,
  type QueryClient,
  type QueryState,
} from '@tanstack/query-core'
import type { RealtimeQueryBridge } from '../bridge.ts'
import { idIn, isMutationOf } from '../core/cache/mutations/pending-mutation.ts'
import { withPositions, withPromise } from '../core/cache/positions/travelling-positions.ts'
import type { EventTable } from '../core/routing/event-table.ts'
import { isPersisted } from './persist-mutations.ts'

/**
 * For `dehydrate` and for the `dehydrateOptions` of `persistQueryClient` and `PersistQueryClientProvider`: queries are
 * stored without what pending mutations show, and the mutations that `persistMutations` stores are left to it.
 *
 * @param options - your own; they see the confirmed data.
 * @example
 * <PersistQueryClientProvider client={queryClient} persistOptions={{ persister, dehydrateOptions: dehydrateBase(bridge) }}>
 */
export function dehydrateBase(
  bridge: RealtimeQueryBridge<EventTable>,
  options: DehydrateOptions = {},
): DehydrateOptions {
  const {
    serializeData = (data: unknown): unknown => data,
    shouldDehydrateQuery = defaultShouldDehydrateQuery,
    shouldDehydrateMutation = defaultShouldDehydrateMutation,
  } = options
  // TanStack asks for a query's data right after it has asked whether the query is wanted.
  let asked: Query | undefined
  return {
    ...options,
    shouldDehydrateQuery: (query) => {
      asked = query
      return shouldDehydrateQuery(query)
    },
    serializeData: (data: unknown): unknown => {
      const isAsked = asked !== undefined && asked.state.data === data
      return serializeData(isAsked && asked ? bridge.cache.baseOf(asked) : data)
    },
    shouldDehydrateMutation: (mutation) => {
      const isOurs = isMutationOf(bridge, mutation.options)
      // What is carried out is in the data that is stored: to show it again would be once too often.
      if (isOurs && (isPersisted(bridge) || bridge.isEchoed(idIn(mutation)))) return false
      return shouldDehydrateMutation(mutation)
    },
  }
}

/**
 * TanStack's `dehydrate`, with the base of each query and where that stands in the event stream. The positions travel in
 * the queries' `meta`, through `hydrate`, `HydrationBoundary` or a persister. A bridge over the QueryClient that gets
 * them asks for what has happened since, and fetches nothing that it can tell to be current. Positions are known of
 * what `positioned` has fetched, also by a bridge that is not started, on a server.
 *
 * @param options - TanStack's, and the QueryClient, if it is not the bridge's.
 * @example
 * const state = dehydrateWithPositions(bridge)
 * return <HydrationBoundary state={state}>…</HydrationBoundary>
 */
export function dehydrateWithPositions(
  bridge: RealtimeQueryBridge<EventTable>,
  options: DehydrateOptions & { queryClient?: QueryClient } = {},
): DehydratedState {
  const { queryClient = bridge.queryClient, ...rest } = options
  const state = dehydrate(queryClient, dehydrateBase(bridge, rest))
  const cache = queryClient.getQueryCache()
  const queries = state.queries.map((dehydrated) => {
    const { queryHash, meta, promise } = dehydrated
    if (promise) return { ...dehydrated, meta: withPromise(meta) }
    const { dataUpdatedAt } = dehydrated.state
    const query = cache.get(queryHash)
    const positions = query && bridge.cache.positions?.of(query)
    return { ...dehydrated, ...withPositions(meta, positions && { positions, dataUpdatedAt }) }
  })
  return { ...state, queries }
}

/** What TanStack's `experimental_createQueryPersister` stores of one query. */
export interface PersistedQueryState {
  readonly queryHash: string
  readonly state: QueryState
}

/**
 * For the `serialize` of `experimental_createQueryPersister`: what is stored of a query is what the server has confirmed.
 *
 * @example
 * experimental_createQueryPersister({ storage, serialize: serializeBase(bridge) })
 */
export function serializeBase<TValue = string>(
  bridge: RealtimeQueryBridge<EventTable>,
  serialize: (persistedQuery: PersistedQueryState) => TValue = JSON.stringify as never,
): (persistedQuery: PersistedQueryState) => TValue {
  return (persistedQuery) => {
    const { queryHash, state } = persistedQuery
    const query = bridge.queryClient.getQueryCache().get(queryHash)
    if (query === undefined || query.state.data !== state.data) return serialize(persistedQuery)
    return serialize({ ...persistedQuery, state: { ...state, data: bridge.cache.baseOf(query) } })
  }
}
