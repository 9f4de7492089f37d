/** What query-core's notifications mean for this stage. */
import type { Query, QueryCache, QueryCacheNotifyEvent } from '@tanstack/query-core'

export type CacheChange = { readonly query: Query } & (
  | {
      readonly type:
        | 'added'
        | 'removed'
        /** It may have another hash function now. */
        | 'rehashed'
        /** Somebody has come to look at it, and with them the options that restored data came without. */
        | 'observed'
        /** A response has come. */
        | 'fetched'
        /** A fetch has failed for good. */
        | 'failed'
        /** One attempt of a fetch has failed. */
        | 'retrying'
        /** `setQueryData`, of ours or of the app's. */
        | 'written'
        /** `query.reset()`: the state that it was made with. */
        | 'reset'
        /** A cancel has put it back to the state of its fetch's start. */
        | 'reverted'
    }
  | { readonly type: 'fetching'; readonly page: 'forward' | 'backward' | undefined }
  /** A state was set from outside: by hydration, or by a persister that knows how old its data is. */
  | { readonly type: 'restored'; readonly hasData: boolean }
)

/** What a notification means; `undefined`: nothing here. */
export function changeOf(event: QueryCacheNotifyEvent, cache: QueryCache): CacheChange | undefined {
  const query = event.query as Query
  if (event.type === 'removed') return { type: 'removed', query }
  // One that the app has removed goes on telling while it is on screen; so does one that a listener before ours has
  // removed again.
  if (cache.get(query.queryHash) !== query) return undefined
  if (event.type === 'added') return { type: 'added', query }
  if (event.type === 'observerOptionsUpdated') return { type: 'rehashed', query }
  if (event.type === 'observerAdded') return { type: 'observed', query }
  if (event.type !== 'updated') return undefined
  const { action } = event
  switch (action.type) {
    case 'fetch':
      return { type: 'fetching', query, page: action.meta?.fetchMore?.direction }
    case 'success':
      return { type: action.manual === true ? 'written' : 'fetched', query }
    case 'failed':
      return { type: 'retrying', query }
    case 'error':
      return { type: 'failed', query }
    case 'setState':
      if (action.state.fetchStatus === 'idle')
        return { type: isReset(action, query) ? 'reset' : 'reverted', query }
      return 'dataUpdatedAt' in action.state
        ? { type: 'restored', query, hasData: 'data' in action.state }
        : undefined
    default:
      return undefined
  }
}

type SetState = Extract<Extract<QueryCacheNotifyEvent, { type: 'updated' }>['action'], { type: 'setState' }>

/** Where query-core does not tell the state that a query was made with, its count does. */
function isReset(action: SetState, query: Query): boolean {
  const { resetState } = query as { resetState?: unknown }
  return resetState === undefined ? action.state.dataUpdateCount === 0 : action.state === resetState
}
