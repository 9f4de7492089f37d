import { mkdirSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { PGlite } from '@electric-sql/pglite'
import type { SqlDatabase } from 'realtime-query-bridge/server/postgres'
import { seed } from './seed.ts'

/** Anything that runs SQL: the database, or a transaction on it. */
export interface Sql {
  query<TRow>(text: string, params?: unknown[]): Promise<{ rows: TRow[] }>
}

/** PGlite or PostgreSQL: the same SQL runs on both. */
export interface Database extends Sql {
  /** Runs in a transaction: commits, or rolls back when `run` throws. */
  transaction<T>(run: (sql: Sql) => Promise<T>): Promise<T>
  /** What the log of events is given, when it lives in this database. */
  readonly driver: SqlDatabase
  close(): Promise<void>
}

/** One at a time makes and fills the tables. */
const SETUP_LOCK = 4400

const TABLES = [
  /* sql */ `create table if not exists settings (name text primary key, value text not null)`,
  /* sql */ `create table if not exists users (
    id text primary key, name text not null, role text not null, color text not null, place int not null
  )`,
  /* sql */ `create table if not exists boards (
    id text primary key, key text not null unique, name text not null, description text not null,
    color text not null, is_private boolean not null, place int not null, last_number int not null default 0
  )`,
  /* sql */ `create table if not exists board_members (
    board_id text references boards, user_id text references users, primary key (board_id, user_id)
  )`,
  /* sql */ `create table if not exists tasks (
    id text primary key, board_id text not null references boards, number int not null,
    title text not null, description text not null default '',
    status text not null, priority text not null, labels text[] not null default '{}',
    assignee_id text references users, due_on date, rank text collate "C" not null,
    comment_count int not null default 0, version int not null default 1,
    created_at timestamptz not null, updated_at timestamptz not null, deleted_at timestamptz,
    unique (board_id, number)
  )`,
  /* sql */ `create index if not exists tasks_by_place on tasks (board_id, status, rank, id) where deleted_at is null`,
  /* sql */ `create table if not exists activity (
    id serial primary key, board_id text not null references boards, task_id text not null references tasks,
    actor_id text not null references users, kind text not null, from_value text, to_value text,
    created_at timestamptz not null
  )`,
  /* sql */ `create index if not exists activity_by_board on activity (board_id, id desc)`,
  /* sql */ `create index if not exists activity_by_task on activity (task_id, id desc)`,
]

/** PostgreSQL in this process, its files in a folder: what was committed is there after a crash. */
export async function openEmbedded(folder: string): Promise<Database> {
  mkdirSync(folder, { recursive: true })
  const db = await PGlite.create(folder)
  return setUp({
    query: (text, params) => db.query(text, params),
    transaction: (run) => db.transaction(run),
    driver: db,
    close: () => db.close(),
  })
}

/** A PostgreSQL that other processes may use, too. */
export async function openPostgres(connectionString: string): Promise<Database> {
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({
    connectionString,
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
  })
  pool.on('error', (error) => console.error('An idle connection of the database broke:', error.message))
  return setUp({
    query: async <TRow>(text: string, params?: unknown[]) => ({
      rows: (await pool.query(text, params)).rows as TRow[],
    }),
    async transaction(run) {
      const client = await pool.connect()
      const sql: Sql = {
        query: async <TRow>(text: string, params?: unknown[]) => ({
          rows: (await client.query(text, params)).rows as TRow[],
        }),
      }
      let broken: Error | undefined
      // A connection that breaks between two statements would end the process.
      const onError = (error: Error) => (broken = error)
      client.on('error', onError)
      try {
        await client.query('begin')
        const result = await run(sql)
        await client.query('commit')
        return result
      } catch (error) {
        await client.query('rollback').catch((cause: Error) => (broken = cause))
        throw error
      } finally {
        client.off('error', onError)
        client.release(broken)
      }
    },
    driver: pool,
    close: () => pool.end(),
  })
}

/** Makes the tables, and fills them when they are new. */
async function setUp(db: Database): Promise<Database> {
  await db.transaction(async (sql) => {
    await sql.query('select pg_advisory_xact_lock($1::int8)', [SETUP_LOCK])
    for (const table of TABLES) await sql.query(table)
    const { rows } = await sql.query<{ n: number }>('select count(*)::int as n from boards')
    if (rows[0]!.n > 0) return
    await sql.query(`insert into settings values ('session-secret', $1)`, [randomBytes(32).toString('hex')])
    await seed(sql, new Date())
  })
  return db
}

export async function readSetting(sql: Sql, name: string): Promise<string> {
  const { rows } = await sql.query<{ value: string }>('select value from settings where name = $1', [name])
  if (rows[0] === undefined) throw new Error(`The database has no setting '${name}'`)
  return rows[0].value
}
