/**
 * The cache stage: effects → QueryCache.
 *
 *   routed events ─▶ Batcher ─▶ KeyIndex (which queries) ─▶ foldEffects (new data) ─▶ CacheWriter
 *                                        │                                               │
 *                                        └▶ InvalidationScheduler (when to fetch) ◀── FetchJournal (what a
 *                                                                                  response may have missed)
 *
 * It listens to the query cache to keep the index, to open and close journal records, and to apply again over a
 * response what arrived while it was on its way. The listener runs inside query-core's dispatch, before React is
 * told, so the un-patched response is never rendered. It must not throw: query-core would turn the fetch into an
 * error.
 */
import {
  notifyManager,
  type Query,
  type QueryCacheNotifyEvent,
  type QueryClient,
  type QueryFilters,
} from '@tanstack/query-core'
import type { Clock } from '../clock.ts'
import type { RealtimeError } from '../errors.ts'
import type { RealtimeEvent } from '../event.ts'
import type { PatchingEffect } from '../routing/effect.ts'
import { isReplayable } from '../routing/effects.ts'
import { foldEffects } from '../overlay/fold-effects.ts'
import { Batcher, type RequestFrame } from './batcher.ts'
import { CacheWriter, freshnessOf } from './cache-writer.ts'
import { FetchJournal, type FetchRecord } from './fetch-journal.ts'
import { ForeignWrites } from './foreign-writes.ts'
import { InvalidationScheduler, widest, wouldFetch, type RefetchType } from './invalidation-scheduler.ts'
import { KeyIndex } from './key-index.ts'
import { planBatch, type Plan, type RoutedEvent } from './plan-batch.ts'
import { effectFailed } from './effect-failed.ts'

export interface CacheSyncOptions {
  queryClient: QueryClient
  clock: Clock
  random(): number
  requestFrame: RequestFrame
  limits: CacheLimits
  onError(error: RealtimeError): void
  /** Called after the effects of a batch are in the cache. */
  onApplied(batch: readonly RoutedEvent[]): void
}

/** Bounds of the cache stage. */
export interface CacheLimits {
  /** Events that wait for the frame; at the limit they are applied at once. @default 1_000 */
  readonly maxQueuedEvents: number
  /** Effects kept per fetch in flight; at the limit the query is fetched once more instead. @default 1_000 */
  readonly maxJournalEffects: number
  /** Shortest time between the starts of two fetches that events ask for, per query, in ms. @default 200 */
  readonly refetchIntervalMs: number
  /**
   * How far behind a REST response the event stream may be, in ms. An effect that cannot be applied twice
   * (`update`) and arrives within this time after a response may be in it already: the query is fetched again
   * once this time has passed. @default 5_000
   */
  readonly streamLagMs: number
}

export class CacheSync {
  readonly #options: CacheSyncOptions
  readonly #index = new KeyIndex()
  readonly #writer: CacheWriter
  readonly #journal: FetchJournal
  readonly #scheduler: InvalidationScheduler
  readonly #foreignWrites: ForeignWrites
  readonly #batcher: Batcher<RoutedEvent>
  /** What `stop` has left undone: their events are counted as received, and will not come again. Done by `start`. */
  readonly #unfinished = new Set<Query>()
  /** Events that the session still handed over after `stop`. Applied by `start`. */
  #late: RoutedEvent[] = []
  #detach: (() => void) | undefined

  constructor(options: CacheSyncOptions) {
    const { queryClient, clock, limits, requestFrame } = options
    this.#options = options
    this.#writer = new CacheWriter(queryClient)
    this.#journal = new FetchJournal(limits.maxJournalEffects)
    this.#scheduler = new InvalidationScheduler({
      clock,
      random: () => options.random(),
      intervalMs: limits.refetchIntervalMs,
      refetch: (query) => {
        // What has arrived before the request leaves is answered by it.
        this.#batcher.flush()
        // Someone else's fetch is in flight (a page, say): one more after it.
        if (!this.#journal.markDirty(query, 'active')) this.#writer.refetch(query)
      },
    })
    this.#foreignWrites = new ForeignWrites({
      mutationCache: queryClient.getMutationCache(),
      clock,
      refetch: (query) => {
        this.#invalidate(query, 'active')
      },
    })
    this.#batcher = new Batcher({
      requestFrame,
      maxQueued: limits.maxQueuedEvents,
      flush: (batch) => {
        this.#apply(batch)
      },
    })
  }

  start(): void {
    const cache = this.#options.queryClient.getQueryCache()
    for (const query of cache.getAll()) this.#added(query)
    this.#detach = cache.subscribe((event) => {
      try {
        this.#onCacheEvent(event)
      } catch (cause) {
        this.#options.onError(effectFailed({ cause, queryKey: (event.query as Query).queryKey }))
      }
    })
    for (const query of this.#unfinished) {
      if (cache.get(query.queryHash) === query) this.#invalidate(query, 'active')
    }
    this.#unfinished.clear()
    const late = this.#late
    this.#late = []
    if (late.length > 0) this.push(late)
  }

  /** Applies what is queued, then leaves the cache alone. */
  stop(): void {
    this.#batcher.stop()
    this.#detach?.()
    this.#detach = undefined
    const exposed = this.#foreignWrites.unfinished(this.#index.match({}))
    for (const query of [...this.#journal.unfinished(), ...this.#scheduler.unfinished(), ...exposed]) {
      this.#unfinished.add(query)
    }
    this.#scheduler.clear()
    this.#foreignWrites.stop()
    this.#journal.clear()
    this.#index.clear()
  }

  /** Takes events in order. Those of one call are written together. */
  push(events: readonly RoutedEvent[]): void {
    if (this.#detach !== undefined) this.#batcher.push(events)
    // A handler has stopped the bridge in the middle of a frame, and its positions count as known.
    else for (const event of events) this.#late.push({ ...event, isReplay: true })
  }

  /**
   * Makes queries true again after events were missed (L2): the active ones are fetched, the others marked stale.
   * One whose data, or whose fetch in flight, was asked for within `quietMs` is left alone: nothing has happened since.
   */
  resync(isConcerned: (query: Query) => boolean, quietMs = 0): void {
    const now = this.#options.clock.now()
    this.#batcher.flush()
    notifyManager.batch(() => {
      for (const query of this.#index.match({})) {
        if (!isConcerned(query) || this.#isNewerThan(now - quietMs, query)) continue
        const isOnItsWay = this.#journal.get(query)?.isPage === false
        // A response that was asked for late enough makes it good; if it does not come, the query is stale.
        if (isOnItsWay && now - this.#scheduler.startedAt(query) < quietMs)
          this.#scheduler.mark(query, 'active')
        else this.#invalidate(query, 'active')
      }
    })
  }

  /** Whether what a query shows was read after a moment. */
  #isNewerThan(moment: number, query: Query): boolean {
    // `dataUpdatedAt`: a persister may have answered a fetch with data of yesterday, and says so there.
    return this.#scheduler.provenAt(query) > moment && query.state.dataUpdatedAt > moment
  }

  #apply(batch: readonly RoutedEvent[]): void {
    notifyManager.batch(() => {
      const match = (filters: QueryFilters) => this.#index.match(filters)
      const report = (error: RealtimeError) => {
        this.#options.onError(error)
      }
      for (const [query, plan] of planBatch(batch, match, report)) {
        try {
          if (this.#detach !== undefined) this.#carryOut(query, plan)
          else this.#unfinished.add(query) // An error handler has stopped the bridge.
        } catch (cause) {
          this.#options.onError(effectFailed({ cause, queryKey: query.queryKey }))
        }
      }
    })
    this.#options.onApplied(batch)
  }

  #carryOut(query: Query, plan: Plan): void {
    if (plan.isDropped) {
      if (this.#writer.drop(query)) this.#scheduler.request(query, 'active')
      return
    }
    if (plan.effects.length > 0) this.#patch(query, plan)
    if (plan.refetchType !== undefined) this.#invalidate(query, plan.refetchType)
  }

  #patch(query: Query, plan: Plan): void {
    this.#journal.note(query, plan.effects)
    const { data, dataUpdatedAt, fetchStatus } = query.state
    const isReplacement = plan.effects.some((effect) => effect.kind === 'setData' && effect.replace)
    // L6: an event never invents data; only what is declared to be the whole truth fills an empty query.
    if (data === undefined && !isReplacement) return
    const eventOf = (index: number) => plan.sources[index]?.event
    const isWhole = this.#fold(query, plan.effects, { isReplacement, eventOf })
    this.#foreignWrites.changed(query)
    const record = this.#journal.get(query)
    if (record !== undefined) record.written = { data: query.state.data, freshness: freshnessOf(query.state) }
    if (!isWhole) this.#invalidate(query, 'active')
    else if (fetchStatus === 'idle' && this.#isDoubtful(plan, dataUpdatedAt)) {
      this.#writer.invalidate(query)
      this.#scheduler.request(query, 'active', this.#options.limits.streamLagMs)
    }
  }

  /** Writes the effects over a query's data. False when they could not all be applied. */
  #fold(
    query: Query,
    effects: readonly PatchingEffect[],
    {
      isReplacement = false,
      eventOf,
    }: { isReplacement?: boolean; eventOf?: (index: number) => RealtimeEvent | undefined },
  ): boolean {
    const before = query.state.data
    const { data, refetch, problems } = foldEffects(effects, before, query)
    if (isReplacement) this.#writer.replace(query, data)
    else if (data !== before) this.#writer.patch(query, data)
    for (const { index, why, cause } of problems) {
      const details = { effect: effects[index], event: eventOf?.(index), queryKey: query.queryKey }
      this.#options.onError(effectFailed({ ...details, why, cause }))
    }
    return !refetch
  }

  /** Whether the data may hold an effect already that must not be applied twice. */
  #isDoubtful(plan: Plan, dataUpdatedAt: number): boolean {
    const isYoung = this.#options.clock.now() - dataUpdatedAt < this.#options.limits.streamLagMs
    return plan.effects.some(
      (effect, index) => !isReplayable(effect) && (isYoung || plan.sources[index]?.isReplay),
    )
  }

  #invalidate(query: Query, refetchType: RefetchType): void {
    this.#writer.invalidate(query)
    this.#scheduler.mark(query, refetchType)
    // Whether it is on screen is asked again when the fetch in flight has ended.
    if (this.#journal.markDirty(query, refetchType)) return
    if (wouldFetch(query, refetchType)) this.#scheduler.request(query, refetchType)
  }

  #onCacheEvent(event: QueryCacheNotifyEvent): void {
    const { query } = event
    // One that the app has removed goes on telling while it is on screen; so does one that a listener before ours has
    // removed again.
    const isCached = this.#options.queryClient.getQueryCache().get(query.queryHash) === query
    if (!isCached && event.type !== 'removed') return
    if (event.type === 'added') {
      this.#added(query)
      if (query.state.data !== undefined) this.#restored(query)
    } else if (event.type === 'observerOptionsUpdated')
      this.#index.add(query) // It may have another hash function now.
    else if (event.type === 'removed') {
      this.#index.remove(query)
      this.#journal.close(query)
      this.#scheduler.forget(query)
      this.#foreignWrites.forget(query)
    } else if (event.type === 'updated') {
      const { action } = event
      if (action.type === 'fetch') this.#fetchStarted(query, action.meta?.fetchMore !== undefined)
      else if (action.type === 'success' && action.manual !== true) this.#fetchSucceeded(query)
      else if (action.type === 'success' && !this.#writer.isWriting) this.#writtenByOthers(query)
      else if (isReset(action, query)) this.#journal.close(query)
      else if (isRevert(action)) this.#fetchReverted(query)
      else if (action.type === 'setState' && 'dataUpdatedAt' in action.state) {
        if (!this.#writer.isWriting) this.#restored(query)
      } else if (action.type === 'error') this.#fetchFailed(query, this.#journal.close(query))
    }
  }

  #added(query: Query): void {
    this.#index.add(query)
    this.#foreignWrites.changed(query)
    if (query.state.fetchStatus !== 'idle') this.#journal.open(query, false)
  }

  /**
   * Data came from a persister, from hydration or from `initialData` while events were coming: how old it is in terms
   * of the stream is not known, and what came before it was not applied to it. It may be shown, and is fetched.
   */
  #restored(query: Query): void {
    // Not inside the dispatch: whoever restores it may not have finished.
    queueMicrotask(() => {
      if (this.#detach !== undefined) this.#invalidate(query, 'active')
    })
  }

  #fetchStarted(query: Query, isPage: boolean): void {
    this.#journal.open(query, isPage)
    if (!isPage) this.#scheduler.started(query)
  }

  #fetchSucceeded(query: Query): void {
    const record = this.#journal.close(query)
    const isPage = record?.isPage === true
    this.#foreignWrites.changed(query)
    if (!isPage) this.#scheduler.succeeded(query)
    if (record === undefined) return
    let stale = record.dirty
    if (record.effects.length > 0 && !this.#fold(query, record.effects, {})) stale = widest(stale, 'active')
    // A page makes nothing good that was out of date before.
    const before = this.#scheduler.staleness(query)
    if (before) stale = widest(stale, before)
    if (stale) this.#invalidate(query, stale)
  }

  /** The app wrote the query itself. A cancel keeps that, so nothing of ours is put back over it. */
  #writtenByOthers(query: Query): void {
    const record = this.#journal.get(query)
    if (record !== undefined) record.written = undefined
    this.#foreignWrites.writtenByApp(query)
    // Made from data that was out of date, it is out of date as well.
    if (this.#scheduler.staleness(query)) this.#writer.invalidate(query)
  }

  #fetchFailed(query: Query, record: FetchRecord | undefined): void {
    if (record?.dirty) this.#scheduler.mark(query, record.dirty)
    if (this.#scheduler.staleness(query)) this.#writer.invalidate(query)
    this.#scheduler.failed(query)
  }

  /** A cancel put the query back to the state of the fetch's start: what was known since is put back (L4). */
  #fetchReverted(query: Query): void {
    const record = this.#journal.close(query)
    if (record === undefined) return
    const { written } = record
    if (written !== undefined && query.state.data !== undefined) {
      this.#writer.patch(query, written.data, written.freshness)
    }
    if (record.dirty) this.#scheduler.mark(query, record.dirty)
    // The app cancels before it writes a guess: a fetch while its mutation is pending would take the guess back.
    if (this.#scheduler.staleness(query) && this.#foreignWrites.defer(query)) this.#writer.invalidate(query)
    else this.#fetchFailed(query, record)
  }
}

type Action = Extract<QueryCacheNotifyEvent, { type: 'updated' }>['action']

/** `query.reset()`: the state the query was made with. Where query-core does not tell that state, its count does. */
function isReset(action: Action, query: Query): boolean {
  if (action.type !== 'setState' || action.state.fetchStatus !== 'idle') return false
  const { resetState } = query as { resetState?: unknown }
  return resetState === undefined ? action.state.dataUpdateCount === 0 : action.state === resetState
}

/** A cancel that put a query back to the state of its fetch's start. Until 5.80 it was told as an error. */
function isRevert(action: Action): boolean {
  if (action.type === 'error') return (action.error as { revert?: boolean } | null)?.revert === true
  return action.type === 'setState' && action.state.fetchStatus === 'idle'
}
