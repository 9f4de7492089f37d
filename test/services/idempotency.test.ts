/** Answers that many nodes share, on real services; what a node that dies leaves behind. */
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { idempotent, type IdempotencyStore } from '../../src/server/index.ts'
import { postgresEventLog, postgresIdempotencyStore } from '../../src/server/logs/postgres.ts'
import { redisIdempotencyStore } from '../../src/server/logs/redis.ts'
import { idempotencyContract, type ContractNode } from '../../src/testing/index.ts'
import { RedisServer } from '../support/redis-server.ts'
import { embeddedDatabase, serverDatabase } from '../support/sql-databases.ts'

const nodeOf = (store: IdempotencyStore, close?: () => void): ContractNode => ({
  answer: (request, run) => idempotent(store, request, run),
  close,
})

const ask = { key: 'key', userId: 'ada', fingerprint: 'POST /tasks {}' }

describe('redisIdempotencyStore', () => {
  let redis: RedisServer
  let client: Redis
  let prefixes = 0
  beforeAll(async () => {
    redis = await RedisServer.start()
    client = new Redis(redis.connection)
  })
  afterAll(async () => {
    client.disconnect()
    await redis.remove()
  })

  const open = (prefix: string, options: { maxAgeMs?: number; claimMs?: number } = {}) => {
    const store = redisIdempotencyStore({ client, prefix, ...options })
    onTestFinished(() => store.close())
    return store
  }

  for (const run of [1, 2, 3]) {
    describe(`the contract, run ${run}`, () => {
      idempotencyContract(it, () => {
        const prefix = `answers-${++prefixes}`
        return [nodeOf(open(prefix)), nodeOf(open(prefix))]
      })
    })
  }

  it('lets another node write when the first has died', async () => {
    const [first, second] = [open('dies', { claimMs: 200 }), open('dies')]
    let begun = () => {}
    const isBegun = new Promise<void>((resolve) => (begun = resolve))
    void idempotent(first, ask, () => {
      begun()
      return new Promise<never>(() => {})
    })
    await isBegun
    first.close()
    expect(await idempotent(second, ask, () => ({ status: 201 }))).toEqual({ status: 201 })
  })

  it('renews the claim of a node that lives', async () => {
    const [first, second] = [open('lives', { claimMs: 1_500 }), open('lives')]
    let end = () => {}
    const ended = new Promise<void>((resolve) => (end = resolve))
    let begun = () => {}
    const isBegun = new Promise<void>((resolve) => (begun = resolve))
    const writing = idempotent(first, ask, async () => {
      begun()
      await ended
      return { status: 201 }
    })
    await isBegun
    // More than twice as long as a claim holds.
    const waiting = idempotent(second, { ...ask, waitMs: 4_000 }, () => ({ status: 200 }))
    expect((await waiting).status).toBe(409)
    end()
    expect((await writing).status).toBe(201)
  })

  it('keeps an answer for so long', async () => {
    const store = open('old', { maxAgeMs: 50 })
    await idempotent(store, ask, () => ({ status: 201 }))
    let answer = await idempotent(store, ask, () => ({ status: 202 }))
    while (answer.status === 201) answer = await idempotent(store, ask, () => ({ status: 202 }))
    expect(answer).toEqual({ status: 202 })
    expect(await client.pttl('old:answer:["ada","key"]')).toBeLessThanOrEqual(50)
  })

  it('keeps no answer of a node whose claim has lapsed and was taken over', async () => {
    const [first, second] = [open('slow', { claimMs: 100 }), open('slow')]
    let end = () => {}
    const ended = new Promise<void>((resolve) => (end = resolve))
    let begun = () => {}
    const isBegun = new Promise<void>((resolve) => (begun = resolve))
    const slow = idempotent(first, ask, async () => {
      begun()
      await ended
      return { status: 201, body: 'slow' }
    })
    await isBegun
    // What a node does that was frozen for too long: its claim was not renewed.
    await client.del('slow:answer:["ada","key"]')
    expect(await idempotent(second, ask, () => ({ status: 201, body: 'second' }))).toMatchObject({
      body: 'second',
    })
    end()
    await expect(slow).rejects.toThrow('claim lapsed')
    expect(await idempotent(first, ask, () => ({ status: 500 }))).toMatchObject({ body: 'second' })
  })
})

describe.each([embeddedDatabase(), serverDatabase()])('postgresIdempotencyStore on $name', (kind) => {
  beforeAll(() => kind.start())
  afterAll(() => kind.stop())
  let schemas = 0

  async function open(schema: string, options: { maxAgeMs?: number; claimMs?: number } = {}) {
    const database = kind.open()
    const store = postgresIdempotencyStore({ db: database.db, schema, ...options })
    onTestFinished(async () => {
      store.close()
      await database.close()
    })
    await store.migrate()
    return { ...database, store }
  }

  for (const run of [1, 2, 3]) {
    describe(`the contract, run ${run}`, () => {
      idempotencyContract(it, async () => {
        const schema = `answers_${++schemas}`
        return [nodeOf((await open(schema)).store), nodeOf((await open(schema)).store)]
      })
    })

    describe(`the contract in transactions of the app, run ${run}`, () => {
      idempotencyContract(it, async () => {
        const schema = `answers_${++schemas}`
        const node = async (): Promise<ContractNode> => {
          const { store, transaction } = await open(schema)
          return { answer: (request, write) => transaction((tx) => idempotent(store.in(tx), request, write)) }
        }
        return [await node(), await node()]
      })
    })
  }

  it('commits the write, its event and its answer together, or none of them', async () => {
    const { store, transaction, db } = await open(`answers_${++schemas}`)
    const log = postgresEventLog({ db, schema: `log_${schemas}` })
    onTestFinished(() => log.close())
    await log.migrate()
    await db.query(`create table written_${schemas} (n int)`)
    const write = (isCommitted: boolean) =>
      transaction(async (tx) => {
        const answer = await idempotent(store.in(tx), ask, async () => {
          await tx.query(`insert into written_${schemas} values (1)`)
          await log.appendIn(tx, 'topic', { type: 'written', json: '1' })
          return { status: 201 }
        })
        // What a transaction is whose node dies before the commit.
        if (!isCommitted) throw new Error('dead')
        return answer
      })
    await expect(write(false)).rejects.toThrow('dead')
    expect((await log.head('topic')).offset).toBe(0)
    expect(await write(true)).toEqual({ status: 201 })
    expect(await write(true)).toEqual({ status: 201 })
    expect((await log.head('topic')).offset).toBe(1)
    expect((await db.query(`select n from written_${schemas}`)).rows).toHaveLength(1)
  })

  it('tells why a write failed, also when its statement has spoilt the transaction', async () => {
    const { store, transaction } = await open(`answers_${++schemas}`)
    const failing = transaction((tx) =>
      idempotent(store.in(tx), ask, async () => {
        await tx.query('select no_such_column')
        return { status: 201 }
      }),
    )
    await expect(failing).rejects.toThrow('no_such_column')
  })

  it('lets another node write when the first has died', async () => {
    const schema = `answers_${++schemas}`
    const [first, second] = [(await open(schema, { claimMs: 200 })).store, (await open(schema)).store]
    let begun = () => {}
    const isBegun = new Promise<void>((resolve) => (begun = resolve))
    void idempotent(first, ask, () => {
      begun()
      return new Promise<never>(() => {})
    })
    await isBegun
    first.close()
    expect(await idempotent(second, ask, () => ({ status: 201 }))).toEqual({ status: 201 })
  })

  it('keeps an answer for so long, and deletes what is older', async () => {
    const schema = `answers_${++schemas}`
    const { store, db } = await open(schema, { maxAgeMs: 50, claimMs: 10 })
    for (const key of ['a', 'b', 'c']) await idempotent(store, { ...ask, key }, () => ({ status: 201 }))
    let answer = await idempotent(store, { ...ask, key: 'a' }, () => ({ status: 202 }))
    while (answer.status === 201)
      answer = await idempotent(store, { ...ask, key: 'a' }, () => ({ status: 202 }))
    await db.query(`update ${schema}.answers set at = at - interval '1 minute'`)
    expect(await store.trim()).toBe(3)
    expect((await db.query(`select id from ${schema}.answers`)).rows).toEqual([])
  })
})
