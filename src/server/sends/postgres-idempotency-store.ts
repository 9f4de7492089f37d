import { systemClock } from '../../core/clock.ts'
import { RealtimeError } from '../../core/errors.ts'
import { claimingStore, LOOK_MS, type AnswerTable } from './claiming-store.ts'
import type { IdempotencyStore } from './idempotency.ts'
import { quoted } from '../logs/postgres/quoted.ts'
import type { SqlClient } from '../logs/postgres/sql-client.ts'
import { fromSqlText, toSqlText } from '../logs/postgres/text.ts'
import { reporter } from '../reporter.ts'

export interface PostgresIdempotencyStoreOptions {
  /** The app's own `pg.Pool`, or its PGlite. The store never closes it. */
  readonly db: SqlClient
  /** The schema of its table: 1 to 40 lower-case letters, digits and `_`, beginning with a letter. @default 'realtime' */
  readonly schema?: string | undefined
  /** How long an answer is kept, in ms: longer than clients repeat requests. @default 86_400_000 // a day */
  readonly maxAgeMs?: number | undefined
  /**
   * How long the claim of a node that has died holds, in ms. While its node lives, a claim is renewed. Claims within a
   * transaction of the app end with it.
   * @default 30_000
   */
  readonly claimMs?: number | undefined
  /** Hears when old answers could not be deleted. @default console.error */
  readonly onError?: ((error: RealtimeError) => void) | undefined
}

export interface PostgresIdempotencyStore extends IdempotencyStore {
  /** Sets up its table when it is not there: one statement. Or run `postgresIdempotencySchema()` by your migration tool. */
  migrate(): Promise<void>
  /**
   * The same answers within a transaction of the app: the answer commits with the write, or neither does, whatever dies
   * in between. Another request with the key waits until this transaction has ended, so set a `lock_timeout` if
   * transactions of the app can be long.
   */
  in(tx: SqlClient): IdempotencyStore
  /** Deletes what is too old, in bounded batches. The store does it itself, once a minute while it is used. */
  trim(): Promise<number>
  /** Stops renewing claims: those that are held lapse. */
  close(): void
}

const TRIM_EVERY_MS = 60_000
const MAX_DELETES = 1_000
const MIGRATION_LOCK = '7310011820451623503'

/** The SQL that sets up the table of `postgresIdempotencyStore`: one `DO` statement, safe to repeat. */
export function postgresIdempotencySchema(schema = 'realtime'): string {
  const s = quoted(schema)
  return /* sql */ `do $migrate$
begin
  perform pg_advisory_xact_lock(${MIGRATION_LOCK});
  create schema if not exists ${s};
  create table if not exists ${s}.answers (
    id text collate "C" primary key,
    fingerprint text not null,
    answer text, -- null while somebody is at it
    claim text not null,
    claimed_until timestamptz not null,
    at timestamptz not null
  );
  create index if not exists answers_by_age on ${s}.answers (at);
end
$migrate$`
}

/**
 * Keeps answers in PostgreSQL (or PGlite), for all nodes that share the database. With `in(tx)` the answer commits
 * together with the rows of the write and with its events (`publishIn`): exactly once, also when a node dies in the
 * middle. Without a transaction it claims as `redisIdempotencyStore` does: a write that was committed elsewhere by a node
 * that died before its answer was kept runs again after `claimMs`.
 *
 * @example
 * const answers = postgresIdempotencyStore({ db: pool })
 * await answers.migrate()
 * const answer = await transaction((tx) =>
 *   idempotent(answers.in(tx), { key, userId, fingerprint }, async () => {
 *     const task = await insert(tx, body)
 *     await realtime.publishIn(tx, 'tasks', { type: 'task.created', data: task, mutationId: key })
 *     return { status: 201, body: task }
 *   }),
 * )
 */
export function postgresIdempotencyStore(options: PostgresIdempotencyStoreOptions): PostgresIdempotencyStore {
  const { db, schema = 'realtime', maxAgeMs = 86_400_000, claimMs = 30_000 } = options
  for (const [name, value] of Object.entries({ maxAgeMs, claimMs })) {
    if (value > 0) continue
    throw new RealtimeError('usage', `${name} of postgresIdempotencyStore must be above 0. Got ${value}.`)
  }
  const report = reporter(options.onError)
  const statements = statementsOf(schema)
  const clock = systemClock
  const newId = () => crypto.randomUUID()
  let trimmedAt = clock.now()

  const tableIn = (client: SqlClient): AnswerTable => {
    const ask = async (text: string, params: unknown[]) =>
      (await client.query(text, params)).rows as { fingerprint: string; answer: string | null }[]
    return {
      async claim(id, { fingerprint, name }) {
        const key = toSqlText(id)
        for (;;) {
          const claimed = await ask(statements.claim, [key, fingerprint, name, claimMs, maxAgeMs])
          if (claimed.length > 0) return 'claimed'
          // A statement of its own sees what has been committed while the claim waited.
          const [known] = await ask(statements.find, [key])
          if (!known) continue
          const { answer } = known
          return { fingerprint: known.fingerprint, answer: answer === null ? undefined : fromSqlText(answer) }
        }
      },
      renew: (id, name) => ask(statements.renew, [toSqlText(id), name, claimMs]),
      complete: async (id, { name }, answer) =>
        (await ask(statements.complete, [toSqlText(id), name, toSqlText(answer)])).length > 0,
      release: (id, name) => ask(statements.release, [toSqlText(id), name]),
    }
  }

  async function trim(): Promise<number> {
    let total = 0
    for (;;) {
      const { rows } = await db.query(statements.trim, [Math.max(maxAgeMs, claimMs), MAX_DELETES])
      total += rows.length
      if (rows.length < MAX_DELETES) return total
    }
  }

  /** Not waited for: with PGlite, it would wait for the transaction that waits for it. */
  function trimNowAndThen(): void {
    if (clock.now() - trimmedAt < TRIM_EVERY_MS) return
    trimmedAt = clock.now()
    trim().catch((cause: unknown) => {
      report(new RealtimeError('callback-failed', 'Old answers were not deleted.', { cause }))
    })
  }

  const store = claimingStore(tableIn(db), { clock, claimMs, newId })
  return {
    ...store,
    async migrate() {
      await db.query(postgresIdempotencySchema(schema))
    },
    claim(id, fingerprint) {
      trimNowAndThen()
      return store.claim(id, fingerprint)
    },
    in(tx) {
      const table = tableIn(tx)
      const name = newId()
      return {
        async claim(id, fingerprint) {
          trimNowAndThen()
          const known = await table.claim(id, { fingerprint, name })
          if (known === 'claimed') return { state: 'claimed' }
          if (known.answer !== undefined) return { state: 'done', ...known, answer: known.answer }
          const settled = new Promise<void>((resolve) => clock.after(LOOK_MS, resolve))
          return { state: 'busy', fingerprint: known.fingerprint, settled }
        },
        async complete(id, answer) {
          await table.complete(id, { fingerprint: '', name }, answer)
        },
        async release(id) {
          await table.release(id, name)
        },
      }
    },
    trim,
  }
}

function statementsOf(schema: string) {
  const answers = `${quoted(schema)}.answers`
  const ms = (parameter: string) => `${parameter}::float8 * interval '1 millisecond'`
  return {
    claim: `insert into ${answers} as a (id, fingerprint, claim, claimed_until, at)
      values ($1::text, $2::text, $3::text, clock_timestamp() + ${ms('$4')}, clock_timestamp())
      on conflict (id) do update set fingerprint = excluded.fingerprint, answer = null, claim = excluded.claim,
        claimed_until = excluded.claimed_until, at = excluded.at
      where case when a.answer is null then a.claimed_until < clock_timestamp()
        else a.at < clock_timestamp() - ${ms('$5')} end
      returning a.fingerprint, a.answer`,
    find: `select fingerprint, answer from ${answers} where id = $1::text`,
    renew: `update ${answers} set claimed_until = clock_timestamp() + ${ms('$3')}
      where id = $1::text and claim = $2::text and answer is null`,
    complete: `update ${answers} set answer = $3::text, at = clock_timestamp()
      where id = $1::text and claim = $2::text and answer is null returning fingerprint, answer`,
    release: `delete from ${answers} where id = $1::text and claim = $2::text and answer is null`,
    trim: `delete from ${answers} where id in (
      select old.id from ${answers} old
      where old.at < clock_timestamp() - ${ms('$1')} and (old.answer is not null or old.claimed_until < clock_timestamp())
      limit $2::int8 for update skip locked
    ) returning id`,
  }
}
