import type { Clock } from '../core/clock.ts'
import type { RealtimeError } from '../core/errors.ts'
import type { Position } from '../core/event.ts'
import type { PresenceMember } from '../core/protocol/messages.ts'
import type { ConnectionRequest, ServerSocket, tokenExpired } from './sockets/server-socket.ts'
import type { EventLog } from './event-log.ts'
import type { ServerLimits } from './limits.ts'
import type { PublishedEvents, PublishTable } from './publish-event.ts'
import type { RateLimiters } from './access/rate-limiter.ts'
import type { RealtimeAction } from './access/rights.ts'
import type { SentMessage } from './sends/sends.ts'
import type { RevokeFilter, ServerBus } from './cluster/server-bus.ts'
import type { ServerHealth, ServerStats } from './server-stats.ts'

type Awaitable<T> = T | Promise<T>

export interface RealtimeServerOptions<TIdentity, TMap extends object = Record<string, unknown>> {
  /**
   * Where events are kept for replay, and how the nodes of a cluster hear each other. A log that is passed in
   * is closed by the one who made it.
   * @default memoryEventLog() // one process
   */
  readonly log?: EventLog | undefined
  /**
   * The table that `defineEvents` gives, in a file that client and server share. `publish` is typed by it, and refuses
   * what clients would skip: a type that is not in it, and data that fails its schema.
   * @default any type of event, any data
   */
  readonly events?: PublishTable<TMap> | undefined
  /**
   * Says who connects. `token` is what the client's `token` provider gave; cookies are in `request.headers`. `null`
   * refuses for good (4401), `tokenExpired` asks the client for a new token (4402). Asked again when a client renews
   * its token on the open connection: `previous` is then the identity it has, and `request` has no headers.
   */
  readonly authenticate: (input: {
    readonly token: string | undefined
    readonly request: ConnectionRequest
    /** Not typed as the identity: TypeScript would then not infer that from what is returned. */
    readonly previous?: unknown
  }) => Awaitable<TIdentity | null | typeof tokenExpired>
  /**
   * Says whether `identity` may do `action` with `topic`: `subscribe` (read its events), `presence` (see who is there,
   * and be there), `send` (to `onSend`), `signal` (to everybody else who is there). Asked on every subscribe, replay
   * included, on every join, and again when the lease ends; only `true` allows. Topics come from the client: treat
   * them as untrusted text.
   */
  readonly authorize: (input: {
    readonly identity: TIdentity
    readonly topic: string
    readonly action: RealtimeAction
  }) => Awaitable<boolean>
  /**
   * Names the user of an identity: for presence, `revoke`, the limits of a user, and to see that a renewed token is of
   * the same user.
   * @default the identity when it is text, or its `userId`, `id`, `sub` or `user`
   */
  readonly userId?: ((identity: TIdentity) => string | undefined) | undefined
  /**
   * When the credential of an identity ends, in ms since the epoch. The client is told 30 s before, and may renew it;
   * a connection whose credential has ended is closed (4402).
   * @default never
   */
  readonly expiresAt?: ((identity: TIdentity) => number | undefined) | undefined
  /**
   * The address of a client, for the limits of an address. Behind a proxy, read the header that the proxy sets (and no
   * client can).
   * @default request.remoteAddress
   */
  readonly clientAddress?: ((request: ConnectionRequest) => string | undefined) | undefined
  /**
   * Hears what clients `send`, of one connection one after the other. What it gives is sent back (`ack`); throw a
   * `SendError` to answer with an error. The data is whatever the client sent: check it.
   */
  readonly onSend?: ((message: SentMessage<TIdentity>) => unknown) | undefined
  /** How long an allowance holds before `authorize` is asked again, in ms, jittered. @default 300_000 // 5 min */
  readonly leaseMs?: number | undefined
  /** How many of those questions are asked at a time. @default 16 */
  readonly leaseConcurrency?: number | undefined
  readonly presence?:
    | {
        /** How long a member whose connection was lost may take to come back unnoticed, in ms. @default 10_000 */
        readonly graceMs?: number | undefined
        /**
         * A member is not shown when its client has sent nothing for so long, in ms, whatever it was sent: the network of
         * a frozen tab still reads. Clients ping every 25 s, hidden tabs once a minute: stay above that.
         * @default 90_000
         */
        readonly ttlMs?: number | undefined
      }
    | undefined
  /** Brings presence, signals and revocations to the other nodes; events travel by the log. @default one node */
  readonly bus?: ServerBus | undefined
  /** Limits that nodes share, or that count by user and address: see `rate-limiter-flexible`. */
  readonly rateLimiters?: RateLimiters | undefined
  readonly limits?: Partial<ServerLimits> | undefined
  /**
   * Hears what went wrong: functions of the app that threw (`callback-failed`), the log (`log-failed`), sockets
   * (`transport-failed`), clients that sent nonsense (`undecodable`), pages of other origins (`origin-refused`).
   * @default console.error
   */
  readonly onError?: ((error: RealtimeError) => void) | undefined
  /** Hears what happens to connections. Never given a token, or the data of events and messages. */
  readonly logger?: ServerLogger | undefined
  /** What the server reads from the platform; tests pass their own. */
  readonly platform?: Partial<ServerPlatform> | undefined
}

export interface ServerLogger {
  debug(message: string, details: Readonly<Record<string, unknown>>): void
  /** What an operator may want to see: clients cut by a limit, refused credentials, revocations. @default debug */
  warn?(message: string, details: Readonly<Record<string, unknown>>): void
}

export interface ServerPlatform {
  readonly clock: Clock
  /** From 0 up to 1. */
  readonly random: () => number
  readonly newId: () => string
  /** Runs soon, after what is running now: events that are heard until then share a frame. */
  readonly defer: (run: () => void) => void
}

export interface DrainOptions {
  /** When clients may come back, in ms. @default 1_000 */
  readonly retryAfterMs?: number | undefined
  /**
   * Each client is given up to this much more, at random, so that they do not come back all at once.
   * @default 2 ms for each connection from 100 connections on, at most 60_000 // 500 a second
   */
  readonly spreadMs?: number | undefined
  /** From the announcement to the close, in ms. @default 250 */
  readonly graceMs?: number | undefined
  /** 1012: the service restarts. 1001: it goes away. @default 1012 */
  readonly code?: 1001 | 1012 | undefined
}

/** What a socket's adapter calls. */
export interface ServerConnection {
  /** A frame has come: text, or bytes. */
  message(data: unknown): void
  /**
   * Whether a request that comes beside the socket may speak for it: whether it has a credential of the same
   * identity. For adapters whose clients send over another channel.
   */
  isOwnedBy(token: string | undefined, request: ConnectionRequest): Promise<boolean>
  /** The socket is closed, whoever closed it. */
  closed(code: number, reason: string): void
}

export interface RealtimeServer<TMap extends object = Record<string, unknown>> {
  readonly limits: ServerLimits
  /** A socket has opened. Adapters call it; see `attachWebSocket`. */
  opened(socket: ServerSocket, request: ConnectionRequest): ServerConnection
  /** Gives an error to `onError`. Adapters call it for what goes wrong before a socket opens. */
  report(error: RealtimeError): void
  /**
   * Appends an event to a topic, and resolves with its position when it is in the log. Publish after the change
   * is committed, so that whoever hears of it can read it. Rejects with `usage` for an event that cannot be
   * published, and with `log-failed`.
   */
  publish(topic: string, event: PublishedEvents<TMap>): Promise<Position>
  /**
   * Publishes within a transaction of the app: the event is there when the transaction commits, together with its
   * rows, and never was when it does not. For a log that lives in the same database (`postgresEventLog`); `tx` is what
   * the app runs its own statements with. Rejects as `publish` does.
   */
  publishIn(tx: unknown, topic: string, event: PublishedEvents<TMap>): Promise<void>
  /**
   * Where topics stand now, for a response that carries positions. Read it before the state: what happens between
   * the two is then delivered as events, and not missed. With `tx`, as that transaction sees them.
   */
  position(topics: readonly string[], tx?: unknown): Promise<Record<string, Position>>
  /**
   * Takes rights away at once, on every node: a topic from a user's connections, or (without `topic`) the connections
   * themselves (4403). Take the right away in `authorize` first, or the client may ask again.
   */
  revoke(filter: RevokeFilter): void
  /** Who is present in a topic, on all nodes. A node without connections listens to the others from the first call on. */
  presence(topic: string): PresenceMember[]
  /** Numbers for a metrics endpoint. Walks over all connections. */
  stats(): ServerStats
  /** Whether this node should get clients. Asks the log, and waits for it for 2 s at most. */
  health(): Promise<ServerHealth>
  /**
   * Announces the end to every client, closes all connections after the grace and resolves when they are closed,
   * or 5 s later. From the call on, connections are refused and `publish` rejects.
   */
  close(options?: DrainOptions): Promise<void>
}
