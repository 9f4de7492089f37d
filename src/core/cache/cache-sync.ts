/**
 * The cache stage: effects → QueryCache.
 *
 *   routed events ─▶ Batcher ─▶ KeyIndex (which queries) ─▶ Overlay (new base, new view) ─▶ CacheWriter
 *                                        │                        ▲                            │
 *                                        │      Optimistic (what mutations show) ──┘             │
 *                                        └▶ InvalidationScheduler (when to fetch) ◀── FetchJournal (what a
 *                                                                                  response may have missed)
 *
 * What it has done by others: an event (`plan-writer.ts`), a fetch that begins or ends (`fetch-outcomes.ts`), data that
 * comes from elsewhere (`found-data.ts`) or with positions (`query-positions.ts`), a broken stream (`query-resync.ts`),
 * what is out of date (`refetches.ts`).
 *
 * It listens to the query cache to keep the index, to open and close journal records, and to bring a response up to
 * date with what arrived while it was on its way. The listener runs inside query-core's dispatch, before React is
 * told, so the raw response is never rendered. It must not throw: query-core would turn the fetch into an error.
 */
import type { Query, QueryKey } from '@tanstack/query-core'
import type { Position } from '../event.ts'
import { BareOverlay, type QueryOverlay } from '../overlay/bare-overlay.ts'
import type { Overlay, OverlayOptions } from '../overlay/overlay.ts'
import type { Effect } from '../routing/effect.ts'
import { Batcher } from './batcher.ts'
import type { CacheParts } from './cache-parts.ts'
import { changeOf, type CacheChange } from './cache-change.ts'
import type { CacheSyncOptions, QueryInspection, Resync } from './cache-options.ts'
import { CacheWriter } from './cache-writer.ts'
import { effectFailed, FailedEffects } from './effect-failed.ts'
import { FetchJournal } from './fetches/fetch-journal.ts'
import {
  caughtUp,
  fetchFailed,
  fetchRetrying,
  fetchReverted,
  fetchStarted,
  fetchSucceeded,
} from './fetches/fetch-outcomes.ts'
import { ForeignWrites } from './foreign-writes.ts'
import { distrust, join, place, takeAsBase, writtenByApp } from './found-data.ts'
import { KeyIndex } from './matching/key-index.ts'
import type { Optimistic } from './mutations/optimistic.ts'
import { planBatch, type RoutedEvent } from './plan-batch.ts'
import { touches } from './matching/match-safely.ts'
import { writePlan } from './plan-writer.ts'
import type { QueryPositions } from './positions/query-positions.ts'
import { resyncQueries } from './fetches/query-resync.ts'
import { Refetches } from './fetches/refetches.ts'
import { View } from './view.ts'

export class CacheSync implements CacheParts {
  readonly options: CacheSyncOptions
  readonly index = new KeyIndex()
  readonly writer: CacheWriter
  readonly journal: FetchJournal
  readonly refetches: Refetches
  readonly foreignWrites = new ForeignWrites(this)
  readonly view = new View(this)
  readonly failed: FailedEffects
  /** The confirmed data under what is shown, and where it stands, once the two may differ or responses say it. */
  #tracked: Overlay<Query> | undefined
  /** What is known of positions beside it, once responses say them. */
  positions: QueryPositions | undefined
  optimistic: Optimistic | undefined
  readonly #batcher: Batcher<RoutedEvent>
  readonly #bare = new BareOverlay<Query>()
  /** What `stop` has left undone: their events are counted as received, and will not come again. Done by `start`. */
  readonly #unfinished = new Set<Query>()
  /** What the queries of the overlay showed when `stop` left them. */
  readonly #left = new Map<Query, unknown>()
  /** Events that the session still handed over after `stop`. Applied by `start`. */
  #late: RoutedEvent[] = []
  #detach: (() => void) | undefined
  /** Ends what keeps positions that come with data until the start. */
  #endNoting: (() => void) | undefined

  constructor(options: CacheSyncOptions) {
    const { queryClient, limits, requestFrame } = options
    this.options = options
    this.writer = new CacheWriter(queryClient)
    this.failed = new FailedEffects(options.onError)
    this.journal = new FetchJournal(limits.maxJournalEffects)
    this.refetches = new Refetches(this)
    this.#batcher = new Batcher({
      requestFrame,
      maxQueued: limits.maxQueuedEvents,
      flush: (batch) => {
        this.#apply(batch)
      },
    })
  }

  start(): void {
    const cache = this.options.queryClient.getQueryCache()
    for (const query of cache.getAll()) this.index.add(query)
    this.#detach = cache.subscribe((event) => {
      try {
        const change = changeOf(event, cache)
        if (change) this.#onCacheChange(change)
      } catch (cause) {
        this.options.onError(effectFailed({ cause, queryKey: (event.query as Query).queryKey }))
      }
    })
    for (const query of cache.getAll()) this.#resumed(query)
    this.#endNoting?.()
    this.#left.clear()
    for (const query of this.#unfinished) {
      if (cache.get(query.queryHash) === query) this.refetches.invalidate(query, 'active')
    }
    this.#unfinished.clear()
    const late = this.#late
    this.#late = []
    if (late.length > 0) this.push(late)
    this.optimistic?.start()
  }

  /** Applies what is queued, then leaves the cache alone. */
  stop(): void {
    this.#batcher.stop()
    this.#detach?.()
    this.#detach = undefined
    for (const query of [
      ...this.journal.unfinished(),
      ...this.refetches.scheduler.unfinished(),
      ...this.foreignWrites.unfinished(this.index.match({})),
    ]) {
      this.#unfinished.add(query)
    }
    for (const query of this.overlay.entries.keys()) this.#left.set(query, query.state.data)
    this.optimistic?.stop()
    this.refetches.clear()
    this.foreignWrites.stop()
    this.journal.clear()
    this.index.clear()
  }

  /** Another user (L10): nothing is known of any query, and nothing is shown over it. */
  forget(): void {
    this.optimistic?.clear()
    this.overlay.clear()
  }

  get isAttached(): boolean {
    return this.#detach !== undefined
  }

  get overlay(): QueryOverlay<Query> {
    return this.#tracked ?? this.#bare
  }

  /**
   * From now on the confirmed data of queries is kept apart from what is shown, with its place in the stream: for
   * responses that state it, and for mutations.
   */
  track(make: (options: OverlayOptions<Query>) => Overlay<Query>): Overlay<Query> {
    const maxFacts = this.options.limits.maxJournalEffects
    return (this.#tracked ??= make({ touches, maxFacts, before: this.#bare }))
  }

  /** From now on the positions count that come with data. */
  withPositions(make: () => QueryPositions): void {
    if (this.positions) return
    this.positions = make()
    // What has come with them before anybody asked.
    for (const query of this.index.match({})) place(this, query)
    if (!this.isAttached) this.#endNoting = this.positions.note(this.options.queryClient.getQueryCache())
  }

  /** A query as `start` finds it. What the app has made of it since `stop` is its base. */
  #resumed(query: Query): void {
    join(this, query)
    const isKept = this.#left.has(query) && this.#left.get(query) === query.state.data
    if (isKept) return this.view.show(query)
    if (this.overlay.entries.has(query)) this.#unfinished.add(query)
    takeAsBase(this, query)
  }

  /** The query with this key. */
  find(queryKey: QueryKey): Query | undefined {
    const found = this.index.match({ queryKey, exact: true })
    return found.find(({ state }) => state.fetchStatus === 'fetching') ?? found[0]
  }

  /** From where the events of a topic are needed: see `QueryPositions`. */
  startOf(topic: string, isConcerned: (query: Query) => boolean): Position | undefined {
    return this.positions?.startOf(topic, () => this.index.match({}).filter(isConcerned))
  }

  inspect(queryKey: QueryKey): QueryInspection | undefined {
    const query = this.find(queryKey)
    return query && { ...this.overlay.inspect(query), base: this.baseOf(query) }
  }

  /** The confirmed data of a query, under what mutations show. */
  baseOf(query: Query): unknown {
    const entry = this.overlay.entries.get(query)
    return entry ? entry.base : query.state.data
  }

  flush(): void {
    this.#batcher.flush()
  }

  /** A write of the app's own that counts as confirmed. */
  write(effects: readonly Effect[]): void {
    this.flush()
    if (!this.isAttached) this.#late.push({ effects, isReplay: false })
    else this.#apply([{ effects, isReplay: false }])
  }

  /** Takes events in order. Those of one call are written together. */
  push(events: readonly RoutedEvent[]): void {
    if (this.isAttached) this.#batcher.push(events)
    // A handler has stopped the bridge in the middle of a frame, and its positions count as known.
    else for (const event of events) this.#late.push({ ...event, isReplay: true })
  }

  /** The stream of a topic has come to `position`, and nothing before it is missing. */
  advance(topic: string, position: Position): void {
    this.flush()
    this.overlay.log.advance(topic, position, this.overlay.tick)
    caughtUp(this)
    this.optimistic?.moved()
  }

  /** Makes queries true again after events were missed (L2). */
  resync(isConcerned: (query: Query) => boolean, resync: Resync): void {
    this.flush()
    this.view.together(() => {
      resyncQueries(this, isConcerned, resync)
      this.optimistic?.moved()
    })
  }

  #apply(batch: readonly RoutedEvent[]): void {
    this.view.together(() => {
      const tick = this.overlay.nextTick()
      this.optimistic?.receiving(batch)
      const plans = planBatch(batch, {
        match: (filters) => this.index.match(filters),
        tick,
        onError: this.options.onError,
      })
      for (const [query, plan] of plans) {
        try {
          if (this.isAttached) writePlan(this, query, plan)
          else {
            // An error handler has stopped the bridge.
            this.#unfinished.add(query)
            this.overlay.entries.delete(query)
          }
        } catch (cause) {
          this.options.onError(effectFailed({ cause, queryKey: query.queryKey }))
        }
      }
      for (const { event, effects } of batch) {
        const { topic, position } = event ?? {}
        if (event && topic !== undefined && position)
          this.overlay.log.append(topic, { event: { ...event, position }, effects })
      }
      caughtUp(this)
      this.optimistic?.received(batch, plans)
    })
    this.options.onApplied(batch)
  }

  #onCacheChange(change: CacheChange): void {
    const { query } = change
    if (change.type === 'added') {
      this.index.add(query)
      join(this, query)
      takeAsBase(this, query)
      if (query.state.data !== undefined) distrust(this, query)
    } else if (change.type === 'rehashed') this.index.add(query)
    else if (change.type === 'observed') this.optimistic?.observed(query)
    else if (change.type === 'removed') {
      this.index.remove(query)
      this.journal.close(query)
      this.refetches.forget(query)
      this.foreignWrites.forget(query)
      this.overlay.entries.delete(query)
    } else if (change.type === 'fetching') fetchStarted(this, query, change.page)
    else if (change.type === 'fetched') fetchSucceeded(this, query)
    else if (change.type === 'reverted') fetchReverted(this, query)
    else if (change.type === 'failed') fetchFailed(this, query)
    else if (change.type === 'retrying') fetchRetrying(this, query)
    else if (change.type === 'reset') {
      this.journal.close(query)
      takeAsBase(this, query)
    } else if (this.writer.isWriting) return
    else if (change.type === 'written') writtenByApp(this, query)
    else if (change.type === 'restored') {
      // A persister puts the age right of what it has answered a fetch with: the data stays.
      if (change.hasData) takeAsBase(this, query)
      distrust(this, query)
    }
  }
}
