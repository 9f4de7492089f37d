/** The databases that the PostgreSQL log runs on, for tests that hold for both. */
import { PGlite } from '@electric-sql/pglite'
import pg from 'pg'
import type { SqlDatabase } from '../../src/server/logs/postgres/sql-client.ts'
import { PostgresServer } from './postgres-server.ts'

export interface TestDatabase {
  readonly db: SqlDatabase
  close(): Promise<void>
}

export interface DatabaseKind {
  readonly name: string
  start(): Promise<void>
  /** Another way to the same database, as a second node has it. PGlite has one process, so it is the same one. */
  open(): Promise<TestDatabase>
  stop(): Promise<void>
}

export function embeddedDatabase(): DatabaseKind {
  let db: PGlite
  return {
    name: 'PGlite',
    async start() {
      db = await PGlite.create('memory://')
    },
    open: () => Promise.resolve({ db, close: () => Promise.resolve() }),
    stop: () => db.close(),
  }
}

export function serverDatabase(): DatabaseKind {
  let server: PostgresServer
  return {
    name: 'PostgreSQL',
    async start() {
      server = await PostgresServer.start()
    },
    open() {
      const pool = openPool(server)
      return Promise.resolve({ db: pool, close: () => pool.end() })
    },
    stop: () => server.remove(),
  }
}

/** A pool that outlives a server that is killed. */
export function openPool({ connection }: PostgresServer, options: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({ ...connection, max: 6, connectionTimeoutMillis: 5_000, ...options })
  pool.on('error', () => {})
  return pool
}
