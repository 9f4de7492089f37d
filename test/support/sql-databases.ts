/** The databases that the PostgreSQL log runs on, for tests that hold for both. */
import { PGlite } from '@electric-sql/pglite'
import type { SqlClient, SqlDatabase } from '../../src/server/logs/postgres/sql-client.ts'
import { openPool } from './postgres-pool.ts'
import { PostgresServer } from './postgres-server.ts'

export interface TestDatabase {
  readonly db: SqlDatabase
  /** As an app does it: commits, or rolls back when `run` throws. */
  transaction<T>(run: (tx: SqlClient) => Promise<T>, isolation?: string): Promise<T>
  close(): Promise<void>
}

export interface DatabaseKind {
  readonly name: string
  start(): Promise<void>
  /** Another way to the same database, as a second node has it. PGlite has one process, so it is the same one. */
  open(): TestDatabase
  stop(): Promise<void>
}

export function embeddedDatabase(): DatabaseKind {
  let db: PGlite
  return {
    name: 'PGlite',
    async start() {
      db = await PGlite.create('memory://')
    },
    open: () => ({
      db,
      transaction: (run, isolation = 'read committed') =>
        db.transaction(async (tx) => {
          await tx.query(`set transaction isolation level ${isolation}`)
          return run(tx)
        }),
      close: () => Promise.resolve(),
    }),
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
      const pool = openPool(server.connection)
      return {
        db: pool,
        async transaction(run, isolation = 'read committed') {
          const client = await pool.connect()
          try {
            await client.query(`begin isolation level ${isolation}`)
            const result = await run(client)
            await client.query('commit')
            return result
          } catch (error) {
            await client.query('rollback')
            throw error
          } finally {
            client.release()
          }
        },
        close: () => pool.end(),
      }
    },
    stop: () => server.remove(),
  }
}
