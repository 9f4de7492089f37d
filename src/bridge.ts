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
import { requestFrame, type RequestFrame } from './core/cache/batcher.ts'
import type { CacheLimits, QueryInspection } from './core/cache/cache-options.ts'
import { CacheSync } from './core/cache/cache-sync.ts'
import { assertOneQueryCore } from './core/cache/cache-writer.ts'
import { forgetUser } from './core/cache/forget-user.ts'
import { LiveQueries, type QueryOfOptions } from './core/cache/live-queries.ts'
import type { PendingMutation } from './core/cache/pending-mutation.ts'
import type { PendingMutations, PendingMutationsOptions } from './core/cache/pending-mutations.ts'
import type { RoutedEvent } from './core/cache/plan-batch.ts'
import { TopicInterest, topicsInMeta, type TopicsOfQuery } from './core/cache/topic-interest.ts'
import { TopicsWarning } from './core/cache/topics-warning.ts'
import { systemClock, type Clock } from './core/clock.ts'
import { RealtimeError, type RealtimeErrorCode } from './core/errors.ts'
import type { Position, RealtimeEvent } from './core/event.ts'
import type { Effect, ItemId } from './core/routing/effect.ts'
import type { EventMap, EventTable } from './core/routing/event-table.ts'
import type { BridgeStatus, SessionLimits, WakeSignals } from './core/session/session.ts'
import { Session } from './core/session/session.ts'
import type { Transport } from './core/transport.ts'

/** Bounds and times. Each has a default; see `CacheLimits` and `SessionLimits`. */
export interface BridgeLimits extends CacheLimits, SessionLimits {
  /** How long a topic stays subscribed after its last user is gone, in ms. @default 10_000 */
  readonly topicLingerMs: number
}

export interface RealtimeQueryBridgeOptions<TTable extends EventTable> {
  /** The app's QueryClient. */
  readonly queryClient: QueryClient
  /** The table made by `defineEvents` (or several, by `mergeEvents`). */
  readonly events: TTable
  /** How events come: `webSocketTransport(…)`, … */
  readonly transport: Transport
  /**
   * Topics, for servers that have them. A list: always subscribed, and keeping live every query that names no
   * topics of its own. A function: the topics of a query, in place of its `meta.topics`.
   * @default []
   */
  readonly topics?: readonly string[] | TopicsOfQuery | undefined
  /**
   * Told of everything that went wrong and was skipped: bad messages, refused topics, failing handlers.
   * @default console.warn, outside production
   */
  readonly onError?: ((error: RealtimeError) => void) | undefined
  /**
   * Who is signed in: any text that differs from user to user. `null`: nobody. Later it is told by `setIdentity`.
   * @default null
   */
  readonly identity?: string | null | undefined
  readonly limits?: Partial<BridgeLimits> | undefined
  /** For tests. @default the platform's */
  readonly clock?: Clock | undefined
  /** For tests: numbers in [0, 1). @default Math.random */
  readonly random?: (() => number) | undefined
  /**
   * What tells of the network and of the page's visibility, where it is not a browser's window (React Native).
   * @default the window's events; none where there is no window
   */
  readonly signals?: WakeSignals | undefined
  /** For tests: makes the ids of mutations. @default crypto.randomUUID */
  readonly createId?: (() => string) | undefined
  /** For tests: when a burst is flushed. @default requestAnimationFrame, or a timer in hidden tabs */
  readonly requestFrame?: RequestFrame | undefined
}

/** What the bridge has counted since it was made. */
export interface BridgeCounts {
  /** Events received, good or bad. */
  readonly events: number
  /** Errors, by code. */
  readonly errors: Readonly<Partial<Record<RealtimeErrorCode, number>>>
}

const CACHE_LIMITS: CacheLimits = {
  maxQueuedEvents: 1_000,
  maxJournalEffects: 1_000,
  refetchIntervalMs: 200,
  maxConcurrentRefetches: 6,
  resetSpreadMs: 1_000,
  streamLagMs: 5_000,
  echoTimeoutMs: 5_000,
  barrierTimeoutMs: 10_000,
}

const TOPIC_LINGER_MS = 10_000

const NONE: readonly PendingMutation[] = []

/** What the mutations of a bridge are made with. @internal */
export type MutationParts = Omit<PendingMutationsOptions, 'queryClient' | 'optimistic' | 'ids' | 'owner'>

type AnyHandler = (data: unknown, event: RealtimeEvent) => void

/**
 * Connects one source of events to one QueryClient. Several bridges may share a client.
 *
 * @example
 * const bridge = new RealtimeQueryBridge({ queryClient, events, transport: webSocketTransport({ url: '/realtime' }) })
 */
export class RealtimeQueryBridge<TTable extends EventTable = EventTable> {
  readonly queryClient: QueryClient
  readonly events: TTable
  readonly #options: RealtimeQueryBridgeOptions<TTable>
  /** @internal */
  readonly session: Session
  /** @internal */
  readonly cache: CacheSync
  readonly #parts: MutationParts
  /** Once the app has any. */
  #mutations: PendingMutations | undefined
  readonly #pendingListeners = new Set<() => void>()
  readonly #interest: TopicInterest
  readonly #live: LiveQueries
  readonly #statusListeners = new Set<(status: BridgeStatus) => void>()
  readonly #liveListeners = new Set<() => void>()
  readonly #handlers = new Map<string, Set<AnyHandler>>()
  readonly #errors: Partial<Record<RealtimeErrorCode, number>> = {}
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
    this.#options = options
    this.#identity = options.identity ?? null
    // A limit that is `undefined` is not given.
    const given = Object.fromEntries(Object.entries(limits ?? {}).filter(([, limit]) => limit !== undefined))
    const report = (error: RealtimeError) => {
      this.#report(error)
    }
    this.cache = new CacheSync({
      queryClient,
      clock,
      random,
      requestFrame: options.requestFrame ?? requestFrame,
      limits: { ...CACHE_LIMITS, ...given },
      onError: report,
      onApplied: (batch) => {
        const identity = this.#identity
        for (const { event } of batch) {
          // L10: a handler may change the user in the midst of a batch.
          if (this.#isForgetting || identity !== this.#identity) return
          if (event) this.#call(this.#handlers.get(event.type), event.data, event)
        }
      },
    })
    this.#parts = {
      now: () => clock.now(),
      createId: options.createId ?? (() => createId(random)),
      // A plain backend that names the mutation in its events tells the author as well.
      settle: () => (transport.decode === undefined || this.#hasEchoes ? 'echo' : 'refetch'),
      onChange: () => {
        for (const listener of [...this.#pendingListeners]) listener()
      },
      onError: report,
    }
    this.#interest = new TopicInterest({
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
      interest: this.#interest,
      isTopicLive: (topic) => this.session.topicState(topic) === 'live',
      isConnectionLive: () => this.session.isConnected,
      random,
      onChange: () => {
        this.#call(this.#liveListeners)
      },
    })
    const warning =
      process.env['NODE_ENV'] !== 'production' &&
      !transport.decode &&
      new TopicsWarning({ clock, interest: this.#interest, onError: report })
    this.session = new Session({
      transport,
      clock,
      random,
      signals: options.signals,
      startOf: (topic) => this.cache.startOf(topic, (query) => this.#interest.keepsLive(query, topic)),
      limits: given,
      handlers: {
        onEvents: (received, isReplay) => {
          this.#route(received, isReplay)
        },
        onResync: ({ topic, outcome, position, quietMs, wasLive }) => {
          if (outcome !== 'replayed') {
            const isConcerned = (query: Query) => this.#interest.keepsLive(query, topic)
            this.cache.resync(isConcerned, { topic, position, quietMs, wasLive })
          } else if (topic !== undefined && position) this.cache.advance(topic, position)
        },
        onStatus: (status) => {
          this.#live.changed()
          if (warning) warning.connection(status.status === 'live')
          this.#call(this.#statusListeners, status)
        },
        onTopicStates: () => {
          this.#live.changed()
        },
        onError: report,
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
    this.#interest.attach(this.queryClient.getQueryCache())
    this.session.setTopics(this.#interest.wanted())
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
    this.#interest.detach()
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

  /** The connection, now. The same object until something changes. */
  get status(): BridgeStatus {
    return this.session.status
  }

  /** Counters for devtools and health checks. */
  get counts(): BridgeCounts {
    return { events: this.#eventCount, errors: { ...this.#errors } }
  }

  /** Calls `listener` whenever `status` changes. */
  subscribe(listener: (status: BridgeStatus) => void): () => void {
    return join(this.#statusListeners, listener)
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
    const own: AnyHandler = (data, event) => {
      handler(data as EventMap<TTable>[TType], event as RealtimeEvent<TType, EventMap<TTable>[TType]>)
    }
    let handlers = this.#handlers.get(type)
    if (!handlers) this.#handlers.set(type, (handlers = new Set()))
    return join(handlers, own)
  }

  /** Keeps a topic subscribed until the returned function is called. Hooks and queries' `meta.topics` do it for you. */
  holdTopic(topic: string): () => void {
    return this.#interest.acquire(topic)
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
    return join(this.#liveListeners, listener)
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
    return join(this.#pendingListeners, listener)
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

  /**
   * Where what the server has confirmed of a query stands in its topics.
   * @internal
   */
  positionsOf(query: Query): Readonly<Record<string, Position>> | undefined {
    return this.cache.positionsOf(query)
  }

  /**
   * What the server has confirmed of a query, under what mutations show.
   * @internal
   */
  baseOf(query: Query): unknown {
    return this.cache.baseOf(query)
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
      if (resolved.ok) routed.push({ event: resolved.event, effects: resolved.effects, isReplay })
      else this.#report(resolved.error)
    }
    if (routed.length) this.cache.push(routed)
  }

  /** Runs code of the app: what one throws is reported, and the others still run. */
  #call<TArgs extends unknown[]>(
    listeners: ReadonlySet<(...args: TArgs) => void> | undefined,
    ...args: TArgs
  ): void {
    for (const listener of [...(listeners ?? [])]) {
      try {
        listener(...args)
      } catch (cause) {
        this.#report(
          new RealtimeError('listener-failed', 'A listener threw. Catch what it throws.', { cause }),
        )
      }
    }
  }

  #report(error: RealtimeError): void {
    this.#errors[error.code] = (this.#errors[error.code] ?? 0) + 1
    const { onError } = this.#options
    if (!onError) {
      if (process.env['NODE_ENV'] !== 'production') console.warn(error)
      return
    }
    try {
      onError(error)
    } catch (cause) {
      console.warn(cause) // Its own failure cannot be reported to itself.
    }
  }
}

/** Adds a listener. Gives what takes it out again. */
function join<TListener>(listeners: Set<TListener>, listener: TListener): () => void {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

/** `crypto.randomUUID` is there only where the page came over https. */
function createId(random: () => number): string {
  const own = (globalThis as { crypto?: Partial<Crypto> }).crypto
  if (own?.randomUUID) return own.randomUUID()
  const digits = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16))
  return digits.join('')
}
