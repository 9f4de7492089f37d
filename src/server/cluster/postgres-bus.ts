import { systemClock, type Clock } from '../../core/clock.ts'
import { RealtimeError } from '../../core/errors.ts'
import { inTime } from '../access/in-time.ts'
import { Follower, unanswered } from '../logs/postgres/follower.ts'
import { NotificationReader, toNotifications } from '../logs/postgres/notifications.ts'
import { quoted } from '../logs/postgres/quoted.ts'
import { openListening, type SqlClient, type SqlDatabase } from '../logs/postgres/sql-client.ts'
import { reporter } from '../reporter.ts'
import type { ServerBus } from './server-bus.ts'

export interface PostgresBusOptions {
  /**
   * The app's own `pg.Pool`, or its PGlite. The bus never closes it. It keeps one connection of a pool, on which it
   * listens. A driver that cannot listen serves no bus.
   */
  readonly db: SqlDatabase
  /**
   * Nodes hear each other when they share a database and a channel: 1 to 40 lower-case letters, digits and `_`,
   * beginning with a letter.
   * @default 'realtime_bus'
   */
  readonly channel?: string | undefined
  /** How long a message waits for PostgreSQL before it is lost, in ms. @default 1_000 */
  readonly timeoutMs?: number | undefined
  /** How often the connection that listens is asked whether it is alive, in ms. @default 10_000 */
  readonly checkMs?: number | undefined
  /** Hears of outages, once each. @default console.error */
  readonly onError?: ((error: RealtimeError) => void) | undefined
  /** What the bus reads from the platform; tests pass their own. */
  readonly platform?: { readonly clock?: Clock; readonly random?: () => number } | undefined
}

export interface PostgresBus extends ServerBus {
  /** Says what waits, and gives its connection back. Nothing is said or heard afterwards. */
  close(): Promise<void>
}

/** What waits for PostgreSQL at one time. What comes during an outage is worth nothing after it. */
const MAX_PENDING = 1_000
const MAX_PENDING_LENGTH = 16 * 1024 * 1024

/** What one statement says at most, in characters, unless it is one message alone. */
const MAX_BATCH_LENGTH = 256 * 1024

/** The connection that listens has more time: nobody waits for it. */
const CONNECT_TIMEOUT_MS = 10_000

interface Pending {
  readonly message: string
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

/**
 * Brings presence, signals and revocations to the other nodes by PostgreSQL's NOTIFY. Nothing is stored, and no table
 * is needed; a message that is larger than a notification goes in parts. What is said during an outage is lost, and
 * presence heals by itself when PostgreSQL is back. A revocation that is lost is made up for by the lease.
 *
 * Transactions that notify commit one after the other, whoever's they are. So what comes while a statement is under
 * way shares the next one: a node never has more than one at a time.
 *
 * @example
 * const realtime = createRealtimeServer({
 *   log: postgresEventLog({ db: pool }),
 *   bus: postgresBus({ db: pool }),
 *   authenticate,
 *   authorize,
 * })
 */
export function postgresBus(options: PostgresBusOptions): PostgresBus {
  const { db, channel = 'realtime_bus', timeoutMs = 1_000, checkMs = 10_000, platform = {} } = options
  const { clock = systemClock, random = Math.random } = platform
  requireListening(db)
  quoted(channel, 'channel of the bus')
  requireAbove0({ timeoutMs, checkMs })
  const report = reporter(options.onError)
  const listeners = new Set<(message: string) => void>()
  const reader = new NotificationReader()
  let pending: Pending[] = []
  let pendingLength = 0
  let count = 0
  /** Settles when nothing waits any more. */
  let sending: Promise<void> | undefined
  let isClosed = false

  const follower = new Follower({
    open: (handlers) => openListening({ db, channel, isPolled: false }, handlers),
    async work(connection) {
      await inTime(connection.query('select 1'), unanswered(clock, CONNECT_TIMEOUT_MS))
    },
    onNotification(payload) {
      const message = reader.read(payload)
      if (message === undefined) return
      for (const listener of [...listeners]) listener(message)
    },
    onOutage(cause) {
      const message = 'The bus has lost PostgreSQL; it is tried again until it is back.'
      report(new RealtimeError('bus-failed', message, { cause }))
    },
    clock,
    random,
    pollMs: checkMs,
    timeoutMs: CONNECT_TIMEOUT_MS,
  })

  /** As many of those that wait as fit into one statement. */
  function takeBatch(): Pending[] {
    let length = 0
    let end = 0
    for (const { message } of pending) {
      length += message.length
      if (end > 0 && length > MAX_BATCH_LENGTH) break
      end++
    }
    const batch = pending.slice(0, end)
    pending = pending.slice(end)
    for (const { message } of batch) pendingLength -= message.length
    return batch
  }

  /** One statement after the other, so that messages keep their order. Never rejects. */
  async function send(): Promise<void> {
    while (pending.length > 0) {
      const batch = takeBatch()
      const payloads = batch.flatMap(({ message }) => toNotifications(message, ++count))
      try {
        await inTime(db.query(NOTIFY, [channel, JSON.stringify(payloads)]), unanswered(clock, timeoutMs))
        for (const { resolve } of batch) resolve()
      } catch (cause) {
        for (const { reject } of batch) reject(cause)
      }
    }
    sending = undefined
  }

  return {
    publish(message) {
      if (isClosed) return Promise.reject(usage('The bus is closed. Create a new one.'))
      if (pending.length >= MAX_PENDING || pendingLength + message.length > MAX_PENDING_LENGTH) {
        return Promise.reject(new Error('Too many messages wait for PostgreSQL.'))
      }
      return new Promise<void>((resolve, reject) => {
        pending.push({ message, resolve, reject })
        pendingLength += message.length
        sending ??= send()
      })
    },
    subscribe(listener) {
      // A function of its own, so that one listener can subscribe twice.
      const own = (message: string) => {
        listener(message)
      }
      listeners.add(own)
      return () => {
        listeners.delete(own)
      }
    },
    async close() {
      isClosed = true
      listeners.clear()
      // The last words of a server are on their way.
      await sending
      await follower.stop()
    },
  }
}

/** Nothing of it needs to survive a crash, so the commit does not wait for the disk. */
const NOTIFY = `with quick as materialized (select set_config('synchronous_commit', 'off', true))
  select pg_notify($1::text, said.payload)
  from quick, json_array_elements_text($2::text::json) with ordinality said(payload, place) order by said.place`

const usage = (message: string) => new RealtimeError('usage', message)

/** JavaScript callers have no types to tell them. */
function requireListening(db: SqlDatabase): void {
  type Given = Partial<SqlClient & { readonly connect: unknown; readonly listen: unknown }> | undefined
  const { query, connect, listen } = (db as Given) ?? {}
  if (typeof query === 'function' && (typeof connect === 'function' || typeof listen === 'function')) return
  throw usage(
    'postgresBus needs a database that can listen: postgresBus({ db: pool }), a pg.Pool or a PGlite.',
  )
}

function requireAbove0(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!(value > 0)) throw usage(`${name} of postgresBus must be above 0. Got ${value}.`)
  }
}
