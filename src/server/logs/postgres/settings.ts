import type { Clock } from '../../../core/clock.ts'
import { RealtimeError } from '../../../core/errors.ts'
import { elapsedClock } from '../../elapsed-clock.ts'
import type { SqlClient, SqlDatabase } from './sql-client.ts'

export interface PostgresEventLogOptions {
  /**
   * The app's own `pg.Pool`, or its PGlite. The log never closes it. It keeps one connection of a pool, on which it
   * listens, while somebody subscribes.
   *
   * A pool that notices a dead network: `new Pool({ keepAlive: true, connectionTimeoutMillis: 5_000,
   * query_timeout: 10_000 })`. Give it an `error` listener: without one, a connection that breaks while idle ends
   * the process.
   */
  readonly db: SqlDatabase
  /**
   * The schema of the log's tables, and the channel of its notifications: 1 to 40 lower-case letters, digits and
   * `_`, beginning with a letter.
   * @default 'realtime'
   */
  readonly schema?: string | undefined
  /** How many events of one topic are kept. @default 1_000 */
  readonly maxEventsPerTopic?: number | undefined
  /** How long an event is kept, in ms. @default 86_400_000 // 1 day */
  readonly maxAgeMs?: number | undefined
  /**
   * A topic that had no event for so long is forgotten, in ms; it comes back in a new epoch.
   * @default 2_592_000_000 // 30 days
   */
  readonly forgetTopicsAfterMs?: number | undefined
  /** How often what is not kept is deleted while somebody subscribes, in ms. 0: only `trim()` does. @default 30_000 */
  readonly trimEveryMs?: number | undefined
  /** How often the log is looked at without being woken, in ms: for what a notification did not tell. @default 1_000 */
  readonly pollMs?: number | undefined
  /**
   * Whether appends notify the other nodes. PostgreSQL lets transactions that notify commit one after the other; an
   * app that writes thousands of events a second leaves it out and is heard by polling.
   * @default true
   */
  readonly notify?: boolean | undefined
  /** A look at the log that takes longer is given up and its connection replaced, in ms. @default 10_000 */
  readonly timeoutMs?: number | undefined
  /** Hears of an outage once, when it begins. Appends and reads reject by themselves. @default console.error */
  readonly onError?: ((error: RealtimeError) => void) | undefined
  /** What the log reads from the platform; tests pass their own. */
  readonly platform?: { readonly clock?: Clock; readonly random?: () => number } | undefined
}

export type PostgresEventLogSettings = ReturnType<typeof settingsOf>

/** The options, with their defaults. Throws `usage` for one that cannot be. */
export function settingsOf(options: PostgresEventLogOptions) {
  const { db, schema = 'realtime', notify = true, platform = {} } = options
  if (typeof (db as Partial<SqlClient> | undefined)?.query !== 'function') {
    throw usage('postgresEventLog needs a database: postgresEventLog({ db: pool }), a pg.Pool or a PGlite.')
  }
  const maxAgeMs = above0('maxAgeMs', options.maxAgeMs ?? 86_400_000)
  const trimEveryMs = options.trimEveryMs ?? 30_000
  return {
    db,
    schema,
    notify,
    onError: options.onError,
    clock: elapsedClock(platform.clock),
    random: platform.random ?? Math.random,
    maxEventsPerTopic: above0('maxEventsPerTopic', options.maxEventsPerTopic ?? 1_000),
    maxAgeMs,
    forgetTopicsAfterMs: Math.max(
      maxAgeMs,
      above0('forgetTopicsAfterMs', options.forgetTopicsAfterMs ?? 2_592_000_000),
    ),
    trimEveryMs: trimEveryMs === 0 ? 0 : above0('trimEveryMs', trimEveryMs),
    pollMs: above0('pollMs', options.pollMs ?? 1_000),
    timeoutMs: above0('timeoutMs', options.timeoutMs ?? 10_000),
  }
}

function above0(name: string, value: number): number {
  if (value > 0) return value
  throw usage(`${name} of postgresEventLog must be above 0. Got ${value}.`)
}

export const usage = (message: string) => new RealtimeError('usage', message)
