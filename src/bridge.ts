/**
 * RealtimeQueryBridge: wires the stages. Data flows one way:
 *
 *   transport ─▶ protocol ─▶ session ─▶ routing ─▶ cache ─▶ React
 *   frames       messages    ordered,    event →    effects →
 *                            gap-free    effects    QueryCache
 *                            events
 *
 * One thing flows back: the topics that the screen needs (cache → session).
 */
import { QueryClient, type Query, type QueryKey, type StaleTime } from '@tanstack/query-core'
import type { BridgeCounts, RealtimeQueryBridgeOptions } from './bridge-options.ts'
import type { BridgeTap } from './bridge-tap.ts'
import { requestFrame } from './core/cache/batcher.ts'
import { CACHE_LIMITS, type QueryInspection } from './core/cache/cache-options.ts'
import { CacheSync } from './core/cache/cache-sync.ts'
import { assertOneQueryCore } from './core/cache/cache-writer.ts'
import { explainEffects, type Explanation } from './core/cache/explain.ts'
import { forgetUser } from './core/cache/forget-user.ts'
import { LiveQueries, type QueryOfOptions } from './core/cache/topics/live-queries.ts'
import type { PendingMutation } from './core/cache/mutations/pending-mutation.ts'
import type { PendingMutations, PendingMutationsOptions } from './core/cache/mutations/pending-mutations.ts'
import type { RoutedEvent } from './core/cache/plan-batch.ts'
import { TopicInterest, topicsInMeta } from './core/cache/topics/topic-interest.ts'
import { TopicsWarning } from './core/cache/topics/topics-warning.ts'
import { systemClock } from './core/clock.ts'
import { RealtimeError } from './core/errors.ts'
import type { RealtimeEvent } from './core/event.ts'
import type { Effect, ItemId } from './core/routing/effect.ts'
import type { EventMap, EventTable } from './core/routing/event-table.ts'
import { Listeners } from './core/session/listeners.ts'
import { Outbox } from './core/session/extensions/outbox.ts'
import { Reporter } from './core/session/reporter.ts'
import type { Ack, BridgeStatus, SendOptions } from './core/session/session.ts'
import { Session } from './core/session/session.ts'

export type { BridgeCounts, BridgeLimits, RealtimeQueryBridgeOptions } from './bridge-options.ts'

const TOPIC_LINGER_MS = 10_000

const NONE: readonly PendingMutation[] = []

/** What the mutations of a bridge are made with. @internal */
export interface MutationParts extends Pick<PendingMutationsOptions, 'settle' | 'onChange'> {
  readonly createId: (() => string) | undefined
}

/**
 * Connects one source of events to one QueryClient. Several bridges may share a client.
 *
 * @example
 * const bridge = new RealtimeQueryBridge({ queryClient, events, transport: webSocketTransport({ url: '/realtime' }) })
 */
export class RealtimeQueryBridge<TTable extends EventTable = EventTable> {
  readonly queryClient: QueryClient
  readonly events: TTable
  /** @internal */
  readonly session: Session
  /** @internal */
  readonly cache: CacheSync
  /** @internal */
  readonly interest: TopicInterest
  /** @internal */
  readonly reporter: Reporter
  /** Looks on, for devtools. @internal */
  tap: BridgeTap | undefined
  readonly #parts: MutationParts
  /** Once the app has any. */
  #mutations: PendingMutations | undefined
  readonly #live: LiveQueries
  /** By type of event. */
  readonly #handlers: Listeners<[data: unknown, event: RealtimeEvent]>
  readonly #statusListeners: Listeners<[status: BridgeStatus]>
  /** `live`, `pending`: something of the kind has changed. */
  readonly #changeListeners: Listeners
  #eventCount = 0
  /** An event has named the mutation that caused it. */
  #hasEchoes = false
  #isStarted = false
  #identity: string | null
  /** What is still applied belongs to the last user: his handlers are not called any more. */
  #isForgetting = false

  constructor(options: RealtimeQueryBridgeOptions<TTable>) {
    const {
      queryClient,
      events,
      transport,
      topics,
      limits,
      clock = systemClock,
      random = Math.random,
    } = options
    if (process.env['NODE_ENV'] !== 'production') assertOneQueryCore(queryClient, QueryClient)
    this.queryClient = queryClient
    this.events = events
    const reporter = (this.reporter = new Reporter(options.onError))
    this.#handlers = new Listeners(reporter)
    this.#statusListeners = new Listeners(reporter)
    this.#changeListeners = new Listeners(reporter)
    this.#identity = options.identity ?? null
    // A limit that is `undefined` is not given.
    const given = Object.fromEntries(Object.entries(limits ?? {}).filter(([, limit]) => limit !== undefined))
    const report = (error: RealtimeError) => {
      reporter.error(error)
    }
    this.cache = new CacheSync({
      queryClient,
      clock,
      random,
      requestFrame: options.requestFrame ?? requestFrame,
      limits: { ...CACHE_LIMITS, ...given },
      onError: report,
      onApplied: (batch) => {
        this.tap?.onApplied(batch)
        const identity = this.#identity
        for (const { event } of batch) {
          // L10: a handler may change the user in the midst of a batch.
          if (this.#isForgetting || identity !== this.#identity) return
          if (event) this.#handlers.tell(event.type, event.data, event)
        }
      },
    })
    this.#parts = {
      createId: options.createId,
      // A plain backend that names the mutation in its events tells the author as well.
      settle: () => (transport.decode === undefined || this.#hasEchoes ? 'echo' : 'refetch'),
      onChange: () => {
        this.#changeListeners.tell('pending')
      },
    }
    this.interest = new TopicInterest({
      clock,
      lingerMs: limits?.topicLingerMs ?? TOPIC_LINGER_MS,
      defaultTopics: typeof topics === 'function' ? [] : (topics ?? []),
      topicsOf: typeof topics === 'function' ? topics : topicsInMeta,
      isPlain: transport.decode !== undefined,
      onError: report,
      onChange: (wanted) => {
        this.session.setTopics(wanted)
      },
    })
    this.#live = new LiveQueries({
      interest: this.interest,
      isTopicLive: (topic) => this.session.topicState(topic) === 'live',
      isConnectionLive: () => this.session.isConnected,
      random,
      onChange: () => {
        this.#changeListeners.tell('live')
      },
    })
    const warning =
      process.env['NODE_ENV'] !== 'production' &&
      !transport.decode &&
      new TopicsWarning({ clock, interest: this.interest, onError: report })
    this.session = new Session({
      transport,
      reporter,
      clock,
      random,
      signals: options.signals,
      startOf: (topic) => this.cache.startOf(topic, (query) => this.interest.keepsLive(query, topic)),
      limits: given,
      handlers: {
        onEvents: (received, isReplay) => {
          this.#route(received, isReplay)
        },
        onResync: (resync) => {
          const { topic, outcome, position } = resync
          this.tap?.onResync(resync)
          if (outcome !== 'replayed') {
            const isConcerned = (query: Query) => this.interest.keepsLive(query, topic)
            this.cache.resync(isConcerned, resync)
          } else if (topic !== undefined && position) this.cache.advance(topic, position)
        },
        onStatus: (status) => {
          this.#live.changed()
          if (warning) warning.connection(status.status === 'live')
          this.#statusListeners.tell('status', status)
        },
        onTopicStates: () => {
          this.#live.changed()
        },
      },
    })
  }

  /**
   * Connects. Does nothing when started already, unless the server has closed the session for good: then it tries
   * again, with a new token. The React provider calls it.
   */
  start(): void {
    if (this.#isStarted) return this.session.start()
    this.#isStarted = true
    this.cache.start()
    this.#mutations?.start()
    this.interest.attach(this.queryClient.getQueryCache())
    this.session.setTopics(this.interest.wanted())
    this.session.start()
  }

  /**
   * Disconnects and leaves nothing behind: no timer, listener or socket (L9). Events received before are in the
   * cache when it returns. `start` works again, and resumes from the last positions.
   */
  stop(): void {
    if (!this.#isStarted) return
    this.#isStarted = false
    this.session.stop()
    this.#live.flush()
    this.interest.detach()
    this.#mutations?.stop()
    this.cache.stop()
  }

  /** Who is signed in, as the bridge was told. */
  get identity(): string | null {
    return this.#identity
  }

  /**
   * Tells who is signed in now: any text that differs from user to user, or `null` for nobody. When it is another one,
   * everything of the last user goes before the next connection is made (L10): the connection with its positions, what
   * waits to be sent, pending mutations and what they show, and the whole cache of the QueryClient. What is on screen is
   * fetched anew. Call it after the app's requests have the new credential. The first user of a page is best told by
   * the option `identity`, since from `null` to a user is a change, too.
   */
  setIdentity(identity: string | null): void {
    if (identity === this.#identity) return
    this.#identity = identity
    this.#isForgetting = true
    if (this.#isStarted) this.cache.stop()
    this.#mutations?.clear()
    this.cache.forget()
    forgetUser(this.queryClient)
    this.#isForgetting = false
    // It dials at the end of this turn at the earliest.
    this.session.switchUser()
    if (!this.#isStarted) return
    this.cache.start()
    this.session.start() // The server may have ended the session of the last user.
  }

  /**
   * Sends a message to the app's handler on the server, over the same connection. It is kept while there is none, in
   * order, and sent once: the server knows it again. The promise never rejects; `fate` tells what became of it.
   *
   * @throws RealtimeError `usage`: `data` is no JSON, or the transport speaks the messages of its backend.
   * @example
   * const ack = await bridge.send('task.nudge', { id }, { topic: `board:${boardId}` })
   * if (ack.fate !== 'acked') toast('Nobody was told.')
   */
  send(type: string, data?: unknown, options?: SendOptions): Promise<Ack> {
    const ack = this.session.use(Outbox).send(type, data, options)
    this.tap?.onSend(type, data, ack)
    return ack
  }

  /** The connection, now. The same object until something changes. */
  get status(): BridgeStatus {
    return this.session.status
  }

  /** Counters for devtools and health checks. */
  get counts(): BridgeCounts {
    return { events: this.#eventCount, errors: { ...this.reporter.errors } }
  }

  /** Calls `listener` whenever `status` changes. */
  subscribe(listener: (status: BridgeStatus) => void): () => void {
    return this.#statusListeners.add('status', listener)
  }

  /** Calls `handler` for each event of a type, after its effects are in the cache. */
  on<TType extends keyof EventMap<TTable> & string>(
    type: TType,
    handler: (data: EventMap<TTable>[TType], event: RealtimeEvent<TType, EventMap<TTable>[TType]>) => void,
  ): () => void {
    if (process.env['NODE_ENV'] !== 'production' && !this.events.has(type)) {
      const types = this.events.types.join(', ')
      throw new RealtimeError('usage', `No event "${type}" in the table. It has: ${types}.`)
    }
    // The table checks data against the schema of `type` before a handler sees it.
    return this.#handlers.add(type, (data, event) => {
      handler(data as EventMap<TTable>[TType], event as RealtimeEvent<TType, EventMap<TTable>[TType]>)
    })
  }

  /** Keeps a topic subscribed until the returned function is called. Hooks and queries' `meta.topics` do it for you. */
  holdTopic(topic: string): () => void {
    return this.interest.acquire(topic)
  }

  /** What is known of one topic: whether its events arrive without a gap. */
  topicState(topic: string): ReturnType<Session['topicState']> {
    return this.session.topicState(topic)
  }

  /**
   * Whether a cached query is live: every topic that keeps it current arrives without a gap, now. False for a query
   * that is not in the cache, or that no topic keeps live, and while the browser says that there is no network.
   */
  isLive(queryKey: QueryKey): boolean {
    const { queryHash } = this.queryClient.defaultQueryOptions({ queryKey })
    const query = this.queryClient.getQueryCache().get(queryHash)
    return query !== undefined && this.status.status !== 'offline' && this.#live.isLive(query)
  }

  /** Calls `listener` when some query may have become live, or may be live no longer: ask `isLive`. */
  onLiveChange(listener: () => void): () => void {
    return this.#changeListeners.add('live', listener)
  }

  /**
   * For `staleTime`: while a query is live, events keep it fresh and nothing else needs to. Else `otherwise`.
   *
   * @example
   * useQuery({ queryKey, queryFn, staleTime: bridge.staleTime(30_000) })
   */
  staleTime(otherwise: StaleTime = 0): (query: QueryOfOptions) => StaleTime {
    return this.#live.staleTime(otherwise)
  }

  /**
   * For `refetchInterval`: polls every `intervalMs` while a query is not live, and not at all while it is. One client's
   * interval is up to a tenth longer than another's, so that they do not poll in step.
   */
  pollWhenDown(intervalMs: number): (query: QueryOfOptions) => number | false {
    return this.#live.pollWhenDown(intervalMs)
  }

  /** What an event would do to the cache as it is now: which queries, and why. Changes nothing. */
  explain(event: RealtimeEvent): Explanation {
    const resolved = this.events.resolve(event)
    if (!resolved.ok) return { ok: false, error: resolved.error, effects: [] }
    return { ok: true, effects: explainEffects(resolved.effects, this.queryClient.getQueryCache()) }
  }

  /**
   * Changes cached data as if the server had confirmed it: under what mutations show, and not taken back when one of
   * them is refused. Use it in place of `setQueryData` while mutations may be pending.
   *
   * Where it stands among the events is not known. An answer of the server's may have been overtaken by them: add
   * `invalidate(…)`, so that it is shown at once, and fetched.
   */
  write(effects: Effect | readonly Effect[]): void {
    this.cache.write([effects].flat())
  }

  /**
   * The mutations made with `realtimeMutationOptions` that are not confirmed, oldest first; with a query key, those
   * that touch queries under it. The same list until something changes.
   */
  pendingMutations(queryKey?: QueryKey): readonly PendingMutation[] {
    return this.#mutations?.list(queryKey) ?? NONE
  }

  /** Calls `listener` whenever `pendingMutations` has changed. */
  subscribePending(listener: () => void): () => void {
    return this.#changeListeners.add('pending', listener)
  }

  /** Whether an event is the echo of a mutation of this client, as its `mutationId` tells. The last 500 are known. */
  isOwn(event: Pick<RealtimeEvent, 'mutationId'>): boolean {
    return this.#mutations?.isOwn(event.mutationId) ?? false
  }

  /** The id under which a row was first shown: a React key that stays when the server gives the row its own id. */
  keyOf(id: ItemId): ItemId {
    return this.#mutations?.keyOf(id) ?? id
  }

  /** What is known of a query's data, for devtools and tests. `undefined`: there is no such query. */
  inspect(queryKey: QueryKey): QueryInspection | undefined {
    return this.cache.inspect(queryKey)
  }

  /** Whether the event of an own mutation has come, whatever becomes of its request. @internal */
  isEchoed(mutationId: string | undefined): boolean {
    return this.#mutations?.isEchoed(mutationId) ?? false
  }

  /**
   * The mutations: `make` gives them when the app first has one. So apps that have none do not ship them.
   * @internal
   */
  withMutations(make: (parts: MutationParts) => PendingMutations): PendingMutations {
    if (this.#mutations === undefined) {
      this.#mutations = make(this.#parts)
      if (this.#isStarted) this.#mutations.start()
    }
    return this.#mutations
  }

  #route(received: readonly RealtimeEvent[], isReplay: boolean): void {
    const routed: RoutedEvent[] = []
    this.#eventCount += received.length
    for (const event of received) {
      if (event.mutationId !== undefined) this.#hasEchoes = true
      const resolved = this.events.resolve(event)
      this.tap?.onEvent(event, resolved, isReplay)
      if (resolved.ok) routed.push({ event: resolved.event, effects: resolved.effects, isReplay })
      else this.reporter.error(resolved.error)
    }
    if (routed.length) this.cache.push(routed)
  }
}
