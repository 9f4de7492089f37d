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
import { notifyManager, type Query, type QueryCacheNotifyEvent, type QueryClient } from '@tanstack/query-core'
import type { Clock } from '../clock.ts'
import type { RealtimeError } from '../errors.ts'
import type { RealtimeEvent } from '../event.ts'
import type { Effect, InvalidateEffect, PatchingEffect } from '../routing/effect.ts'
import { isReplayable } from '../routing/effects.ts'
import { foldEffects } from './apply-effect.ts'
import { Batcher, type RequestFrame } from './batcher.ts'
import { CacheWriter, freshnessOf } from './cache-writer.ts'
import { FetchJournal, type FetchRecord } from './fetch-journal.ts'
import { ForeignWrites } from './foreign-writes.ts'
import { InvalidationScheduler } from './invalidation-scheduler.ts'
import { KeyIndex } from './key-index.ts'
import { effectFailed } from './effect-failed.ts'

/** An event with the effects that the table gave it. */
export interface RoutedEvent {
  readonly event: RealtimeEvent
  readonly effects: readonly Effect[]
  /** It was missed and came by replay: a query fetched meanwhile may hold it already. */
  readonly isReplay: boolean
}

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

/** What one batch does to one query. */
interface Plan {
  readonly effects: PatchingEffect[]
  /** The event behind each effect. */
  readonly sources: RoutedEvent[]
  refetchType: InvalidateEffect['refetchType'] | undefined
  isDropped: boolean
}

export class CacheSync {
  readonly #options: CacheSyncOptions
  readonly #index = new KeyIndex()
  readonly #writer: CacheWriter
  readonly #journal: FetchJournal
  readonly #scheduler: InvalidationScheduler
  readonly #foreignWrites: ForeignWrites
  readonly #batcher: Batcher<RoutedEvent>
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
        if (!this.#journal.markDirty(query, 'refetch')) this.#writer.refetch(query)
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
  }

  /** Applies what is queued, then leaves the cache alone. */
  stop(): void {
    this.#batcher.stop()
    this.#detach?.()
    this.#detach = undefined
    this.#scheduler.clear()
    this.#foreignWrites.stop()
    this.#journal.clear()
    this.#index.clear()
  }

  /** Takes events in order. Those of one call are written together. */
  push(events: readonly RoutedEvent[]): void {
    this.#batcher.push(events)
  }

  /** Applies what is queued now. */
  flush(): void {
    this.#batcher.flush()
  }

  /** The queries that filters match, as `queryCache.findAll` would give them. */
  match(filters: InvalidateEffect['filters']): Query[] {
    return this.#index.match(filters)
  }

  /**
   * Makes queries true again after events were missed (L2): the active ones are fetched, the others marked stale.
   * One whose last fetch began within `quietMs` (nothing has happened since before it) is left alone.
   */
  resync(isConcerned: (query: Query) => boolean, quietMs = 0): void {
    const now = this.#options.clock.now()
    this.#batcher.flush()
    notifyManager.batch(() => {
      for (const query of this.#index.match({})) {
        const isCurrent = now - this.#scheduler.startedAt(query) < quietMs
        if (!isCurrent && isConcerned(query)) this.#invalidate(query, 'active')
      }
    })
  }

  #apply(batch: readonly RoutedEvent[]): void {
    notifyManager.batch(() => {
      const plans = new Map<Query, Plan>()
      for (const routed of batch) for (const effect of routed.effects) this.#plan(plans, effect, routed)
      for (const [query, plan] of plans) {
        try {
          this.#carryOut(query, plan)
        } catch (cause) {
          this.#options.onError(effectFailed({ cause, queryKey: query.queryKey }))
        }
      }
    })
    this.#options.onApplied(batch)
  }

  #plan(plans: Map<Query, Plan>, effect: Effect, routed: RoutedEvent): void {
    let queries: Query[]
    try {
      queries = this.#index.match(
        effect.kind === 'setData' ? { queryKey: effect.queryKey, exact: true } : effect.filters,
      )
    } catch (cause) {
      this.#options.onError(effectFailed({ cause, effect, event: routed.event }))
      return
    }
    for (const query of queries) {
      let plan = plans.get(query)
      if (plan === undefined) {
        plan = { effects: [], sources: [], refetchType: undefined, isDropped: false }
        plans.set(query, plan)
      }
      if (effect.kind === 'drop') plan.isDropped = true
      else if (effect.kind === 'invalidate') plan.refetchType = widest(plan.refetchType, effect.refetchType)
      else if (!plan.isDropped) {
        plan.effects.push(effect)
        plan.sources.push(routed)
      }
    }
  }

  #carryOut(query: Query, plan: Plan): void {
    if (plan.isDropped) {
      this.#writer.drop(query)
      this.#scheduler.request(query)
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
    this.#foreignWrites.changedByEvent(query)
    const record = this.#journal.get(query)
    if (record !== undefined) record.written = { data: query.state.data, freshness: freshnessOf(query.state) }
    if (!isWhole) this.#invalidate(query, 'active')
    else if (fetchStatus === 'idle' && this.#isDoubtful(plan, dataUpdatedAt)) {
      this.#writer.invalidate(query)
      this.#scheduler.request(query, { notBeforeMs: this.#options.limits.streamLagMs })
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

  #invalidate(query: Query, refetchType: InvalidateEffect['refetchType']): void {
    this.#writer.invalidate(query)
    const isWanted = refetchType === 'all' || (refetchType === 'active') === query.isActive()
    const mustFetch = refetchType !== 'none' && isWanted
    if (this.#journal.markDirty(query, mustFetch ? 'refetch' : 'stale')) return
    if (mustFetch) this.#scheduler.request(query, { evenInactive: refetchType !== 'active' })
  }

  #onCacheEvent(event: QueryCacheNotifyEvent): void {
    const { query } = event
    if (event.type === 'added') this.#added(query)
    else if (event.type === 'observerOptionsUpdated')
      this.#index.add(query) // It may have another hash function now.
    else if (event.type === 'removed') {
      this.#index.remove(query)
      this.#journal.close(query)
      this.#scheduler.forget(query)
    } else if (event.type === 'updated') {
      const { action } = event
      if (action.type === 'fetch') this.#fetchStarted(query, action.meta?.fetchMore !== undefined)
      else if (action.type === 'success' && action.manual !== true) this.#fetchSucceeded(query)
      else if (action.type === 'success' && !this.#writer.isWriting) this.#writtenByOthers(query)
      else if (isRevert(action)) this.#fetchReverted(query)
      else if (action.type === 'error') this.#fetchFailed(query, this.#journal.close(query))
    }
  }

  #added(query: Query): void {
    // A listener before ours may have removed it again: then 'removed' has come already.
    if (this.#options.queryClient.getQueryCache().get(query.queryHash) !== query) return
    this.#index.add(query)
    if (query.state.fetchStatus !== 'idle') this.#journal.open(query, false)
  }

  #fetchStarted(query: Query, isPage: boolean): void {
    this.#journal.open(query, isPage)
    if (!isPage) this.#scheduler.started(query)
  }

  #fetchSucceeded(query: Query): void {
    const record = this.#journal.close(query)
    const isPage = record?.isPage === true
    if (!isPage) this.#scheduler.succeeded(query)
    if (record === undefined) return
    const isWhole = record.effects.length === 0 || this.#fold(query, record.effects, {})
    const mustFetch = record.dirty === 'refetch' || !isWhole || (isPage && this.#scheduler.isWanted(query))
    if (mustFetch) this.#invalidate(query, 'active')
    else if (record.dirty === 'stale') this.#writer.invalidate(query)
  }

  /** The app wrote the query itself. A cancel keeps that, so nothing of ours is put back over it. */
  #writtenByOthers(query: Query): void {
    const record = this.#journal.get(query)
    if (record !== undefined) record.written = undefined
    this.#foreignWrites.writtenByApp(query)
  }

  #fetchFailed(query: Query, record: FetchRecord | undefined): void {
    if (record !== undefined && record.dirty !== false) {
      this.#writer.invalidate(query)
      if (record.dirty === 'refetch') this.#scheduler.want(query)
    }
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
    this.#fetchFailed(query, record)
  }
}

/** A cancel that put a query back to the state of its fetch's start. Until 5.80 it was told as an error. */
function isRevert(action: Extract<QueryCacheNotifyEvent, { type: 'updated' }>['action']): boolean {
  if (action.type === 'error') return (action.error as { revert?: boolean } | null)?.revert === true
  return action.type === 'setState' && action.state.fetchStatus === 'idle'
}

const WIDTH = { none: 0, inactive: 1, active: 1, all: 2 } as const

/** The refetch type that covers both. */
function widest(
  a: InvalidateEffect['refetchType'] | undefined,
  b: InvalidateEffect['refetchType'],
): InvalidateEffect['refetchType'] {
  if (a === undefined || a === b) return b
  if (WIDTH[a] === WIDTH[b]) return 'all' // active and inactive
  return WIDTH[a] > WIDTH[b] ? a : b
}
