/**
 * The one file that writes the query cache. Everything it does is public query-core API, save where a comment
 * says so.
 *
 * A patch is honest (L6): it changes `data` and leaves `isInvalidated`, `error`, `status` and `dataUpdatedAt` as
 * they were, because an event that changes one row says nothing about the rest of the query.
 */
import { notifyManager, type Query, type QueryClient, type QueryState } from '@tanstack/query-core'
import { RealtimeError } from '../errors.ts'

/** The parts of a query's state that `setQueryData` changes and a patch must not. */
export type Freshness = Pick<QueryState, 'dataUpdatedAt' | 'isInvalidated' | 'status' | 'error'>

export function freshnessOf({ dataUpdatedAt, isInvalidated, status, error }: QueryState): Freshness {
  return { dataUpdatedAt, isInvalidated, status, error }
}

export class CacheWriter {
  readonly #client: QueryClient
  /** A write of ours is being dispatched: the cache's listeners tell it from the app's own by this. */
  #isWriting = false

  constructor(client: QueryClient) {
    this.#client = client
  }

  get isWriting(): boolean {
    return this.#isWriting
  }

  /**
   * Writes data and keeps the query's freshness, or gives it the freshness passed in.
   *
   * While nothing is in flight `query.setState` is enough, and does not compare rows that the effect has not
   * touched. With a fetch in flight a cancel would revert `setState` to the state at the fetch's start;
   * `setQueryData` survives it (query-core `#revertState`), at the price of structural sharing.
   */
  patch(query: Query, data: unknown, freshness?: Freshness): void {
    this.#write(() => {
      if (query.state.fetchStatus === 'idle') {
        query.setState({ ...freshness, data })
        return
      }
      const { dataUpdatedAt, ...rest } = freshness ?? freshnessOf(query.state)
      this.#setData(query, data, dataUpdatedAt)
      query.setState(rest)
    })
  }

  /** Writes data that is the whole truth: the query becomes fresh and successful. */
  replace(query: Query, data: unknown): void {
    this.#write(() => {
      this.#setData(query, data)
    })
  }

  /** Marks a query stale. Does not refetch. */
  invalidate(query: Query): void {
    query.invalidate()
  }

  /**
   * Starts a fetch unless one is in flight. Resolves when it is over. A failure is the query's own state: TanStack
   * keeps it and the app sees it there, so the promise says nothing new.
   */
  refetch(query: Query): Promise<unknown> {
    return query.fetch(undefined, { cancelRefetch: false }).catch(() => undefined)
  }

  /**
   * Takes a query out of the cache. An observed one goes back to its first state instead: it is on screen. True when
   * it stays.
   */
  drop(query: Query): boolean {
    const isObserved = query.getObserversCount() > 0
    if (isObserved) query.reset()
    else this.#client.getQueryCache().remove(query)
    return isObserved
  }

  #write(write: () => void): void {
    this.#isWriting = true
    try {
      notifyManager.batch(write)
    } finally {
      this.#isWriting = false
    }
  }

  #setData(query: Query, data: unknown, updatedAt?: number): void {
    const { queryHash } = this.#client.defaultQueryOptions({ queryKey: query.queryKey })
    const options = updatedAt === undefined ? undefined : { updatedAt }
    if (queryHash === query.queryHash) this.#client.setQueryData(query.queryKey, data, options)
    // A query made with a queryKeyHashFn of its own is not found by its key: setQueryData would make a second one.
    // `setData` is what setQueryData calls on the query it finds; it is marked internal.
    else query.setData(data, { ...options, manual: true })
  }
}

/**
 * Throws when the app's QueryClient comes from another copy of query-core than the one imported here: the two
 * would not batch their notifications together.
 */
export function assertOneQueryCore(client: QueryClient, ownClass: typeof QueryClient): void {
  if (client instanceof ownClass) return
  throw new RealtimeError(
    'usage',
    'queryClient is not a QueryClient of the @tanstack/query-core that this package imports. Either it is something ' +
      'else, or two versions of @tanstack/query-core are installed: run `npm ls @tanstack/query-core` and install the ' +
      'version that your @tanstack/react-query depends on.',
  )
}
