/** One browser tab: a real QueryClient and observers that read as React does. How it mutates and listens is left open. */
import {
  InfiniteQueryObserver,
  notifyManager,
  QueryClient,
  QueryObserver,
  type QueryObserverOptions,
} from '@tanstack/query-core'
import type { VirtualTime } from '../virtual-time.ts'
import type { Row, Write } from './facts.ts'
import { Lost, type Network } from './network.ts'
import type { Operation } from './operation.ts'
import { inWords, rowsOf, type FeedPage, type RowQuery } from './queries.ts'
import { Watcher } from './watcher.ts'

export interface PageOptions {
  readonly index: number
  readonly time: VirtualTime
  readonly network: Network
  /** Query functions read the signal, so unmounting and cancelling revert. */
  readonly usesSignal: boolean
  /** How often a lost write is sent again. */
  readonly retry: number
  /** Events of a frame are applied together, at its end. */
  readonly framesTakeTime: boolean
}

interface Mounted {
  readonly observer: QueryObserver | InfiniteQueryObserver
  readonly unsubscribe: () => void
}

export abstract class Page {
  readonly options: PageOptions
  readonly operations: Operation[] = []
  readonly watcher: Watcher
  queryClient: QueryClient
  readonly mounted = new Map<RowQuery, Mounted>()

  /** Queries that the app has written over its own guesses. */
  readonly foreign = new Set<RowQuery>()

  constructor(options: PageOptions) {
    this.options = options
    this.watcher = new Watcher(options, this.operations)
    this.queryClient = this.newQueryClient()
  }

  abstract start(): void
  abstract stop(): void
  /** Begins a mutation. */
  abstract run(operation: Operation): void
  protected abstract queryFn(query: RowQuery): QueryObserverOptions['queryFn']

  newQueryClient(): QueryClient {
    return new QueryClient({
      defaultOptions: {
        queries: { staleTime: Infinity, gcTime: Infinity, retry: 0, structuralSharing: true },
        mutations: { gcTime: Infinity },
      },
    })
  }

  optionsOf(query: RowQuery): QueryObserverOptions {
    const paging = {
      initialPageParam: null,
      getNextPageParam: ({ next }: FeedPage) => next,
    }
    return {
      queryKey: query.key,
      queryFn: this.queryFn(query),
      meta: { topics: query.topics },
      ...(query.kind === 'feed' && paging),
    } as QueryObserverOptions
  }

  mount(query: RowQuery): void {
    if (this.mounted.has(query)) return
    const options = this.optionsOf(query)
    const observer =
      query.kind === 'feed'
        ? new InfiniteQueryObserver(this.queryClient, options as any)
        : new QueryObserver(this.queryClient, options)
    const look = () => {
      if (!this.foreign.has(query)) this.watcher.look(query, observer.getCurrentResult().data)
    }
    const unsubscribe = observer.subscribe(notifyManager.batchCalls(look))
    look()
    this.mounted.set(query, { observer: observer, unsubscribe })
  }

  unmount(query: RowQuery): void {
    this.mounted.get(query)?.unsubscribe()
    this.mounted.delete(query)
  }

  fetchNextPage(query: RowQuery): void {
    const observer = this.mounted.get(query)?.observer
    if (observer instanceof InfiniteQueryObserver && observer.getCurrentResult().hasNextPage)
      void observer.fetchNextPage({ cancelRefetch: false })
  }

  dataOf(query: RowQuery): unknown {
    return this.queryClient.getQueryData(query.key)
  }

  /** By query; `undefined` where there is no data yet. */
  allRows(): Map<RowQuery, readonly Row[] | undefined> {
    const queries = [...this.mounted.keys()].filter((query) => !this.foreign.has(query))
    return new Map(
      queries.map((query) => {
        const data = this.dataOf(query)
        return [query, data === undefined ? undefined : rowsOf(query, data)]
      }),
    )
  }

  describe(query: RowQuery): string {
    return `${query.name} shows ${inWords(query, this.dataOf(query))}`
  }

  /** The app writes the cache itself, and what it writes is what is there: an equal value. */
  rewrite(query: RowQuery): void {
    this.queryClient.setQueryData(query.key, (data: unknown) => structuredClone(data))
  }

  /** A first load that was cancelled or has failed is nobody's business but the app's. */
  fetchWhatIsEmpty(): void {
    for (const query of this.mounted.keys()) {
      const state = this.queryClient.getQueryState(query.key)
      if (state?.data === undefined && state?.fetchStatus === 'idle')
        void this.queryClient.refetchQueries({ queryKey: query.key, exact: true })
    }
  }

  /** Sends a write past the mutations. */
  save(_write: Write, _id: string): void {}

  /** The person decides what becomes of what was refused. */
  settleFailed(_luck: number): void {}

  async reload(): Promise<void> {}

  /** The rows that a person could act on. */
  rows(): readonly Row[] {
    const rows = new Map<string, Row>()
    for (const query of this.mounted.keys())
      for (const row of rowsOf(query, this.dataOf(query))) rows.set(row.id, row)
    return [...rows.values()]
  }

  remove(query: RowQuery): void {
    const wasMounted = this.mounted.has(query)
    this.unmount(query)
    this.queryClient.removeQueries({ queryKey: query.key, exact: true })
    this.watcher.forget(query.name)
    if (wasMounted) this.mount(query)
  }

  /** Nothing of the page is left but what it has persisted. */
  protected leave(): RowQuery[] {
    const shown = [...this.mounted.keys()]
    for (const query of shown) this.unmount(query)
    this.stop()
    this.options.network.reload(this.options.index)
    this.watcher.forget()
    this.queryClient.unmount()
    return shown
  }

  end(): void {
    for (const query of [...this.mounted.keys()]) this.unmount(query)
    this.stop()
    this.queryClient.clear()
  }

  /** Whether the author knows that it was carried out. */
  isKnown({ state }: Operation): boolean {
    return state === 'acked'
  }

  /** What is shown over a query though nobody knows what became of it. */
  unknownOver(_query: RowQuery): readonly Operation[] {
    return []
  }

  /** What an operation's end means to its author. */
  protected ended(operation: Operation, error: unknown): void {
    operation.state = error === undefined ? 'acked' : error instanceof Lost ? 'unknown' : 'failed'
    operation.unknownAt = this.options.time.now
  }
}
