import { Buffer } from 'node:buffer'
import { systemClock, type Clock } from '../core/clock.ts'
import { RealtimeError } from '../core/errors.ts'
import type { Position } from '../core/event.ts'
import {
  Connection,
  type ConnectionContext,
  type ConnectionRequest,
  type ServerSocket,
  type tokenExpired,
} from './connection.ts'
import type { EventLog } from './event-log.ts'
import { FanOut } from './fan-out.ts'
import { resolveLimits, type ServerLimits } from './limits.ts'
import { memoryEventLog } from './logs/memory.ts'
import { WriteQueue } from './write-queue.ts'

type Awaitable<T> = T | Promise<T>

export interface RealtimeServerOptions<TIdentity> {
  /**
   * Where events are kept for replay, and how the nodes of a cluster hear each other. A log that is passed in
   * is closed by the one who made it.
   * @default memoryEventLog() // one process
   */
  readonly log?: EventLog | undefined
  /**
   * Says who connects, once per connection. `token` is what the client's `token` provider gave; cookies are in
   * `request.headers`. `null` refuses for good (4401), `tokenExpired` asks the client for a new token (4402).
   */
  readonly authenticate: (input: {
    readonly token: string | undefined
    readonly request: ConnectionRequest
  }) => Awaitable<TIdentity | null | typeof tokenExpired>
  /**
   * Says whether `identity` may read `topic`. Asked on every subscribe, replay included; only `true` allows.
   * Topics come from the client: treat them as untrusted text.
   */
  readonly authorize: (input: {
    readonly identity: TIdentity
    readonly topic: string
    readonly action: 'subscribe'
  }) => Awaitable<boolean>
  readonly limits?: Partial<ServerLimits> | undefined
  /**
   * Hears what went wrong: functions of the app that threw (`callback-failed`), the log (`log-failed`), sockets
   * (`transport-failed`), clients that sent nonsense (`undecodable`).
   * @default console.error
   */
  readonly onError?: ((error: RealtimeError) => void) | undefined
  /** Hears what happens to connections. Never given a token or an event's data. */
  readonly logger?: { debug(message: string, details: Readonly<Record<string, unknown>>): void } | undefined
  /** What the server reads from the platform; tests pass their own. */
  readonly platform?: Partial<ServerPlatform> | undefined
}

export interface ServerPlatform {
  readonly clock: Clock
  /** From 0 up to 1. */
  readonly random: () => number
  readonly newId: () => string
  /** Runs soon, after what is running now: events that are heard until then share a frame. */
  readonly defer: (run: () => void) => void
}

/** An event as the app publishes it. */
export interface PublishedEvent {
  readonly type: string
  /** Anything that JSON can carry. */
  readonly data?: unknown
  /**
   * The id of the mutation that caused it, as the client sent it, so that the client knows its own echo. One that
   * is empty or longer than 128 characters is left out.
   */
  readonly mutationId?: string | undefined
}

export interface DrainOptions {
  /** When clients may come back, in ms. @default 1_000 */
  readonly retryAfterMs?: number | undefined
  /** Each client is given up to this much more, at random, so that they do not come back all at once. @default 0 */
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

export interface RealtimeServer {
  readonly limits: ServerLimits
  /** A socket has opened. Adapters call it; see `attachWebSocket`. */
  opened(socket: ServerSocket, request: ConnectionRequest): ServerConnection
  /**
   * Appends an event to a topic, and resolves with its position when it is in the log. Publish after the change
   * is committed, so that whoever hears of it can read it. Rejects with `usage` for an event that cannot be
   * published, and with `log-failed`.
   */
  publish(topic: string, event: PublishedEvent): Promise<Position>
  /**
   * Where topics stand now, for a response that carries positions. Read it before the state: what happens between
   * the two is then delivered as events, and not missed.
   */
  position(topics: readonly string[]): Promise<Record<string, Position>>
  /**
   * Announces the end to every client, closes all connections after the grace and resolves when they are closed,
   * or 5 s later. From the call on, connections are refused and `publish` rejects.
   */
  close(options?: DrainOptions): Promise<void>
}

/** How long `close` waits for sockets to finish their closing handshake. */
const CLOSE_TIMEOUT_MS = 5_000

const MAX_MUTATION_ID_LENGTH = 128

/**
 * The server of `rqb.v1`, without a socket library: connections come in through `opened`, events through
 * `publish`, and the log between the two decides their order.
 */
export function createRealtimeServer<TIdentity>(options: RealtimeServerOptions<TIdentity>): RealtimeServer {
  requireFunctions(options)
  const limits = resolveLimits(options.limits)
  const platform: Partial<ServerPlatform> = options.platform ?? {}
  const { clock = systemClock, random = Math.random } = platform
  const { newId = () => crypto.randomUUID(), defer = (run) => void setImmediate(run) } = platform
  const log = options.log ?? memoryEventLog()
  const writes = new WriteQueue(clock, defer)
  const fanOut = new FanOut(defer, writes)
  const stopHearing = log.subscribe(
    (entry) => {
      fanOut.hear(entry)
    },
    () => {
      fanOut.missed()
    },
  )
  const connections = new Set<Connection>()
  /** Called when a connection is gone, while `close` waits for the last one. */
  let onGone = () => {}
  let draining: Promise<void> | undefined
  /** Set when draining begins: what a client that still comes is told. */
  let farewell: { code: number; reason: string; retryAfterMs: () => number } | undefined

  const report = reporter(options.onError)
  const context: ConnectionContext = {
    log,
    fanOut,
    writes,
    limits,
    clock,
    newId,
    authenticate: options.authenticate,
    // The identity is the one that `authenticate` gave.
    authorize: options.authorize,
    report,
    debug(message, details) {
      try {
        options.logger?.debug(message, details)
      } catch (cause) {
        report(new RealtimeError('listener-failed', 'logger.debug threw.', { cause }))
      }
    },
  }

  function opened(socket: ServerSocket, request: ConnectionRequest): ServerConnection {
    const connection = new Connection(context, socket, request)
    if (connections.size >= limits.maxConnections) connection.close(4429, 'too many connections')
    connections.add(connection)
    context.debug('connection opened', { connectionId: connection.id })
    if (farewell) {
      connection.sendMessage({ t: 'going-away', retryAfterMs: farewell.retryAfterMs() })
      connection.close(farewell.code, farewell.reason)
    }
    return {
      message(data) {
        connection.message(data)
      },
      isOwnedBy: (token, request) => connection.isOwnedBy(token, request),
      closed(code, reason) {
        connection.end()
        if (!connections.delete(connection)) return
        context.debug('connection closed', { connectionId: connection.id, code, reason })
        onGone()
      },
    }
  }

  async function publish(topic: string, event: PublishedEvent): Promise<Position> {
    if (draining) {
      throw usage(
        `The server is closed, so '${event.type}' was not published. Close it after the last publish.`,
      )
    }
    if (typeof topic !== 'string' || topic === '' || topic.length > limits.maxTopicLength) {
      throw usage(`A topic must be text of 1 to ${limits.maxTopicLength} characters (limits.maxTopicLength).`)
    }
    if (typeof event.type !== 'string' || event.type === '') {
      throw usage(`An event of topic '${topic}' has no type. Publish { type, data }.`)
    }
    const json = jsonOf(event)
    if (Buffer.byteLength(json) > limits.maxEventBytes) {
      throw usage(
        `The data of '${event.type}' is larger than ${limits.maxEventBytes} bytes (limits.maxEventBytes). Publish the id and let clients refetch.`,
      )
    }
    const { type, mutationId } = event
    const isUsable =
      typeof mutationId === 'string' && mutationId !== '' && mutationId.length <= MAX_MUTATION_ID_LENGTH
    try {
      return await log.append(topic, { type, json, mutationId: isUsable ? mutationId : undefined })
    } catch (cause) {
      throw new RealtimeError('log-failed', `'${type}' may not be published: the event log failed.`, {
        cause,
      })
    }
  }

  async function position(topics: readonly string[]): Promise<Record<string, Position>> {
    return Object.fromEntries(
      await Promise.all(topics.map(async (topic) => [topic, await log.head(topic)] as const)),
    )
  }

  async function drain({
    retryAfterMs = 1_000,
    spreadMs = 0,
    graceMs = 250,
    code = 1012,
  }: DrainOptions): Promise<void> {
    const delay = () => Math.round(retryAfterMs + random() * spreadMs)
    const reason = code === 1001 ? 'server is going away' : 'server is restarting'
    farewell = { code, reason, retryAfterMs: delay }
    fanOut.flush()
    for (const connection of connections) connection.sendMessage({ t: 'going-away', retryAfterMs: delay() })
    if (connections.size > 0) await wait(clock, graceMs)
    for (const connection of connections) connection.close(code, reason)
    await new Promise<void>((resolve) => {
      const cancel = clock.after(CLOSE_TIMEOUT_MS, resolve)
      onGone = () => {
        if (connections.size > 0) return
        cancel()
        resolve()
      }
      onGone()
    })
    stopHearing()
    if (!options.log) await log.close()
  }

  return {
    limits,
    opened,
    publish,
    position,
    close(drainOptions = {}) {
      return (draining ??= drain(drainOptions))
    },
  }
}

const usage = (message: string) => new RealtimeError('usage', message)

/** JavaScript callers have no types to tell them. */
function requireFunctions({ authenticate, authorize }: { authenticate: unknown; authorize: unknown }): void {
  if (typeof authenticate !== 'function' || typeof authorize !== 'function') {
    throw usage(
      'createRealtimeServer needs authenticate and authorize. To let everybody in: authenticate: () => ({}), authorize: () => true.',
    )
  }
}

function reporter(onError: ((error: RealtimeError) => void) | undefined): (error: RealtimeError) => void {
  // eslint-disable-next-line no-console -- the default of onError: nothing is swallowed
  const toConsole = (error: unknown) => console.error(error)
  if (!onError) return toConsole
  return (error) => {
    try {
      onError(error)
    } catch (failure) {
      toConsole(error)
      toConsole(failure)
    }
  }
}

function jsonOf({ type, data }: PublishedEvent): string {
  if (data === undefined) return 'null'
  let cause: unknown
  try {
    const json = JSON.stringify(data) as string | undefined
    if (json !== undefined) return json
  } catch (error) {
    cause = error
  }
  throw new RealtimeError(
    'usage',
    `The data of '${type}' is not JSON. Publish plain objects, arrays, strings and numbers.`,
    {
      cause,
    },
  )
}

const wait = (clock: Clock, delayMs: number) => new Promise<void>((resolve) => clock.after(delayMs, resolve))
