import fc from 'fast-check'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { postgresEventLog, type PostgresEventLog } from '../../../src/server/logs/postgres.ts'
import { openPool } from '../../support/postgres-pool.ts'
import { PostgresServer } from '../../support/postgres-server.ts'
import { listen, readAll } from './postgres-support.ts'

const WRITERS = 4
const TOPICS = ['a', 'b', 'c']

/** What a writer does next. Outside of a transaction each of them begins one, `append` aside. */
type Step =
  | { readonly act: 'append'; readonly topic: number }
  | { readonly act: 'append in'; readonly topic: number }
  | { readonly act: 'work' | 'commit' | 'roll back' | 'savepoint' | 'roll back to savepoint' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ act: fc.constant('append' as const), topic: fc.nat(2) }) },
  { weight: 6, arbitrary: fc.record({ act: fc.constant('append in' as const), topic: fc.nat(2) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constantFrom(
        'work' as const,
        'commit' as const,
        'commit' as const,
        'roll back' as const,
        'savepoint' as const,
        'roll back to savepoint' as const,
      ),
    }),
  },
)

/** Rounds: in each, the writers that are named do their next step at the same time. */
const script = fc.array(fc.dictionary(fc.constantFrom('0', '1', '2', '3'), step, { maxKeys: 3 }), {
  minLength: 5,
  maxLength: 30,
})

interface Written {
  readonly topic: string
  readonly n: number
  /** The round in which it was committed. */
  committedIn?: number
}

/** One connection, which has at most one transaction. */
class Writer {
  readonly #client: pg.PoolClient
  readonly #log: PostgresEventLog
  readonly #topicOf: (topic: number) => string
  readonly #next: () => number
  /** What has been committed, in this order within a round. */
  readonly committed: Written[] = []
  /** Of the open transaction; `undefined` outside of one. */
  #open: Written[] | undefined
  #savepoint: number | undefined

  constructor(
    client: pg.PoolClient,
    log: PostgresEventLog,
    run: { topicOf: (topic: number) => string; next: () => number },
  ) {
    this.#client = client
    this.#log = log
    this.#topicOf = run.topicOf
    this.#next = run.next
  }

  async do(step: Step, round: number): Promise<void> {
    if (step.act === 'append') {
      const written = { topic: this.#topicOf(step.topic), n: this.#next(), committedIn: round }
      await this.#log.append(written.topic, { type: 'n', json: String(written.n) })
      this.committed.push(written)
      return
    }
    if (!this.#open) {
      await this.#client.query('begin')
      this.#open = []
      this.#savepoint = undefined
    }
    switch (step.act) {
      case 'append in': {
        const written = { topic: this.#topicOf(step.topic), n: this.#next() }
        await this.#log.appendIn(this.#client, written.topic, { type: 'n', json: String(written.n) })
        this.#open.push(written)
        break
      }
      case 'work':
        await this.#client.query('insert into work values (1)')
        break
      case 'savepoint':
        await this.#client.query('savepoint here')
        this.#savepoint = this.#open.length
        break
      case 'roll back to savepoint':
        if (this.#savepoint === undefined) break
        await this.#client.query('rollback to savepoint here')
        this.#open.length = this.#savepoint
        break
      case 'roll back':
        await this.#client.query('rollback')
        this.#open = undefined
        break
      case 'commit':
        await this.commit(round)
    }
  }

  async commit(round: number): Promise<void> {
    if (!this.#open) return
    await this.#client.query('commit')
    for (const written of this.#open) this.committed.push({ ...written, committedIn: round })
    this.#open = undefined
  }
}

describe('writers at the same time', () => {
  let server: PostgresServer
  let pool: pg.Pool
  let log: PostgresEventLog
  let other: PostgresEventLog
  beforeAll(async () => {
    server = await PostgresServer.start()
    pool = openPool({ ...server.connection, max: 12 })
    log = postgresEventLog({ db: pool })
    other = postgresEventLog({ db: pool })
    await log.migrate()
    await pool.query('create table work (n int)')
  })
  afterAll(async () => {
    await log.close()
    await other.close()
    await pool.end()
    await server.remove()
  })

  it('lose nothing, and their events stand in the order of their commits', { timeout: 300_000 }, async () => {
    const ear = listen(other)
    await other.head('a')
    let runs = 0
    await fc.assert(
      fc.asyncProperty(script, async (rounds) => {
        const run = ++runs
        let n = 0
        const topicOf = (topic: number) => `${run}:${TOPICS[topic]}`
        const clients = await Promise.all(Array.from({ length: WRITERS }, () => pool.connect()))
        try {
          const writers = clients.map((client) => new Writer(client, log, { topicOf, next: () => ++n }))
          for (const [round, steps] of rounds.entries()) {
            await Promise.all(
              Object.entries(steps).map(async ([writer, step]) => writers[Number(writer)]?.do(step, round)),
            )
          }
          // Transactions that are open still: the longest of all.
          for (const [index, writer] of writers.entries()) await writer.commit(rounds.length + index)

          const committed = writers.flatMap((writer) => writer.committed)
          for (const name of TOPICS) {
            const topic = `${run}:${name}`
            const expected = committed.filter((written) => written.topic === topic)
            await ear.until(() => ear.offsets(topic).length >= expected.length)
            expect(ear.offsets(topic)).toEqual(expected.map((_, index) => index + 1))
            const told = ear.values(topic)
            expect(await readAll(log, topic)).toEqual(told)
            expect([...told].sort((one, two) => one - two)).toEqual(
              expected.map((written) => written.n).sort((one, two) => one - two),
            )
            const rounds = told.map((n) => expected.find((written) => written.n === n)?.committedIn)
            expect(rounds).toEqual([...rounds].sort((one, two) => Number(one) - Number(two)))
            for (const writer of writers) {
              const own = writer.committed.filter((written) => written.topic === topic)
              expect(told.filter((n) => own.some((written) => written.n === n))).toEqual(
                own.map((written) => written.n),
              )
            }
          }
          ear.entries.length = 0
        } finally {
          for (const client of clients) {
            await client.query('rollback')
            client.release()
          }
        }
      }),
      { numRuns: 500, seed: 20_261_123 },
    )
    expect(ear.missed).toBe(0)
    ear.stop()
  })

  it('wait for no transaction that is open, and its events come when it commits', async () => {
    const ear = listen(other)
    await other.head('long')
    const slow = await pool.connect()
    await slow.query('begin')
    await log.appendIn(slow, 'long', { type: 'n', json: '0' })
    for (let n = 1; n <= 300; n++) {
      if (n % 2) await log.append('long', { type: 'n', json: String(n) })
      else {
        const quick = await pool.connect()
        await quick.query('begin')
        await log.appendIn(quick, 'long', { type: 'n', json: String(n) })
        await quick.query('commit')
        quick.release()
      }
    }
    await ear.untilHeard(300)
    expect(ear.values('long')).toEqual(Array.from({ length: 300 }, (_, index) => index + 1))
    await slow.query('commit')
    slow.release()
    await ear.untilHeard(301)
    expect(ear.entries.at(-1)).toMatchObject({ event: { offset: 301, json: '0' } })
    expect(await readAll(log, 'long')).toEqual(ear.values('long'))
    ear.stop()
  })

  it('do not deadlock over topics that each takes in another order', async () => {
    await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        const client = await pool.connect()
        try {
          for (let round = 0; round < 20; round++) {
            await client.query('begin')
            const topics = ['p', 'q', 'r', 's']
            if (writer % 2) topics.reverse()
            for (const topic of topics) await log.appendIn(client, topic, { type: 'n', json: '1' })
            await client.query('commit')
          }
        } finally {
          client.release()
        }
      }),
    )
    expect(await log.position(['p', 'q', 'r', 's'])).toMatchObject({
      p: { offset: 160 },
      q: { offset: 160 },
      r: { offset: 160 },
      s: { offset: 160 },
    })
  })

  it('under REPEATABLE READ, fail with 40001 when the topic has moved on, and lose nothing', async () => {
    const client = await pool.connect()
    await client.query('begin isolation level repeatable read')
    await client.query('select 1 from work')
    await log.append('moved', { type: 'n', json: '1' })
    await log.appendIn(client, 'moved', { type: 'n', json: '2' })
    await expect(client.query('commit')).rejects.toMatchObject({ code: '40001' })
    client.release()
    expect(await readAll(log, 'moved')).toEqual([1])
  })
})
