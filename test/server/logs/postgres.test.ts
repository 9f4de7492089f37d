import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { formatPositions, parsePositions } from '../../../src/core/protocol/position.ts'
import {
  postgresEventLog,
  postgresEventLogSchema,
  type PostgresEventLogOptions,
} from '../../../src/server/logs/postgres.ts'
import { eventLogContract } from '../../../src/testing/event-log-contract.ts'
import { noteOpenHandles } from '../../support/open-handles.ts'
import { embeddedDatabase, serverDatabase, type TestDatabase } from '../../support/sql-databases.ts'
import { listen, numbered, readAll, rowsOf } from './postgres-support.ts'

describe.each([embeddedDatabase(), serverDatabase()])('postgresEventLog on $name', (kind) => {
  beforeAll(() => kind.start())
  afterAll(() => kind.stop())
  const cleanUps: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0)) await cleanUp()
  })
  let schemas = 0

  const open = (): TestDatabase => {
    const database = kind.open()
    cleanUps.push(() => database.close())
    return database
  }

  const logOn = (database: TestDatabase, options: Partial<PostgresEventLogOptions> = {}) => {
    const log = postgresEventLog({ db: database.db, ...options })
    cleanUps.unshift(() => log.close())
    return log
  }

  /** A node over an empty log. */
  const start = async (options: Partial<PostgresEventLogOptions> = {}) => {
    const database = open()
    const schema = `log_${++schemas}`
    const log = logOn(database, { schema, ...options })
    await log.migrate()
    return { ...database, schema, log }
  }

  const append = async (log: ReturnType<typeof postgresEventLog>, topic: string, count: number) => {
    for (let n = 1; n <= count; n++) await log.append(topic, numbered(n))
  }

  for (const run of [1, 2, 3]) {
    describe(`the contract, run ${run}`, () => {
      eventLogContract(it, async (options) => {
        const { log, schema } = await start({ ...options, trimEveryMs: 10 })
        return [log, logOn(open(), { schema, ...options, trimEveryMs: 10 })]
      })
    })
  }

  describe('in the transaction of the app', () => {
    it('appends what commits, and nothing of what rolls back', async () => {
      const { log, transaction, db, schema } = await start()
      const ear = listen(log)
      await log.head('t')
      await db.query(`create table ${schema}.rows (n int)`, [])
      const write = (n: number, thenFail: boolean) =>
        transaction(async (tx) => {
          await tx.query(`insert into ${schema}.rows values ($1::int)`, [n])
          await log.appendIn(tx, 't', numbered(n))
          if (thenFail) throw new Error('changed its mind')
        })
      await write(1, false)
      await expect(write(2, true)).rejects.toThrow('changed its mind')
      await write(3, false)
      await ear.untilHeard(2)
      expect(ear.values('t')).toEqual([1, 3])
      expect(ear.offsets('t')).toEqual([1, 2])
      expect(await readAll(log, 't')).toEqual([1, 3])
      expect(await rowsOf(db, `select n from ${schema}.rows order by n`)).toEqual([{ n: 1 }, { n: 3 }])
    })

    it('keeps the order of the appends of one transaction, over many topics', async () => {
      const { log, transaction } = await start()
      await transaction(async (tx) => {
        for (let n = 0; n < 30; n++) await log.appendIn(tx, `t${n % 3}`, numbered(n))
      })
      expect(await readAll(log, 't1')).toEqual([1, 4, 7, 10, 13, 16, 19, 22, 25, 28])
    })

    it('leaves out what a savepoint takes back', async () => {
      const { log, transaction } = await start()
      await transaction(async (tx) => {
        await log.appendIn(tx, 't', numbered(1))
        await tx.query('savepoint here')
        await log.appendIn(tx, 't', numbered(2))
        await tx.query('rollback to savepoint here')
        await log.appendIn(tx, 't', numbered(3))
      })
      expect(await readAll(log, 't')).toEqual([1, 3])
    })

    it('states positions that belong to the snapshot of the transaction', async () => {
      const { log, transaction, db, schema } = await start()
      await db.query(`create table ${schema}.rows (n int)`, [])
      await append(log, 't', 2)
      await transaction(async (tx) => {
        await log.appendIn(tx, 't', numbered(3))
        await tx.query(`insert into ${schema}.rows values (3)`)
      })
      const seen = await transaction(async (tx) => {
        const rows = await rowsOf(tx, `select n from ${schema}.rows`)
        if (kind.name === 'PostgreSQL') await log.append('t', numbered(4)) // by another connection
        return { rows, positions: await log.position(['t', 'empty', '__proto__'], tx) }
      }, 'repeatable read')
      expect(seen.rows).toEqual([{ n: 3 }])
      const { epoch } = await log.head('t')
      expect(Object.entries(seen.positions).sort()).toEqual([
        ['__proto__', { epoch, offset: 0 }],
        ['empty', { epoch, offset: 0 }],
        ['t', { epoch, offset: 3 }],
      ])
      expect(parsePositions(formatPositions(seen.positions))['t']).toEqual({ epoch, offset: 3 })
    })

    it('states a position that has the events of the transaction itself', async () => {
      const { log, transaction } = await start()
      await append(log, 't', 2)
      const stated = await transaction(async (tx) => {
        await log.appendIn(tx, 't', numbered(3))
        const { t } = await log.position(['t'], tx)
        await log.appendIn(tx, 't', numbered(4))
        return [t, (await log.position(['t'], tx))['t']]
      })
      const { epoch } = await log.head('t')
      expect(stated).toEqual([
        { epoch, offset: 3 },
        { epoch, offset: 4 },
      ])
      expect(await readAll(log, 't')).toEqual([1, 2, 3, 4])
    })

    it('commits synchronously, also where the app does not', async () => {
      const { log, transaction } = await start()
      const setting = await transaction(async (tx) => {
        await tx.query('set local synchronous_commit = off')
        await log.appendIn(tx, 't', numbered(1))
        await tx.query('set constraints all immediate')
        return rowsOf(tx, `select current_setting('synchronous_commit') as value`)
      })
      expect(setting).toEqual([{ value: 'local' }])
    })
  })

  it('stores hostile names as they are, and runs nothing of them', async () => {
    const { log, db, schema } = await start()
    const names = [`'; drop schema ${schema} cascade; --`, '$1', '%s', '\\', `"${schema}"`, '\u2028']
    for (const name of names) await log.append(name, { type: name, json: '1', mutationId: name })
    const rows = await rowsOf(
      db,
      `select topic, type, mutation_id as "mutationId" from ${schema}.events order by seq`,
    )
    expect(rows).toEqual(names.map((name) => ({ topic: name, type: name, mutationId: name })))
    // Only what PostgreSQL cannot hold is written otherwise, and no two names become one.
    for (const name of ['\0', '\ud800', '\u0010', '\u00100000']) await log.append(name, numbered(1))
    expect(await log.position(['\0', '\ud800', '\ud801', '\u0010', '\u00100000'])).toMatchObject({
      '\0': { offset: 1 },
      '\ud800': { offset: 1 },
      '\ud801': { offset: 0 },
      '\u0010': { offset: 1 },
      '\u00100000': { offset: 1 },
    })
  })

  describe('retention', () => {
    const eventCount = async (db: TestDatabase['db'], schema: string) =>
      (await rowsOf<{ n: number }>(db, `select count(*)::int as n from ${schema}.events`))[0]?.n

    it('deletes what is above maxEventsPerTopic and keeps counting', async () => {
      const { log, db, schema } = await start({ maxEventsPerTopic: 3 })
      await append(log, 'busy', 10)
      await append(log, 'calm', 2)
      const { epoch } = await log.head('busy')
      expect(await log.trim()).toBe(7)
      expect(await log.trim()).toBe(0)
      expect(await eventCount(db, schema)).toBe(5)
      expect(await log.read('busy', { epoch, offset: 6 }, 10)).toMatchObject({ outcome: 'reset' })
      expect(await log.read('busy', { epoch, offset: 7 }, 10)).toMatchObject({
        events: [{ offset: 8 }, { offset: 9 }, { offset: 10 }],
      })
      expect(await log.append('busy', numbered(11))).toEqual({ epoch, offset: 11 })
    })

    it('deletes what is older than maxAgeMs, a bounded number at a time', async () => {
      const { log, db, schema } = await start({ maxAgeMs: 60_000 })
      await db.query(
        `insert into ${schema}.events (topic, base, generation, "offset", at, type, json)
         select 'old', ${schema}.base(), 0, n, now() - interval '1 hour', 'n', '1' from generate_series(1, 12000) n`,
        [],
      )
      await append(log, 'new', 2)
      const deletes: number[] = []
      for (let deleted = 1; deleted > 0; deletes.push(deleted)) {
        const [row] = await rowsOf<{ n: number }>(
          db,
          `select ${schema}.trim(null, 1000, 60000, 5000)::int as n`,
        )
        deleted = row?.n ?? 0
      }
      expect(deletes).toEqual([5_000, 5_000, 2_000, 0])
      expect(await readAll(log, 'new')).toEqual([1, 2])
    })

    it('trims by itself while somebody listens', async () => {
      const { log, db, schema } = await start({ maxEventsPerTopic: 3, trimEveryMs: 5 })
      const ear = listen(log)
      await log.head('t')
      await append(log, 't', 20)
      await ear.until(() => ear.entries.at(-1)?.event.offset === 20)
      await expect.poll(() => eventCount(db, schema)).toBe(3)
    })

    it('forgets a topic that was quiet for long, and brings it back in a new epoch', async () => {
      const { log, db, schema } = await start({ maxAgeMs: 1 })
      await append(log, 'gone', 3)
      await append(log, 'stays', 3)
      const [gone, stays] = [await log.head('gone'), await log.head('stays')]
      await db.query(`delete from ${schema}.events`, [])
      await db.query(
        `update ${schema}.topics set changed_at = now() - interval '2 days' where topic = 'gone'`,
        [],
      )
      await db.query(`select ${schema}.forget(86400000, 100)`, [])
      expect(await log.head('stays')).toEqual(stays)
      const back = await log.head('gone')
      expect(back.offset).toBe(0)
      expect(back.epoch).not.toBe(gone.epoch)
      expect(await log.append('gone', numbered(1))).toEqual({ epoch: back.epoch, offset: 1 })
      expect(await log.read('gone', gone, 10)).toMatchObject({ outcome: 'reset' })
    })
  })

  describe('the history', () => {
    it('outlives the node', async () => {
      const { log, schema } = await start()
      await append(log, 't', 3)
      const head = await log.head('t')
      await log.close()
      const next = logOn(open(), { schema })
      await next.migrate()
      expect(await next.head('t')).toEqual(head)
    })

    it('has another epoch when the schema was made anew, and listeners are told that they have missed events', async () => {
      const { log, db, schema } = await start({ pollMs: 20, onError: () => {} })
      await append(log, 't', 3)
      const before = await log.head('t')
      const ear = listen(log)
      await log.head('t')
      await db.query(`drop schema ${schema} cascade`, [])
      await db.query(postgresEventLogSchema(schema), [])
      await ear.untilMissed()
      const after = await log.append('t', numbered(1))
      expect(after.offset).toBe(1)
      expect(after.epoch).not.toBe(before.epoch)
      expect(await log.read('t', before, 10)).toMatchObject({ outcome: 'reset' })
      await ear.untilHeard(1)
      expect(ear.entries[0]).toMatchObject({ epoch: after.epoch, event: { offset: 1 } })
    })

    it('has another epoch when the tables were copied: their events belong to the old one', async () => {
      const { log, db, schema } = await start()
      await append(log, 't', 3)
      const before = await log.head('t')
      // What a dump does that is restored: the rows are the same, the table is another one.
      await db.query(`create table ${schema}.copy (like ${schema}.meta including all)`, [])
      await db.query(`insert into ${schema}.copy select * from ${schema}.meta`, [])
      await db.query(`drop table ${schema}.meta`, [])
      await db.query(`alter table ${schema}.copy rename to meta`, [])
      const after = await log.head('t')
      expect(after.offset).toBe(0)
      expect(after.epoch).not.toBe(before.epoch)
      expect(await log.append('t', numbered(1))).toEqual({ epoch: after.epoch, offset: 1 })
      expect(await log.trim()).toBe(3)
      expect(await readAll(log, 't')).toEqual([1])
    })

    it('goes on under another epoch when a node sees that it was set back', async () => {
      const { log, db, schema } = await start({ pollMs: 20 })
      const ear = listen(log)
      await log.head('t')
      await append(log, 't', 5)
      await ear.untilHeard(5)
      const before = await log.head('t')
      // A disk that was set back: what was told is gone, and nothing else tells of it.
      await db.query(`delete from ${schema}.events where "offset" > 3`, [])
      await db.query(`update ${schema}.topics set head = 3`, [])
      await log.append('t', numbered(4))
      await ear.untilMissed()
      expect((await log.head('t')).epoch).not.toBe(before.epoch)
    })
  })

  describe('a node', () => {
    it('hears others by polling alone', async () => {
      const { log, schema } = await start({ notify: false })
      const other = logOn(open(), { schema, notify: false, pollMs: 10 })
      const ear = listen(other)
      await other.head('t')
      await append(log, 't', 3)
      await ear.untilHeard(3)
      expect(ear.values('t')).toEqual([1, 2, 3])
    })

    it('is woken: a poll that is an hour away is not waited for', async () => {
      const { log, schema, transaction } = await start({ pollMs: 3_600_000 })
      const other = logOn(open(), { schema, pollMs: 3_600_000 })
      const ear = listen(other)
      await other.head('t')
      await log.append('t', numbered(1))
      await transaction((tx) => log.appendIn(tx, 't', numbered(2)))
      await ear.untilHeard(2)
      expect(ear.values('t')).toEqual([1, 2])
    })

    it('says that it has missed events rather than tell of very many', async () => {
      const { log, db, schema } = await start({ notify: false, pollMs: 3_600_000 })
      const ear = listen(log)
      await log.head('t')
      const startMs = Date.now()
      await db.query(
        `with head as (
           insert into ${schema}.topics values ('t', ${schema}.base(), 0, 20000, now())
         )
         insert into ${schema}.events (topic, base, generation, "offset", type, json)
         select 't', ${schema}.base(), 0, n, 'n', '1' from generate_series(1, 20000) n`,
        [],
      )
      expect(await log.quietMs?.('t')).toBeLessThanOrEqual(Date.now() - startMs)
      expect(ear.missed).toBe(1)
      expect(ear.entries.length).toBeLessThan(20_000)
      const heard = ear.entries.length
      await log.append('t', numbered(2))
      await ear.untilHeard(heard + 1)
      expect(ear.entries.at(-1)?.event.offset).toBe(20_001)
    })

    it('tells page after page what is more than one', async () => {
      const { log, db, schema } = await start({ notify: false, pollMs: 3_600_000 })
      const ear = listen(log)
      await log.head('t')
      await db.query(
        `insert into ${schema}.events (topic, base, generation, "offset", type, json)
         select 't' || n % 3, ${schema}.base(), 0, n / 3 + 1, 'n', n::text from generate_series(0, 1199) n`,
        [],
      )
      await log.quietMs?.('t0')
      expect(ear.entries.length).toBe(1_200)
      for (const topic of ['t0', 't1', 't2']) {
        expect(ear.offsets(topic)).toEqual(Array.from({ length: 400 }, (_, index) => index + 1))
      }
      await log.quietMs?.('t0')
      expect(ear.entries.length).toBe(1_200)
    })

    it('knows for how long a topic has been quiet', async () => {
      let now = 1_000
      const after = (delayMs: number, run: () => void) => {
        const timer = setTimeout(run, delayMs)
        return () => {
          clearTimeout(timer)
        }
      }
      const { log } = await start({ platform: { clock: { now: () => now, after } } })
      expect(await log.quietMs?.('t')).toBe(0) // nobody listens, so it does not know
      const ear = listen(log)
      await log.head('t')
      now = 1_500
      expect(await log.quietMs?.('t')).toBe(500)
      await log.append('t', numbered(1))
      await ear.untilHeard(1)
      now = 1_700
      expect(await log.quietMs?.('t')).toBe(200)
      expect(await log.quietMs?.('other')).toBe(700)
    })

    it('leaves nothing when it is closed', async () => {
      const database = kind.open()
      const schema = `log_${++schemas}`
      const log = postgresEventLog({ db: database.db, schema })
      await log.migrate()
      const isAsBefore = kind.name === 'PGlite' ? await noteOpenHandles() : undefined
      const ear = listen(log)
      await log.head('t')
      await log.append('t', numbered(1))
      await ear.untilHeard(1)
      await log.close()
      if (isAsBefore) await isAsBefore()
      else {
        const backends = await rowsOf<{ n: number }>(
          database.db,
          `select count(*)::int as n from pg_stat_activity where query like '%listen "${schema}"%' and pid <> pg_backend_pid()`,
        )
        expect(backends).toEqual([{ n: 0 }])
      }
      await expect(log.append('t', numbered(2))).rejects.toThrow('closed')
      await expect(log.quietMs?.('t')).rejects.toThrow('closed')
      await database.close()
    })
  })

  describe('setting up', () => {
    it('is safe for many nodes at once, and when all is there', async () => {
      const schema = `log_${++schemas}`
      const logs = Array.from({ length: 4 }, () => logOn(open(), { schema }))
      await Promise.all(logs.map((log) => log.migrate()))
      await Promise.all(logs.map((log) => log.append('t', numbered(1))))
      await Promise.all(logs.map((log) => log.migrate()))
      expect((await logs[0]?.head('t'))?.offset).toBe(4)
    })

    it('is asked for by name when it is missing', async () => {
      const log = logOn(open(), { schema: 'nowhere', onError: () => {} })
      const message = 'Run log.migrate() once'
      await expect(log.append('t', numbered(1))).rejects.toThrow(message)
      await expect(log.head('t')).rejects.toThrow(message)
      await expect(log.position(['t'])).rejects.toThrow(message)
      await expect(log.trim()).rejects.toThrow(message)
      expect(await log.position([])).toEqual({})
    })

    it.each(['', 'A', 'a b', 'a"; --', '1a', 'a'.repeat(41)])('refuses the schema name %j', (schema) => {
      expect(() => postgresEventLog({ db: open().db, schema })).toThrow('1 to 40 lower-case letters')
      expect(() => postgresEventLogSchema(schema)).toThrow('1 to 40 lower-case letters')
    })

    it.each(['maxEventsPerTopic', 'maxAgeMs', 'forgetTopicsAfterMs', 'pollMs', 'timeoutMs'])(
      'refuses %s = 0',
      (name) => {
        expect(() => postgresEventLog({ db: open().db, [name]: 0 })).toThrow(`${name} of postgresEventLog`)
      },
    )

    it('refuses what is no database', () => {
      expect(() => postgresEventLog({ db: {} as TestDatabase['db'] })).toThrow('needs a database')
    })
  })
})
