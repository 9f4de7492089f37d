import { systemClock, type Clock } from '../../core/clock.ts'
import { RealtimeError } from '../../core/errors.ts'
import type { Position } from '../../core/event.ts'
import type { EventLog, LogEntry, LogEvent, LogListener, LogRead, NewLogEvent } from '../event-log.ts'
import { postgresEventLogSchema } from './postgres/schema.ts'
import { openListening, type SqlClient, type SqlDatabase } from './postgres/sql-client.ts'
import { postgresStatements } from './postgres/statements.ts'
import { PostgresTail } from './postgres/tail.ts'
import { eventFromRow, fromSqlText, toSqlText, type EventRow } from './postgres/text.ts'

export { postgresBus } from '../postgres-bus.ts'
export type { PostgresBus, PostgresBusOptions } from '../postgres-bus.ts'
export { postgresIdempotencySchema, postgresIdempotencyStore } from '../postgres-idempotency-store.ts'
export type {
  PostgresIdempotencyStore,
  PostgresIdempotencyStoreOptions,
} from '../postgres-idempotency-store.ts'
export { postgresEventLogSchema } from './postgres/schema.ts'
export type { EmbeddedSql, SqlClient, SqlDatabase, SqlPool, SqlPoolClient } from './postgres/sql-client.ts'

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

export interface PostgresEventLog extends EventLog {
  /**
   * Sets up the schema when it is not there: one statement, safe when many nodes start at once. Or run
   * `postgresEventLogSchema()` by your migration tool.
   */
  migrate(): Promise<void>
  /**
   * Appends within a transaction of the app: the event is there when the transaction commits, and never was when it
   * does not. It takes its place among the events of its topic at the commit, so neither its position nor a lock is
   * held before. `tx` is what runs the app's own statements of the transaction: a pool's client, PGlite's `tx`.
   *
   * Under REPEATABLE READ and SERIALIZABLE the commit fails with 40001 when the topic had another event since the
   * transaction began; these levels ask for another try anyway.
   */
  appendIn(tx: SqlClient, topic: string, event: NewLogEvent): Promise<void>
  /**
   * Where topics stand. Read it before the state. Within a transaction (`tx`) its own events are among them: they take
   * their places now, and their topics wait for the commit, so ask last. With REPEATABLE READ it belongs to the
   * transaction's snapshot exactly, whenever it is read.
   */
  position(topics: readonly string[], tx?: SqlClient): Promise<Record<string, Position>>
  /**
   * Deletes what is not kept, in bounded batches, one node at a time. Returns the number of events.
   */
  trim(): Promise<number>
}

interface HeadRow {
  readonly topic: string
  readonly epoch: string
  readonly head: number
}

interface ReadRow extends HeadRow, Omit<EventRow, 'offset'> {
  /** `null`: there is no event. */
  readonly offset: number | null
}

const FORGET_EVERY_MS = 3_600_000
const MAX_DELETES = 5_000
/** What PostgreSQL says when a schema, a table or a function is not there. */
const NOT_SET_UP = new Set(['3F000', '42P01', '42883'])
/**
 * The event log in PostgreSQL, for many nodes, or in PGlite for one: an event commits with the rows that it tells of.
 * Set it up once with `migrate()`.
 *
 * - Events of a topic stand in the order of the commits. An open transaction holds nobody up.
 * - Nodes are woken by NOTIFY (whose payload is empty) and poll besides.
 * - An event is lost to nobody by a crash of PostgreSQL: the transaction of an event commits synchronously, also
 *   where `synchronous_commit` is off.
 * - A dump that was restored, a recovery to a point in time and a failover give a new epoch. A disk that is set back
 *   under a PostgreSQL that stays the same is noticed by the nodes that run, and by no other.
 *
 * @example
 * const log = postgresEventLog({ db: pool })
 * await log.migrate()
 * const server = createRealtimeServer({ log, authenticate, authorize })
 */
export function postgresEventLog(options: PostgresEventLogOptions): PostgresEventLog {
  const settings = resolve(options)
  const { db, schema, clock } = settings
  const statements = postgresStatements(schema)
  const listeners = new Map<LogListener, (() => void) | undefined>()
  /** Runs while somebody listens. */
  let tail: PostgresTail | undefined
  let cancelTrim = () => {}
  let forgottenAt = clock.now()
  let closed = false

  const report = (error: RealtimeError) => {
    try {
      if (options.onError) {
        options.onError(error)
        return
      }
    } catch (failure) {
      // eslint-disable-next-line no-console -- nothing is swallowed
      console.error(failure)
    }
    // eslint-disable-next-line no-console -- the default of onError
    console.error(error)
  }

  const query = async <TRow>(client: SqlClient, text: string, params: unknown[]): Promise<TRow[]> => {
    if (closed) throw usage('The event log is closed. Create a new one.')
    try {
      return (await client.query(text, params)).rows as TRow[]
    } catch (cause) {
      const { code } = cause as { code?: unknown }
      if (typeof code !== 'string' || !NOT_SET_UP.has(code)) throw cause
      throw new RealtimeError(
        'usage',
        `The schema "${schema}" of the event log is not there, or not whole. Run log.migrate() once, before the log is used.`,
        { cause },
      )
    }
  }

  const heads = async (topics: readonly string[], client: SqlClient) => {
    const rows = await query<HeadRow>(client, statements.heads, [JSON.stringify(topics.map(toSqlText))])
    return new Map(
      rows.map(({ topic, epoch, head }) => [fromSqlText(topic), { epoch, offset: Number(head) }]),
    )
  }

  const paramsOf = (topic: string, { type, json, mutationId }: NewLogEvent) => [
    toSqlText(topic),
    toSqlText(type),
    toSqlText(json),
    mutationId === undefined ? null : toSqlText(mutationId),
    settings.notify,
  ]

  const begin = () => {
    tail = new PostgresTail({
      open: (handlers) => openListening({ db, channel: schema, isPolled: !settings.notify }, handlers),
      statements,
      clock,
      random: settings.random,
      pollMs: settings.pollMs,
      timeoutMs: settings.timeoutMs,
      onEntry(entry: LogEntry) {
        for (const listener of [...listeners.keys()]) listener(entry)
      },
      onMissed() {
        for (const onMissed of [...listeners.values()]) onMissed?.()
      },
      report,
    })
    scheduleTrim()
  }

  const end = async () => {
    cancelTrim()
    const ended = tail
    tail = undefined
    await ended?.stop()
  }

  const scheduleTrim = () => {
    if (settings.trimEveryMs === 0) return
    cancelTrim = clock.after(settings.trimEveryMs, () => {
      const mine = tail
      trim(mine?.takeBusy(settings.maxEventsPerTopic) ?? [])
        .catch((cause: unknown) => {
          if (!closed) report(new RealtimeError('log-failed', 'Old events were not deleted.', { cause }))
        })
        .finally(() => {
          if (tail && tail === mine) scheduleTrim()
        })
    })
  }

  /** Without `topics`: of all. A topic that another node is at will be busy again, or its events grow old. */
  const trim = async (topics?: readonly string[]): Promise<number> => {
    const { maxEventsPerTopic, maxAgeMs } = settings
    const params = [
      topics ? JSON.stringify(topics.map(toSqlText)) : null,
      maxEventsPerTopic,
      maxAgeMs,
      MAX_DELETES,
    ]
    let total = 0
    for (;;) {
      const [row] = await query<{ deleted: number }>(db, statements.trim, params)
      const deleted = Number(row?.deleted ?? 0)
      if (deleted <= 0) break
      total += deleted
    }
    if (clock.now() - forgottenAt >= FORGET_EVERY_MS) {
      forgottenAt = clock.now()
      await query(db, statements.forget, [settings.forgetTopicsAfterMs, MAX_DELETES])
    }
    return total
  }

  return {
    async migrate() {
      await query(db, postgresEventLogSchema(schema), [])
    },
    async append(topic, event) {
      const [row] = await query<{ epoch: string; offset: number }>(
        db,
        statements.append,
        paramsOf(topic, event),
      )
      if (!row) throw new Error('The append gave no position.')
      if (tail && !tail.hearsNotifications) tail.wake()
      return { epoch: row.epoch, offset: Number(row.offset) }
    },
    async appendIn(tx, topic, event) {
      await query(tx, statements.appendIn, paramsOf(topic, event))
    },
    async read(topic, after, limit) {
      await tail?.ready()
      const rows = await query<ReadRow>(db, statements.read, [
        toSqlText(topic),
        after.epoch,
        after.offset,
        limit,
      ])
      return toRead(rows, after)
    },
    async head(topic) {
      await tail?.ready()
      return (await heads([topic], db)).get(topic) ?? noPosition()
    },
    async position(topics, tx) {
      if (topics.length === 0) return {}
      if (tx) await query(tx, statements.number, [])
      const found = await heads([...new Set(topics)], tx ?? db)
      return Object.fromEntries([...found])
    },
    async quietMs(topic) {
      if (closed) throw usage('The event log is closed. Create a new one.')
      if (!tail) return 0
      await tail.look()
      return tail.quietMs(topic)
    },
    subscribe(listener, onMissed) {
      // A function of its own, so that one listener can subscribe twice.
      const own: LogListener = (entry) => {
        listener(entry)
      }
      listeners.set(own, onMissed)
      if (!tail && !closed) begin()
      return () => {
        if (listeners.delete(own) && listeners.size === 0) void end()
      }
    },
    trim: () => trim(),
    async close() {
      closed = true
      listeners.clear()
      await end()
    },
  }
}

function toRead(rows: readonly ReadRow[], after: Position): LogRead {
  const [state] = rows
  if (!state) return noPosition()
  const head: Position = { epoch: state.epoch, offset: Number(state.head) }
  if (after.epoch !== head.epoch || after.offset > head.offset) return { outcome: 'reset', head }
  const events: LogEvent[] = []
  for (const { offset, type, json, mutationId } of rows) {
    if (offset === null) continue
    // Trimmed in the middle: what is whole ends here.
    if (Number(offset) !== after.offset + events.length + 1) break
    events.push(eventFromRow({ type, json, mutationId, offset }))
  }
  if (events.length === 0 && after.offset < head.offset) return { outcome: 'reset', head }
  return { outcome: 'events', events, head }
}

function noPosition(): never {
  throw new Error('The schema of the event log is empty. Run log.migrate() again.')
}

function resolve(options: PostgresEventLogOptions) {
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
    clock: platform.clock ?? systemClock,
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

const usage = (message: string) => new RealtimeError('usage', message)
