import type pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { RealtimeError } from '../../../src/core/errors.ts'
import {
  postgresEventLog,
  type PostgresEventLogOptions,
  type SqlPool,
} from '../../../src/server/logs/postgres.ts'
import { openPool } from '../../support/postgres-pool.ts'
import { PostgresServer } from '../../support/postgres-server.ts'
import { listen, numbered, readAll } from './postgres-support.ts'

describe('postgresEventLog, when PostgreSQL fails', () => {
  let server: PostgresServer
  let pool: pg.Pool
  beforeAll(async () => {
    server = await PostgresServer.start()
    pool = openPool(server.connection)
  })
  afterAll(async () => {
    await pool.end()
    await server.remove()
  })

  const logs: { close(): Promise<void> }[] = []
  afterEach(async () => {
    for (const log of logs.splice(0)) await log.close()
  })
  let schemas = 0

  const start = async (options: Partial<PostgresEventLogOptions> = {}) => {
    const errors: RealtimeError[] = []
    const schema = `log_${++schemas}`
    const log = postgresEventLog({ db: pool, schema, onError: (error) => errors.push(error), ...options })
    logs.push(log)
    await log.migrate()
    return { log, errors, schema }
  }

  const count = (length: number) => Array.from({ length }, (_, index) => index + 1)

  it('listens again when its connection is ended, tells everything once, and says so once', async () => {
    const { log, errors, schema } = await start({ pollMs: 3_600_000 })
    const ear = listen(log)
    await log.head('t')
    for (const n of count(60)) {
      await log.append('t', numbered(n))
      if (n % 20 !== 10) continue
      await pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and query ilike $1`,
        [`%listen "${schema}"%`],
      )
      await pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where pid <> pg_backend_pid() and query like '%pg_visible_in_snapshot%' and query like $1`,
        [`%"${schema}"%`],
      )
    }
    await ear.untilHeard(60)
    expect(ear.values('t')).toEqual(count(60))
    expect(ear.missed).toBe(0)
    expect(errors.length).toBeGreaterThan(0)
    expect(errors.every(({ code }) => code === 'log-failed')).toBe(true)
  })

  it('gives up a look that is not answered, and goes on where it was', async () => {
    const { log } = await start({ pollMs: 50, timeoutMs: 300 })
    const ear = listen(log)
    await log.append('t', numbered(1)).then(() => log.head('t'))
    server.freeze()
    // What is asked meanwhile is not answered, and does not wait for ever.
    await expect(log.quietMs?.('t')).rejects.toThrow('has not answered for 300 ms')
    server.thaw()
    await log.append('t', numbered(2))
    await ear.until(() => ear.values('t').includes(2))
    expect(await readAll(log, 't')).toEqual([1, 2])
    expect(ear.missed).toBe(0)
  })

  it('goes on with the page at which a look has failed: nothing is told twice', async () => {
    let failures = 0
    const failing: SqlPool = {
      query: (text, params) => pool.query(text, params),
      async connect() {
        const client = await pool.connect()
        const query = client.query.bind(client) as SqlPool['query']
        return Object.assign(Object.create(client) as typeof client, {
          query: (text: string, params: unknown[] = []) => {
            // The first look at a second page.
            if (text.includes('pg_visible_in_snapshot') && params[4] !== null && failures++ === 0) {
              return Promise.reject(new Error('cut between two pages'))
            }
            return query(text, params)
          },
        })
      },
    }
    const { log, errors, schema } = await start({ db: failing, notify: true, pollMs: 3_600_000 })
    const ear = listen(log)
    const { epoch } = await log.head('t')
    await pool.query(
      `insert into ${schema}.events (topic, base, generation, "offset", type, json)
       select 't', ${schema}.base(), 0, n, 'n', n::text from generate_series(1, 900) n`,
    )
    await log.append('other', numbered(1))
    await ear.untilHeard(901)
    expect(ear.values('t')).toEqual(count(900))
    expect(ear.missed).toBe(0)
    expect(errors).toHaveLength(1)
    expect((await log.head('t')).epoch).toBe(epoch)
  })

  it('rejects what it is asked while the server is away, and hears all of it afterwards', async () => {
    const { log, errors } = await start({ pollMs: 50 })
    const ear = listen(log)
    await log.head('t')
    await log.append('t', numbered(1))
    await ear.untilHeard(1)
    await server.kill()
    await expect(log.append('t', numbered(2))).rejects.toThrow()
    await expect(log.head('t')).rejects.toThrow()
    await expect(log.quietMs?.('t')).rejects.toThrow()
    await server.restart()
    const { epoch } = await log.append('t', numbered(3))
    await ear.untilHeard(2)
    expect(ear.values('t')).toEqual([1, 3])
    expect(ear.entries.every((entry) => entry.epoch === epoch)).toBe(true)
    expect(errors).toHaveLength(1)
  })

  it('keeps its connection out of the pool, and gives it back when nobody listens', async () => {
    const { log } = await start()
    const before = pool.totalCount - pool.idleCount
    const ear = listen(log)
    await log.head('t')
    expect(pool.totalCount - pool.idleCount).toBe(before + 1)
    ear.stop()
    await expect.poll(() => pool.totalCount - pool.idleCount).toBe(before)
  })
})
