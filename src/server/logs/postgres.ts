import { RealtimeError } from '../../core/errors.ts'
import type { Position } from '../../core/event.ts'
import type { EventLog, LogEntry, LogListener, NewLogEvent } from '../event-log.ts'
import { reporter } from '../reporter.ts'
import { noPosition, toRead, type HeadRow, type ReadRow } from './postgres/read-rows.ts'
import { Retention } from './postgres/retention.ts'
import { postgresEventLogSchema } from './postgres/schema.ts'
import { settingsOf, usage, type PostgresEventLogOptions } from './postgres/settings.ts'
import { openListening, type SqlClient } from './postgres/sql-client.ts'
import { postgresStatements } from './postgres/statements.ts'
import { PostgresTail } from './postgres/tail.ts'
import { fromSqlText, toSqlText } from './postgres/text.ts'

export { postgresBus } from '../cluster/postgres-bus.ts'
export type { PostgresBus, PostgresBusOptions } from '../cluster/postgres-bus.ts'
export { postgresIdempotencySchema, postgresIdempotencyStore } from '../sends/postgres-idempotency-store.ts'
export type {
  PostgresIdempotencyStore,
  PostgresIdempotencyStoreOptions,
} from '../sends/postgres-idempotency-store.ts'
export { postgresEventLogSchema } from './postgres/schema.ts'
export type { PostgresEventLogOptions } from './postgres/settings.ts'
export type { EmbeddedSql, SqlClient, SqlDatabase, SqlPool, SqlPoolClient } from './postgres/sql-client.ts'

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
  const settings = settingsOf(options)
  const { db, schema, clock } = settings
  const statements = postgresStatements(schema)
  const listeners = new Map<LogListener, (() => void) | undefined>()
  /** Runs while somebody listens. */
  let tail: PostgresTail | undefined
  let closed = false
  const report = reporter(settings.onError)

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

  const retention = new Retention({
    settings,
    statements,
    query: (text, params) => query(db, text, params),
    onFailed(error) {
      if (!closed) report(error)
    },
  })

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
    retention.begin(tail)
  }

  const end = async () => {
    retention.end()
    const ended = tail
    tail = undefined
    await ended?.stop()
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
    trim: () => retention.trim(),
    async close() {
      closed = true
      listeners.clear()
      await end()
    },
  }
}
