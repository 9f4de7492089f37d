import { mkdirSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { PGlite, type Transaction } from '@electric-sql/pglite'
import { seed } from './seed.ts'

/** PostgreSQL in this process, its files in a folder: what was committed is there after a crash. */
export type Database = PGlite
/** Anything that runs SQL: the database, or a transaction on it. */
export type Sql = Pick<Transaction, 'query'>

const SCHEMA = /* sql */ `
  create table if not exists settings (name text primary key, value text not null);
  create table if not exists users (
    id text primary key, name text not null, role text not null, color text not null, place int not null
  );
  create table if not exists boards (
    id text primary key, key text not null unique, name text not null, description text not null,
    color text not null, is_private boolean not null, place int not null, last_number int not null default 0
  );
  create table if not exists board_members (
    board_id text references boards, user_id text references users, primary key (board_id, user_id)
  );
  create table if not exists tasks (
    id text primary key, board_id text not null references boards, number int not null,
    title text not null, description text not null default '',
    status text not null, priority text not null, labels text[] not null default '{}',
    assignee_id text references users, due_on date, rank text collate "C" not null,
    comment_count int not null default 0, version int not null default 1,
    created_at timestamptz not null, updated_at timestamptz not null, deleted_at timestamptz,
    unique (board_id, number)
  );
  create index if not exists tasks_by_place on tasks (board_id, status, rank, id) where deleted_at is null;
  create table if not exists activity (
    id serial primary key, board_id text not null references boards, task_id text not null references tasks,
    actor_id text not null references users, kind text not null, from_value text, to_value text,
    created_at timestamptz not null
  );
  create index if not exists activity_by_board on activity (board_id, id desc);
  create index if not exists activity_by_task on activity (task_id, id desc);
  create table if not exists answers (
    user_id text not null, idempotency_key text not null, request text not null,
    status int not null, body jsonb not null, created_at timestamptz not null,
    primary key (user_id, idempotency_key)
  );
`

/** Opens the database in a folder, or in memory without one; makes and fills it when it is new. */
export async function openDatabase(folder: string | undefined): Promise<Database> {
  if (folder !== undefined) mkdirSync(folder, { recursive: true })
  const db = await PGlite.create(folder ?? 'memory://')
  await db.exec(SCHEMA)
  await db.transaction(async (tx) => {
    await tx.query(`delete from answers where created_at < $1`, [new Date(Date.now() - 24 * 3600_000)])
    const { rows } = await tx.query<{ n: number }>('select count(*)::int as n from boards')
    if (rows[0]!.n > 0) return
    await tx.query(`insert into settings values ('session-secret', $1)`, [randomBytes(32).toString('hex')])
    await seed(tx, new Date())
  })
  return db
}

export async function readSetting(sql: Sql, name: string): Promise<string> {
  const { rows } = await sql.query<{ value: string }>('select value from settings where name = $1', [name])
  if (rows[0] === undefined) throw new Error(`The database has no setting '${name}'`)
  return rows[0].value
}
