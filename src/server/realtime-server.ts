import { systemClock, type Clock } from '../core/clock.ts'
import { RealtimeError } from '../core/errors.ts'
import { callSafely } from './call-safely.ts'
import { Connection, type ConnectionRequest, type ServerSocket } from './connection.ts'
import { Counts } from './counts.ts'
import { guessUserId } from './access/credential.ts'
import { elapsedClock } from './elapsed-clock.ts'
import { FanOut } from './topics/fan-out.ts'
import { Gate } from './access/gate.ts'
import { afterOthers, inTurns } from './sockets/in-turns.ts'
import { resolveLimits } from './limits.ts'
import { LogReader } from './topics/log-reader.ts'
import { memoryEventLog } from './logs/memory.ts'
import { NodeChannel, type NodeMessage } from './cluster/node-channel.ts'
import { PresenceHub } from './presence/presence-hub.ts'
import { Questions } from './access/questions.ts'
import { publisher } from './publisher.ts'
import { reporter } from './reporter.ts'
import { retryTime } from './access/retry-time.ts'
import type { RevokeFilter } from './cluster/server-bus.ts'
import type { ServerContext } from './server-context.ts'
import type {
  DrainOptions,
  RealtimeServer,
  RealtimeServerOptions,
  ServerConnection,
  ServerPlatform,
} from './server-options.ts'
import { countLeft, logTime, noCounts, statsOf } from './server-stats.ts'
import { SignalHub, type SignalListener } from './presence/signal-hub.ts'
import { requireFilter, requireValid } from './valid-options.ts'
import { WriteQueue } from './sockets/write-queue.ts'

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
  const { clock: givenClock = systemClock, random = Math.random } = platform
  const clock = elapsedClock(givenClock)
  const timeOfDay = () => givenClock.now()
  const { newId = () => crypto.randomUUID(), defer = afterOthers } = platform
  const report = reporter(options.onError)
  const log = options.log ?? memoryEventLog()
  const writes = new WriteQueue(clock, defer)
  const fanOut = new FanOut(defer, writes, clock)
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
    timeOfDay,
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
    authentications: new Questions({
      clock,
      limits,
      name: 'authenticate',
      width: 'maxConcurrentAuthentications',
      time: 'helloTimeoutMs',
    }),
    authorizations: new Questions({
      clock,
      limits,
      name: 'authorize',
      width: 'maxConcurrentAuthorizations',
      time: 'authorizeTimeoutMs',
    }),
    counters: noCounts(),
    clock,
    timeOfDay,
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
      if (!logger) return
      callSafely(
        () =>
          level === 'warn' && logger.warn ? logger.warn(message, details) : logger.debug(message, details),
        (cause) => {
          report(new RealtimeError('listener-failed', 'The logger threw.', { cause }))
        },
      )
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
    context.counters.opened++
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
    if (!connection.isClosed) countLeft(context.counters, code)
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

  async function drain({
    retryAfterMs = 1_000,
    spreadMs = connections.size < 100 ? 0 : Math.min(connections.size * 2, 60_000),
    graceMs = 250,
    code = 1012,
  }: DrainOptions): Promise<void> {
    const delay = () => retryTime(retryAfterMs + random() * spreadMs) ?? 1_000
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
    report,
    ...publisher({
      log,
      limits,
      table: options.events,
      counters: context.counters,
      isClosed: () => draining !== undefined,
    }),
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
    stats: () => statsOf(connections, context),
    async health() {
      const logMs = await logTime(log, clock)
      const status = draining ? 'draining' : logMs === undefined ? 'failing' : 'ok'
      return { status, connections: connections.size, logMs }
    },
    close(drainOptions = {}) {
      return (draining ??= drain(drainOptions))
    },
  }
}

const wait = (clock: Clock, delayMs: number) => new Promise<void>((resolve) => clock.after(delayMs, resolve))
