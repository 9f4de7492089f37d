import { systemClock, type Clock } from '../core/clock.ts'
import { RealtimeError } from '../core/errors.ts'
import type { Position } from '../core/event.ts'
import { Connection, type ConnectionRequest, type ServerSocket } from './connection.ts'
import { Counts } from './counts.ts'
import { guessUserId } from './credential.ts'
import type { NewLogEvent } from './event-log.ts'
import { FanOut } from './fan-out.ts'
import { Gate } from './gate.ts'
import { afterOthers, inTurns } from './in-turns.ts'
import { resolveLimits } from './limits.ts'
import { LogReader } from './log-reader.ts'
import { memoryEventLog } from './logs/memory.ts'
import { NodeChannel, type NodeMessage } from './node-channel.ts'
import { PresenceHub } from './presence-hub.ts'
import { toLogEvent, type PublishedEvents } from './publish-event.ts'
import type { RevokeFilter } from './server-bus.ts'
import type { ServerContext } from './server-context.ts'
import type {
  DrainOptions,
  RealtimeServer,
  RealtimeServerOptions,
  ServerConnection,
  ServerPlatform,
} from './server-options.ts'
import { noCounts, type ServerHealth, type ServerStats } from './server-stats.ts'
import { SignalHub, type SignalListener } from './signal-hub.ts'
import { WriteQueue } from './write-queue.ts'

export type {
  DrainOptions,
  RealtimeServer,
  RealtimeServerOptions,
  ServerConnection,
  ServerLogger,
  ServerPlatform,
} from './server-options.ts'

/** How long `close` waits for sockets to finish their closing handshake. */
const CLOSE_TIMEOUT_MS = 5_000

/** How often connections are looked at: credentials, leases and silence are exact to this. */
const SWEEP_MS = 1_000

const HEALTH_TIMEOUT_MS = 2_000

/** How long before the end of a credential its client is told. */
const RENEW_BEFORE_MS = 30_000

/**
 * The server of `rqb.v1`, without a socket library: connections come in through `opened`, events through
 * `publish`, and the log between the two decides their order.
 */
export function createRealtimeServer<TIdentity, TMap extends object = Record<string, unknown>>(
  options: RealtimeServerOptions<TIdentity, TMap>,
): RealtimeServer<TMap> {
  requireValid(options)
  const limits = resolveLimits(options.limits)
  const platform: Partial<ServerPlatform> = options.platform ?? {}
  const { clock = systemClock, random = Math.random } = platform
  const { newId = () => crypto.randomUUID(), defer = afterOthers } = platform
  const report = reporter(options.onError)
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
  const channel = new NodeChannel({ node: newId(), bus: options.bus, report, hear: hearNode })
  const presence = new PresenceHub({
    clock,
    channel,
    graceMs: options.presence?.graceMs ?? 10_000,
    maxMembers: limits.maxPresenceMembers,
  })
  const signals = new SignalHub({ clock, channel, listeners: signalListeners })
  const connections = new Set<Connection>()
  let cancelSweep: (() => void) | undefined
  /** Called when a connection is gone, while `close` waits for the last one. */
  let onGone = () => {}
  let draining: Promise<void> | undefined
  /** Set when draining begins: what a client that still comes is told. */
  let farewell: { code: number; reason: string; retryAfterMs: () => number } | undefined

  // The identity that goes into these is the one that `authenticate` gave.
  type Hooks = Pick<ServerContext, 'authenticate' | 'authorize' | 'userId' | 'expiresAt' | 'onSend'>
  const hooks = {
    authenticate: options.authenticate,
    authorize: options.authorize,
    userId: options.userId ?? guessUserId,
    expiresAt: options.expiresAt ?? (() => undefined),
    onSend: options.onSend,
  } as Hooks
  const context: ServerContext = {
    ...hooks,
    reader: new LogReader(log, { clock, limit: limits.maxReplayEvents + 1 }),
    fanOut,
    writes,
    presence,
    signals,
    limits,
    rateLimiters: options.rateLimiters ?? {},
    users: new Counts(),
    addresses: new Counts(),
    gate: new Gate(options.leaseConcurrency ?? 16),
    counters: noCounts(),
    clock,
    random,
    newId,
    leaseMs: options.leaseMs ?? 300_000,
    renewBeforeMs: RENEW_BEFORE_MS,
    presenceTtlMs: options.presence?.ttlMs ?? 90_000,
    clientAddress: options.clientAddress ?? (({ remoteAddress }) => remoteAddress),
    gone,
    report,
    note(level, message, details) {
      const { logger } = options
      try {
        if (level === 'warn' && logger?.warn) logger.warn(message, details)
        else logger?.debug(message, details)
      } catch (cause) {
        report(new RealtimeError('listener-failed', 'The logger threw.', { cause }))
      }
    },
  }

  /** Everybody who hears a topic, once: by a subscription, or by its presence alone. */
  function* signalListeners(topic: string): Iterable<SignalListener> {
    for (const { signalListener } of fanOut.listeners(topic)) if (signalListener) yield signalListener
    for (const { client } of presence.seatsOf(topic) ?? []) {
      if (client instanceof Connection && !client.isSubscribed(topic)) yield client
    }
  }

  function hearNode(message: NodeMessage): void {
    if (message.t === 'signals') {
      for (const signal of message.signals) signals.add(message.topic, signal, false)
    } else if (message.t === 'revoke') {
      revokeHere(message)
    } else {
      presence.hear(message)
    }
  }

  function revokeHere(filter: RevokeFilter): void {
    for (const connection of [...connections]) connection.revoke(filter)
  }

  const eachConnection = (run: (connection: Connection) => void) =>
    inTurns(connections, run, { clock, defer })

  /** Runs while there is a connection. */
  function sweepLater(): void {
    cancelSweep ??= clock.after(SWEEP_MS, () => {
      cancelSweep = undefined
      const now = clock.now()
      void eachConnection((connection) => {
        connection.sweep(now)
      })
      if (connections.size > 0) sweepLater()
    })
  }

  function opened(socket: ServerSocket, request: ConnectionRequest): ServerConnection {
    const connection = new Connection(context, socket, request)
    if (connections.size >= limits.maxConnections) connection.close(4429, 'too many connections')
    connections.add(connection)
    presence.start()
    sweepLater()
    context.note('debug', 'connection opened', { connectionId: connection.id })
    if (farewell) {
      connection.sendMessage({ t: 'going-away', retryAfterMs: farewell.retryAfterMs() })
      connection.close(farewell.code, farewell.reason)
    }
    return connection
  }

  function gone(connection: Connection, code: number, reason: string): void {
    // A client that says goodbye, or whose page is gone, does not come back as the same.
    connection.end(code !== 1000 && code !== 1001)
    if (!connections.delete(connection)) return
    context.note('debug', 'connection closed', { connectionId: connection.id, code, reason })
    if (connections.size === 0) {
      cancelSweep?.()
      cancelSweep = undefined
    }
    onGone()
  }

  async function append<T>(
    topic: string,
    event: PublishedEvents<TMap>,
    write: (logEvent: NewLogEvent) => Promise<T>,
  ): Promise<T> {
    const { type }: { readonly type: string } = event
    if (draining) {
      throw usage(`The server is closed, so '${type}' was not published. Close it after the last publish.`)
    }
    const logEvent = toLogEvent(topic, event, { limits, table: options.events })
    try {
      const written = await write(logEvent)
      context.counters.published++
      return written
    } catch (cause) {
      throw new RealtimeError('log-failed', `'${type}' may not be published: the event log failed.`, {
        cause,
      })
    }
  }

  const publish = (topic: string, event: PublishedEvents<TMap>): Promise<Position> =>
    append(topic, event, (logEvent) => log.append(topic, logEvent))

  async function publishIn(tx: unknown, topic: string, event: PublishedEvents<TMap>): Promise<void> {
    requireTransactions(log.appendIn !== undefined)
    await append(topic, event, async (logEvent) => log.appendIn?.(tx, topic, logEvent))
  }

  async function position(topics: readonly string[], tx?: unknown): Promise<Record<string, Position>> {
    if (log.position) return log.position(topics, tx)
    if (tx !== undefined) requireTransactions(false)
    return Object.fromEntries(
      await Promise.all(topics.map(async (topic) => [topic, await log.head(topic)] as const)),
    )
  }

  function stats(): ServerStats {
    const all = [...connections]
    const buffered = all.map(({ unsentBytes }) => unsentBytes)
    const lags = all.flatMap(({ heldBackSince }) => (heldBackSince === undefined ? [] : [heldBackSince]))
    const now = clock.now()
    return {
      ...context.counters,
      closed: { ...context.counters.closed },
      connections: all.length,
      users: context.users.size,
      addresses: context.addresses.size,
      subscriptions: all.reduce((sum, { subscriptions }) => sum + subscriptions.size, 0),
      presences: presence.seatCount,
      bufferedBytes: buffered.reduce((sum, bytes) => sum + bytes, 0),
      maxBufferedBytes: buffered.reduce((most, bytes) => Math.max(most, bytes), 0),
      heldBack: lags.length,
      lagMs: lags.reduce((longest, since) => Math.max(longest, now - since), 0),
    }
  }

  async function health(): Promise<ServerHealth> {
    const startedAt = clock.now()
    const isAnswered = await new Promise<boolean>((resolve) => {
      const cancel = clock.after(HEALTH_TIMEOUT_MS, () => {
        resolve(false)
      })
      log
        .head('health')
        .then(
          () => {
            resolve(true)
          },
          () => {
            resolve(false)
          },
        )
        .finally(cancel)
    })
    return {
      status: draining ? 'draining' : isAnswered ? 'ok' : 'failing',
      connections: connections.size,
      logMs: isAnswered ? Math.max(0, clock.now() - startedAt) : undefined,
    }
  }

  async function drain({
    retryAfterMs = 1_000,
    spreadMs = connections.size < 100 ? 0 : Math.min(connections.size * 2, 60_000),
    graceMs = 250,
    code = 1012,
  }: DrainOptions): Promise<void> {
    const delay = () => Math.round(retryAfterMs + random() * spreadMs)
    const reason = code === 1001 ? 'server is going away' : 'server is restarting'
    farewell = { code, reason, retryAfterMs: delay }
    fanOut.finish()
    const grace = connections.size > 0 ? wait(clock, graceMs) : undefined
    await eachConnection((connection) => {
      connection.sendMessage({ t: 'going-away', retryAfterMs: delay() })
    })
    await grace
    // First: its clients are on their way to other nodes, and are not gone.
    presence.close()
    await eachConnection((connection) => {
      connection.close(code, reason)
    })
    await new Promise<void>((resolve) => {
      const cancel = clock.after(CLOSE_TIMEOUT_MS, resolve)
      onGone = () => {
        if (connections.size > 0) return
        cancel()
        resolve()
      }
      onGone()
    })
    cancelSweep?.()
    signals.close()
    channel.close()
    stopHearing()
    if (!options.log) await log.close()
  }

  return {
    limits,
    opened,
    publish,
    publishIn,
    position,
    revoke(filter) {
      requireFilter(filter)
      const { user, connectionId, topic } = filter
      channel.say({ t: 'revoke', user, connectionId, topic })
      revokeHere(filter)
    },
    presence(topic) {
      presence.start()
      return presence.members(topic)
    },
    stats,
    health,
    close(drainOptions = {}) {
      return (draining ??= drain(drainOptions))
    },
  }
}

const usage = (message: string) => new RealtimeError('usage', message)

function requireTransactions(areThere: boolean): void {
  if (areThere) return
  throw usage(
    'This event log knows no transactions of the app. Use postgresEventLog, or publish after the commit.',
  )
}

/** JavaScript callers have no types to tell them. */
function requireValid<TIdentity, TMap extends object>(options: RealtimeServerOptions<TIdentity, TMap>): void {
  const { authenticate, authorize, leaseMs = 1, leaseConcurrency = 1, presence = {} } = options
  if (typeof authenticate !== 'function' || typeof authorize !== 'function') {
    throw usage(
      'createRealtimeServer needs authenticate and authorize. To let everybody in: authenticate: () => ({}), authorize: () => true.',
    )
  }
  const { graceMs = 0, ttlMs = 1 } = presence
  if (!(leaseMs > 0)) throw usage(`leaseMs must be a number above 0. Got ${leaseMs}.`)
  if (!(leaseConcurrency >= 1))
    throw usage(`leaseConcurrency must be a number from 1. Got ${leaseConcurrency}.`)
  if (!(graceMs >= 0)) throw usage(`presence.graceMs must be a number from 0. Got ${graceMs}.`)
  if (!(ttlMs > 0)) throw usage(`presence.ttlMs must be a number above 0. Got ${ttlMs}.`)
}

/** A filter that names nobody would mean everybody. */
function requireFilter(filter: RevokeFilter): void {
  const { user, connectionId, topic } = filter
  if ([user, connectionId, topic].every((value) => value === undefined || value === '')) {
    throw usage('revoke needs a user, a connectionId or a topic. To let go of everybody: server.close().')
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

const wait = (clock: Clock, delayMs: number) => new Promise<void>((resolve) => clock.after(delayMs, resolve))
