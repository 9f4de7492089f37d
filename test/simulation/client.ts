/** One browser tab: a real QueryClient, a real bridge, and observers that read as React does. */
import {
  hashKey,
  InfiniteQueryObserver,
  MutationObserver,
  notifyManager,
  QueryClient,
  QueryObserver,
  type InfiniteData,
  type QueryKey,
  type QueryObserverOptions,
} from '@tanstack/query-core'
import { RealtimeQueryBridge, type BridgeLimits } from '../../src/bridge.ts'
import type { RealtimeError } from '../../src/core/errors.ts'
import type { EventTable } from '../../src/core/routing/event-table.ts'
import type { WakeSignal } from '../../src/core/session/session.ts'
import { nextPage, previousPage, QUERIES, type BoardQuery } from './board-queries.ts'
import type { Page, PageParam, Task } from './model-server.ts'
import type { Network } from './network.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface ClientOptions {
  readonly index: number
  readonly time: VirtualTime
  readonly network: Network
  readonly events: EventTable
  readonly limits: Partial<BridgeLimits>
  readonly staleTime: number
  readonly gcTime: number
  readonly retry: number
}

/** A row on screen that was newer before. */
export interface Regress {
  /**
   * What no version can prevent: the row had left the data meanwhile (`absent`), or may have, because the list is a
   * window on the first few (`window`); or nobody was there to hold a response against what was known (`stopped`).
   */
  readonly excuse: 'absent' | 'window' | 'stopped' | undefined
  readonly query: string
  readonly row: number
  readonly from: number
  readonly to: number
}

interface Mounted {
  readonly observer: QueryObserver | InfiniteQueryObserver
  readonly unsubscribe: () => void
}

const FRAME_MS = 16

export class Client {
  readonly queryClient: QueryClient
  readonly bridge: RealtimeQueryBridge
  readonly errors: RealtimeError[] = []
  readonly regresses: Regress[] = []
  /** Positioned events that came again, or before the one in front of them. */
  readonly misdelivered: string[] = []
  /** Fetches that were started, by query. */
  readonly fetches = new Map<string, number>()
  /** When the bridge last heard of anything: an event, or that it is live. */
  heardAt = 0
  readonly #options: ClientOptions
  readonly #clock
  readonly #mounted = new Map<BoardQuery, Mounted>()
  /** By query: the newest version of each row that was on screen, and the rows that have been there since. */
  readonly #seen = new Map<string, { newest: Map<number, number>; kept: Set<number> }>()
  /** The last offset that was delivered, by topic and epoch. */
  readonly #delivered = new Map<string, number>()
  /** Queries whose fetch was in flight when the bridge stopped, and how many responses until that is over. */
  readonly #unheld = new Map<string, number>()
  #isOnline = true
  #signal: ((signal: WakeSignal) => void) | undefined

  constructor(options: ClientOptions) {
    const { index, time, network, events, limits, staleTime, gcTime, retry } = options
    this.#options = options
    this.#clock = time.clock()
    this.queryClient = new QueryClient({
      defaultOptions: { queries: { staleTime, gcTime, retry, retryDelay: 500 } },
    })
    this.bridge = new RealtimeQueryBridge({
      queryClient: this.queryClient,
      events,
      transport: network.transport(index),
      limits,
      clock: this.#clock,
      random: () => 0.5,
      requestFrame: (callback) => this.#clock.after(FRAME_MS, callback),
      signals: {
        isOnline: () => this.#isOnline,
        listen: (listener) => {
          this.#signal = listener
          return () => {
            this.#signal = undefined
          }
        },
      },
      onError: (error) => this.errors.push(error),
    })
    for (const type of events.types) {
      this.bridge.on(type, (_, { topic, position }) => {
        this.heardAt = time.now
        if (position === undefined) return
        const stream = `${topic} of ${position.epoch}`
        const last = this.#delivered.get(stream) ?? 0
        if (position.offset <= last)
          this.misdelivered.push(`${type} ${position.offset} of ${stream} after ${last}`)
        this.#delivered.set(stream, Math.max(last, position.offset))
      })
    }
    this.bridge.subscribe(() => {
      this.heardAt = time.now
    })
    this.queryClient.getQueryCache().subscribe((event) => {
      const { queryKey, queryHash, state } = event.query
      if (event.type === 'updated' && event.action.type === 'success' && !event.action.manual) {
        this.#unheld.set(queryHash, (this.#unheld.get(queryHash) ?? 0) - 1)
      }
      const seen = this.#seen.get(JSON.stringify(queryKey))
      if (seen === undefined) return
      const rows = rowsOf(state.data)
      for (const id of seen.kept) if (!rows.some((row) => row.id === id)) seen.kept.delete(id)
    })
    this.queryClient.mount()
  }

  /** Timers of the bridge that are set. */
  get pendingTimers(): number {
    return this.#clock.pending
  }

  get isListening(): boolean {
    return this.#signal !== undefined
  }

  start(): void {
    this.bridge.start()
  }

  stop(): void {
    for (const { queryHash, state } of this.queryClient.getQueryCache().getAll()) {
      if (state.fetchStatus !== 'idle') this.#unheld.set(queryHash, 2)
    }
    this.bridge.stop()
  }

  signal(signal: WakeSignal): void {
    if (signal === 'online' || signal === 'offline') this.#isOnline = signal === 'online'
    this.#signal?.(signal)
  }

  mount(query: BoardQuery, isEnabled = true): void {
    if (this.#mounted.has(query)) return this.enable(query, isEnabled)
    const options = { ...this.optionsOf(query), enabled: isEnabled } as QueryObserverOptions
    const observer = query.isInfinite
      ? new InfiniteQueryObserver(this.queryClient, options as any)
      : new QueryObserver(this.queryClient, options)
    const look = () => {
      this.#look(query, observer.getCurrentResult().data)
    }
    // What useBaseQuery does: it is told in batches, and reads what is current then.
    const unsubscribe = observer.subscribe(notifyManager.batchCalls(look))
    look()
    this.#mounted.set(query, { observer: observer, unsubscribe })
  }

  unmount(query: BoardQuery): void {
    this.#mounted.get(query)?.unsubscribe()
    this.#mounted.delete(query)
  }

  isMounted(query: BoardQuery): boolean {
    return this.#mounted.has(query)
  }

  enable(query: BoardQuery, enabled: boolean): void {
    this.#mounted.get(query)?.observer.setOptions({ ...this.optionsOf(query), enabled } as any)
  }

  /** Fetches the next page, or the previous one. False: there is none. */
  fetchPage(query: BoardQuery, isNext: boolean, cancelRefetch: boolean): boolean {
    const observer = this.#mounted.get(query)?.observer
    if (!(observer instanceof InfiniteQueryObserver)) return false
    const { hasNextPage, hasPreviousPage } = observer.getCurrentResult()
    if (isNext) void observer.fetchNextPage({ cancelRefetch })
    else void observer.fetchPreviousPage({ cancelRefetch })
    return isNext ? hasNextPage : hasPreviousPage
  }

  optionsOf(query: BoardQuery) {
    const { index, network } = this.#options
    const { queryKey, topics, isInfinite } = query
    const queryFn = (context: { signal: AbortSignal; pageParam?: unknown }) => {
      const name = JSON.stringify(queryKey)
      this.fetches.set(name, (this.fetches.get(name) ?? 0) + 1)
      return network.request(index, queryKey, {
        get signal() {
          return context.signal
        },
        page: (context.pageParam as PageParam | null) ?? undefined,
      })
    }
    const paging = {
      initialPageParam: null,
      getNextPageParam: nextPage,
      ...(queryKey[1] === 'reel' && { getPreviousPageParam: previousPage }),
    }
    return { queryKey, queryFn, meta: { topics }, ...(isInfinite && paging) }
  }

  prefetch(query: BoardQuery): void {
    const options = this.optionsOf(query) as any
    if (query.isInfinite) void this.queryClient.prefetchInfiniteQuery(options)
    else void this.queryClient.prefetchQuery(options)
  }

  /** What the documentation of TanStack Query shows: a guess, and the snapshot put back when it fails. */
  mutate(query: BoardQuery, { row, title, latencyMs, fails, invalidates }: MutationPlan): void {
    const { queryClient } = this
    const { queryKey } = query
    const { network, time } = this.#options
    const rows = rowsOf(queryClient.getQueryData(queryKey))
    const id = rows[row % rows.length]?.id ?? -1
    const observer = new MutationObserver<void, Error, void, { snapshot: unknown }>(queryClient, {
      mutationFn: async () => {
        await time.wait(latencyMs)
        if (fails) throw new Error('409')
        network.retitle(id, title)
        await time.wait(latencyMs)
      },
      onMutate: async () => {
        await queryClient.cancelQueries({ queryKey })
        const snapshot = queryClient.getQueryData(queryKey)
        queryClient.setQueryData(queryKey, (data: unknown) => retitled(data, id, title))
        return { snapshot }
      },
      onError: (_error, _variables, context) => {
        queryClient.setQueryData(queryKey, context?.snapshot)
      },
      ...(invalidates && { onSettled: () => queryClient.invalidateQueries({ queryKey }) }),
    })
    observer.mutate().catch(() => undefined)
  }

  end(): void {
    this.stop()
    for (const query of QUERIES) this.unmount(query)
    this.queryClient.unmount()
    this.queryClient.clear()
  }

  #excuse(queryKey: QueryKey, isKept: boolean): Regress['excuse'] {
    const isStopped = this.bridge.status.status === 'closed' || (this.#unheld.get(hashKey(queryKey)) ?? 0) > 0
    if (isStopped) return 'stopped'
    if (queryKey[1] === 'top') return 'window'
    return isKept ? undefined : 'absent'
  }

  /** L4 as a person sees it: nothing on screen becomes older. */
  #look({ queryKey }: BoardQuery, data: unknown): void {
    const query = JSON.stringify(queryKey)
    let seen = this.#seen.get(query)
    if (seen === undefined) this.#seen.set(query, (seen = { newest: new Map(), kept: new Set() }))
    // A new page may bring a newer copy of a row that an old page has too.
    const rows = new Map<number, number>()
    for (const { id, rev } of rowsOf(data)) rows.set(id, Math.max(rev, rows.get(id) ?? 0))
    for (const [row, to] of rows) {
      const from = seen.newest.get(row) ?? 0
      if (to < from) {
        const excuse = this.#excuse(queryKey, seen.kept.has(row))
        this.regresses.push({ query, row, from, to, excuse })
        if (!excuse) continue
      }
      seen.newest.set(row, to)
    }
    seen.kept = new Set(rows.keys())
  }
}

export interface MutationPlan {
  /** Which of the rows that the query shows gets which title. */
  readonly row: number
  readonly title: string
  readonly latencyMs: number
  readonly fails: boolean
  readonly invalidates: boolean
}

/** Every task in the data of a query, whatever its shape. */
export function rowsOf(data: unknown): readonly Task[] {
  if (typeof data !== 'object' || data === null) return []
  const { pages, items, id } = data as Partial<InfiniteData<Page> & Page & Task>
  if (pages) return pages.flatMap((page) => page.items)
  if (Array.isArray(data)) return data as Task[]
  return items ?? (id === undefined ? [] : [data as Task])
}

function retitled(data: unknown, id: number, title: string): unknown {
  const dress = (task: Task): Task => (task.id === id ? { ...task, title } : task)
  return Array.isArray(data) ? (data as Task[]).map(dress) : data
}
