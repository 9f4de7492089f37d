/**
 * The cache stage: effects → QueryCache.
 *
 *   routed events ─▶ Batcher ─▶ KeyIndex (which queries) ─▶ Overlay (new base, new view) ─▶ CacheWriter
 *                                        │                        ▲                            │
 *                                        │      Optimistic (what mutations show) ──┘             │
 *                                        └▶ InvalidationScheduler (when to fetch) ◀── FetchJournal (what a
 *                                                                                  response may have missed)
 *
 * It listens to the query cache to keep the index, to open and close journal records, and to bring a response up to
 * date with what arrived while it was on its way. The listener runs inside query-core's dispatch, before React is
 * told, so the raw response is never rendered. It must not throw: query-core would turn the fetch into an error.
 */
import type { Query, QueryFilters, QueryKey } from '@tanstack/query-core'
import type { Position } from '../event.ts'
import { isRepeatable, widest, type Fact, type Positions, type RefetchType } from '../overlay/fact.ts'
import { foldEffects } from '../overlay/fold-effects.ts'
import { Overlay, type Outcome } from '../overlay/overlay.ts'
import type { Effect } from '../routing/effect.ts'
import { Batcher } from './batcher.ts'
import { changeOf, type CacheChange } from './cache-change.ts'
import type { CacheSyncOptions, QueryInspection, Resync } from './cache-options.ts'
import { CacheWriter } from './cache-writer.ts'
import { effectFailed } from './effect-failed.ts'
import { FetchJournal, type FetchRecord } from './fetch-journal.ts'
import { ForeignWrites } from './foreign-writes.ts'
import { InvalidationScheduler, wouldFetch } from './invalidation-scheduler.ts'
import { KeyIndex } from './key-index.ts'
import { Optimistic } from './optimistic.ts'
import { lowest, type PositionedFetchOptions } from './positioned-fetch.ts'
import { planBatch, type Plan, type RoutedEvent } from './plan-batch.ts'
import { matchSafely, touches } from './match-safely.ts'
import { positionsThatCame } from './travelling-positions.ts'
import { View } from './view.ts'

export class CacheSync {
  readonly #options: CacheSyncOptions
  readonly #index = new KeyIndex()
  readonly #writer: CacheWriter
  readonly #journal: FetchJournal
  readonly #scheduler: InvalidationScheduler
  readonly #foreignWrites: ForeignWrites
  readonly #batcher: Batcher<RoutedEvent>
  readonly #view: View
  /** The confirmed data under what is shown, where the two may differ. */
  readonly overlay: Overlay<Query>
  /** The mutations that are shown before they are confirmed. */
  readonly optimistic: Optimistic
  /** What `stop` has left undone: their events are counted as received, and will not come again. Done by `start`. */
  readonly #unfinished = new Set<Query>()
  /** What responses have stated while the bridge was not started. */
  readonly #unwatched = new WeakMap<Query, { positions: Positions; dataUpdatedAt: number }>()
  /** Queries whose data has come with its positions: those are true once. */
  readonly #placed = new WeakSet<Query>()
  #hasPlaced = false
  /** What the queries of the overlay showed when `stop` left them. */
  readonly #left = new Map<Query, unknown>()
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
    this.overlay = new Overlay({ touches, maxFacts: limits.maxJournalEffects })
    this.#view = new View({
      overlay: this.overlay,
      writer: this.#writer,
      journal: this.#journal,
      isAttached: () => this.#detach !== undefined,
    })
    this.optimistic = new Optimistic({
      overlay: this.overlay,
      ids: options.ids,
      clock,
      echoTimeoutMs: limits.echoTimeoutMs,
      affected: (effects) => this.#affected(effects),
      find: (queryKey) => this.find(queryKey),
      oldestFetch: (queries) => this.#journal.oldest(queries),
      show: (query) => {
        this.#view.show(query)
      },
      together: (step) => {
        this.#view.together(step)
      },
      invalidate: (query) => {
        this.#invalidate(query, 'active')
      },
      onError: (error) => {
        options.onError(error)
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
    for (const query of cache.getAll()) this.#index.add(query)
    this.#detach = cache.subscribe((event) => {
      try {
        const change = changeOf(event, cache)
        if (change) this.#onCacheChange(change)
      } catch (cause) {
        this.#options.onError(effectFailed({ cause, queryKey: (event.query as Query).queryKey }))
      }
    })
    for (const query of cache.getAll()) this.#resumed(query)
    this.#left.clear()
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
    for (const query of this.overlay.entries.keys()) this.#left.set(query, query.state.data)
    this.optimistic.stop()
    this.#scheduler.clear()
    this.#foreignWrites.stop()
    this.#journal.clear()
    this.#index.clear()
  }

  /** A query as `start` finds it. What the app has made of it since `stop` is its base. */
  #resumed(query: Query): void {
    this.#foreignWrites.changed(query)
    if (query.state.fetchStatus !== 'idle') {
      this.#journal.open(query, { page: undefined, startedAt: this.overlay.tick })
    }
    const isKept = this.#left.has(query) && this.#left.get(query) === query.state.data
    if (isKept) return this.#view.show(query)
    if (this.overlay.entries.has(query)) this.#unfinished.add(query)
    this.#based(query)
  }

  /** The query with this key. */
  find(queryKey: QueryKey): Query | undefined {
    const found = this.#index.match({ queryKey, exact: true })
    return found.find(({ state }) => state.fetchStatus === 'fetching') ?? found[0]
  }

  /** What `bridge.queryFn` works with. */
  get fetchOptions(): PositionedFetchOptions {
    return {
      overlay: this.overlay,
      clock: this.#options.clock,
      barrierTimeoutMs: this.#options.limits.barrierTimeoutMs,
      find: (queryKey) => this.find(queryKey),
      recordOf: (query) => this.#journal.get(query),
      whenChanged: () => this.optimistic.whenChanged(),
      unwatched: ({ client, queryKey }, positions) => {
        const query = client.getQueryCache().get(client.defaultQueryOptions({ queryKey }).queryHash)
        if (query === undefined || positions.size === 0) return
        const { dataUpdatedAt } = query.state
        const known = this.#unwatched.get(query)
        const isSameFetch = known?.dataUpdatedAt === dataUpdatedAt
        const lowestOf = isSameFetch ? lowest(known.positions, positions) : positions
        this.#unwatched.set(query, { positions: lowestOf, dataUpdatedAt })
      },
    }
  }

  /** Where the confirmed data of a query stands, as far as it is known. */
  positionsOf(query: Query): Readonly<Record<string, Position>> | undefined {
    const { positions = positionsThatCame(query) } = this.#unwatched.get(query) ?? {}
    return this.overlay.inspect(query).positions ?? (positions && Object.fromEntries(positions))
  }

  /**
   * From where the events of a topic are needed, when all data that they concern has come with its positions.
   * `undefined`: some of it may be of any time.
   */
  startOf(topic: string, isConcerned: (query: Query) => boolean): Position | undefined {
    let start: Position | undefined
    if (!this.#hasPlaced) return undefined
    for (const query of this.#index.match({})) {
      if (query.state.data === undefined || !isConcerned(query)) continue
      const position = this.overlay.entries.get(query)?.positions.get(topic)
      if (position === undefined || (start && start.epoch !== position.epoch)) return undefined
      if (start === undefined || position.offset < start.offset) start = position
    }
    return start
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

  /** A write of the app's own that counts as confirmed. */
  write(effects: readonly Effect[]): void {
    this.#batcher.flush()
    if (this.#detach === undefined) this.#late.push({ effects, isReplay: false })
    else this.#apply([{ effects, isReplay: false }])
  }

  /** Takes events in order. Those of one call are written together. */
  push(events: readonly RoutedEvent[]): void {
    if (this.#detach !== undefined) this.#batcher.push(events)
    // A handler has stopped the bridge in the middle of a frame, and its positions count as known.
    else for (const event of events) this.#late.push({ ...event, isReplay: true })
  }

  /** The stream of a topic has come to `position`, and nothing before it is missing. */
  advance(topic: string, position: Position): void {
    this.#batcher.flush()
    this.overlay.log.advance(topic, position, this.overlay.tick)
    this.optimistic.moved()
  }

  /**
   * Makes queries true again after events were missed (L2): the active ones are fetched, the others marked stale.
   * One that is known to have been read late enough is left alone: its position says so, or its data, or its fetch in
   * flight, was asked for within `quietMs`, in which nothing has happened.
   */
  resync(isConcerned: (query: Query) => boolean, { topic, position, quietMs = 0 }: Resync): void {
    const now = this.#options.clock.now()
    this.#batcher.flush()
    this.#view.together(() => {
      this.overlay.nextTick()
      for (const query of this.#index.match({})) {
        if (!isConcerned(query)) {
          if (topic !== undefined) this.overlay.entries.get(query)?.positions.delete(topic)
          continue
        }
        if (topic !== undefined && position && !this.overlay.reset(query, topic, position)) continue
        if (this.#isNewerThan(now - quietMs, query)) continue
        const record = this.#journal.get(query)
        const isOnItsWay = record !== undefined && record.page === undefined
        // A response that was asked for late enough makes it good; if it does not come, the query is stale.
        if (isOnItsWay && now - this.#scheduler.startedAt(query) < quietMs)
          this.#scheduler.mark(query, 'active')
        else this.#missed(query, topic, position)
      }
      if (topic !== undefined && position) this.overlay.log.reset(topic, position, this.overlay.tick)
      this.optimistic.moved()
    })
  }

  /** A stream was broken. A response on its way tells by its own position whether it is from after the break. */
  #missed(query: Query, topic: string | undefined, position: Position | undefined): void {
    const record = this.#journal.get(query)
    if (record === undefined || topic === undefined || !position) return this.#invalidate(query, 'active')
    const event = { type: '', data: undefined, topic, position }
    this.#journal.note(query, [{ event, effects: [], refetchType: 'active', tick: this.overlay.tick }])
    this.#outdated(query, 'active')
  }

  /** Whether what a query shows was read after a moment. */
  #isNewerThan(moment: number, query: Query): boolean {
    // `dataUpdatedAt`: a persister may have answered a fetch with data of yesterday, and says so there.
    return this.#scheduler.provenAt(query) > moment && query.state.dataUpdatedAt > moment
  }

  #apply(batch: readonly RoutedEvent[]): void {
    this.#view.together(() => {
      const tick = this.overlay.nextTick()
      const plans = planBatch(batch, {
        match: (filters) => this.#index.match(filters),
        tick,
        onError: this.#options.onError,
      })
      for (const [query, plan] of plans) {
        try {
          if (this.#detach !== undefined) this.#carryOut(query, plan)
          else {
            // An error handler has stopped the bridge.
            this.#unfinished.add(query)
            this.overlay.entries.delete(query)
          }
        } catch (cause) {
          this.#options.onError(effectFailed({ cause, queryKey: query.queryKey }))
        }
      }
      for (const { event, effects } of batch) {
        const { topic, position } = event ?? {}
        if (event && topic !== undefined && position) {
          this.overlay.log.append(topic, { event: { ...event, position }, effects })
        }
      }
      this.optimistic.received(batch, plans)
    })
    this.#options.onApplied(batch)
  }

  #carryOut(query: Query, { facts, isDropped }: Plan): void {
    if (isDropped) {
      if (this.#writer.drop(query)) this.#scheduler.request(query, 'active')
      return
    }
    const entry = this.overlay.entries.get(query)
    const isProven = (fact: Fact) => this.overlay.log.contains(entry?.positions, fact) === true
    const news = facts.some(isProven) ? facts.filter((fact) => !isProven(fact)) : facts
    this.#journal.note(query, facts)
    const { data, dataUpdatedAt, fetchStatus } = query.state
    const effects = news.flatMap((fact) => fact.effects)
    const isReplacement = effects.some((effect) => effect.kind === 'setData' && effect.replace)
    let refetchType: RefetchType | undefined
    // L6: an event never invents data; only what is declared to be the whole truth fills an empty query.
    if (entry?.base !== undefined && !isReplacement) {
      const outcome = this.overlay.apply(query, entry, news)
      this.#report(query, outcome, news)
      refetchType = outcome.refetchType
      this.#view.show(query)
    } else {
      if ((data !== undefined && effects.length > 0) || isReplacement) {
        const { data: patched, refetch, problems } = foldEffects(effects, data, query)
        if (isReplacement) this.#writer.replace(query, patched)
        else if (patched !== data) this.#writer.patch(query, patched)
        this.#report(query, { problems, effects }, news)
        if (refetch) refetchType = 'active'
        if (entry) {
          entry.base = patched
          this.#view.show(query)
        }
      }
      for (const fact of news) if (fact.refetchType) refetchType = widest(refetchType, fact.refetchType)
    }
    if (effects.length > 0 && query.state.data !== undefined) this.#written(query)
    if (refetchType !== undefined) this.#outdated(query, refetchType)
    else if (fetchStatus === 'idle' && this.#isDoubtful(query, news, dataUpdatedAt)) {
      this.#writer.invalidate(query)
      this.#scheduler.request(query, 'active', this.#options.limits.streamLagMs)
    }
  }

  /** A query has changed by what came from the server. */
  #written(query: Query): void {
    this.#foreignWrites.changed(query)
    this.#journal.noteWrite(query)
  }

  #report(
    query: Query,
    { problems, effects }: Pick<Outcome, 'problems' | 'effects'>,
    facts: readonly Fact[],
  ): void {
    for (const { index, why, cause } of problems) {
      const effect = effects[index]
      const event = facts.find((fact) => effect && fact.effects.includes(effect))?.event
      this.#options.onError(effectFailed({ effect, event, queryKey: query.queryKey, why, cause }))
    }
  }

  /** The queries that some effects concern. */
  #affected(effects: readonly Effect[]): Set<Query> {
    const match = (filters: QueryFilters) => this.#index.match(filters)
    return new Set(effects.flatMap((effect) => matchSafely(effect, match)))
  }

  /** Whether the data may hold an effect already that must not be applied twice. */
  #isDoubtful(query: Query, facts: readonly Fact[], dataUpdatedAt: number): boolean {
    const positions = this.overlay.entries.get(query)?.positions
    const isYoung = this.#options.clock.now() - dataUpdatedAt < this.#options.limits.streamLagMs
    return facts.some(
      (fact) =>
        !isRepeatable(fact) &&
        (isYoung || fact.isReplay) &&
        this.overlay.log.contains(positions, fact) === undefined,
    )
  }

  /** Events have put a query out of date. A response on its way may be from after them: its record tells. */
  #outdated(query: Query, refetchType: RefetchType): void {
    this.#writer.invalidate(query)
    this.#scheduler.mark(query, refetchType)
    if (this.#journal.get(query) === undefined && wouldFetch(query, refetchType)) {
      this.#scheduler.request(query, refetchType)
    }
  }

  #invalidate(query: Query, refetchType: RefetchType): void {
    this.#writer.invalidate(query)
    this.#scheduler.mark(query, refetchType)
    // Whether it is on screen is asked again when the fetch in flight has ended.
    if (this.#journal.markDirty(query, refetchType)) return
    if (wouldFetch(query, refetchType)) this.#scheduler.request(query, refetchType)
  }

  #onCacheChange(change: CacheChange): void {
    const { query } = change
    if (change.type === 'added') {
      this.#added(query)
      if (query.state.data !== undefined) this.#distrust(query)
    } else if (change.type === 'rehashed') this.#index.add(query)
    else if (change.type === 'removed') {
      this.#index.remove(query)
      this.#journal.close(query)
      this.#scheduler.forget(query)
      this.#foreignWrites.forget(query)
      this.overlay.entries.delete(query)
    } else if (change.type === 'fetching') this.#fetchStarted(query, change.page)
    else if (change.type === 'fetched') this.#fetchSucceeded(query)
    else if (change.type === 'reverted') this.#fetchReverted(query)
    else if (change.type === 'failed') this.#fetchFailed(query, this.#journal.close(query))
    else if (change.type === 'retrying') {
      // It is asked again, and what comes then says for itself where it stands.
      const record = this.#journal.get(query)
      if (record) record.positions = undefined
    } else if (change.type === 'reset') {
      this.#journal.close(query)
      this.#based(query)
    } else if (this.#writer.isWriting) return
    else if (change.type === 'written') this.#writtenByOthers(query)
    else if (change.type === 'restored') {
      // A persister puts the age right of what it has answered a fetch with: the data stays.
      if (change.hasData) this.#based(query)
      this.#distrust(query)
    }
  }

  #added(query: Query): void {
    this.#index.add(query)
    this.#foreignWrites.changed(query)
    if (query.state.fetchStatus !== 'idle') {
      this.#journal.open(query, { page: undefined, startedAt: this.overlay.tick })
    }
    this.#based(query)
  }

  /** The data that a query has now is its base, wherever it came from. */
  #based(query: Query): void {
    this.overlay.forget(query)
    this.#place(query)
    this.optimistic.cover(query)
  }

  /** Data that has come with its positions is as good as a response that was read there. */
  #place(query: Query): void {
    const came = this.#placed.has(query) ? undefined : positionsThatCame(query)
    this.#placed.add(query)
    if (came === undefined) return
    this.#hasPlaced = true
    const response = { data: query.state.data, positions: came, startedAt: 0, page: undefined, arrived: [] }
    const outcome = this.overlay.respond(query, response)
    this.#report(query, outcome, [])
    this.#view.show(query)
    if (outcome.refetchType) this.#distrust(query)
  }

  /**
   * Data came from a persister, from hydration or from `initialData` while events were coming: how old it is in terms
   * of the stream is not known, and what came before it was not applied to it. It may be shown, and is fetched.
   */
  #distrust(query: Query): void {
    // Not inside the dispatch: whoever restores it may not have finished.
    queueMicrotask(() => {
      if (this.#detach !== undefined && !this.overlay.isLive(query)) this.#invalidate(query, 'active')
    })
  }

  #fetchStarted(query: Query, page: FetchRecord['page']): void {
    this.#journal.open(query, { page, startedAt: this.overlay.nextTick() })
    if (page === undefined) this.#scheduler.started(query)
  }

  #fetchSucceeded(query: Query): void {
    const record = this.#journal.close(query)
    const { readAt, page, positions, facts: arrived = [], isVoid } = record ?? {}
    const startedAt = readAt ?? record?.startedAt ?? 0
    this.overlay.nextTick()
    const stated = positions && positions.size > 0 ? positions : undefined
    const response = { data: query.state.data, positions: stated, startedAt, page, arrived }
    const outcome = isVoid ? undefined : this.overlay.respond(query, response)
    if (outcome === undefined || outcome.isRefused) {
      this.#view.show(query)
      this.#scheduler.mark(query, 'active')
      this.#writer.invalidate(query)
      this.#scheduler.failed(query)
      return
    }
    this.#report(query, outcome, arrived)
    this.#foreignWrites.changed(query)
    if (page === undefined) this.#scheduler.succeeded(query)
    this.#view.show(query)
    this.optimistic.fetched()
    let stale = record?.dirty
    if (outcome.refetchType) stale = widest(stale, outcome.refetchType)
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
    this.optimistic.writtenByApp(query)
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
