/** What is kept, and how its loss is noticed: never a history with a hole that nobody knows of. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RedisServer } from '../../support/redis-server.ts'
import { FaultProxy } from '../../support/fault-proxy.ts'
import {
  appendNumbers,
  eventually,
  listen,
  newPrefix,
  numbered,
  numbersOf,
  openClient,
  openLog,
  range,
  startRedis,
} from './redis-support.ts'

describe('what redisEventLog keeps', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await RedisServer.start()
  })
  afterAll(() => redis.remove())

  it('forgets the oldest events of a topic beyond maxEventsPerTopic', async () => {
    const log = openLog(redis.port, { prefix: newPrefix(), maxEventsPerTopic: 3 })
    await appendNumbers(log, 't', 1, 5)
    const head = await log.head('t')
    expect(numbersOf(await log.read('t', { ...head, offset: 1 }, 10))).toBe('reset')
    expect(numbersOf(await log.read('t', { ...head, offset: 2 }, 10))).toEqual([3, 4, 5])
  })

  it('forgets events older than maxAgeMs, of a topic that goes on', async () => {
    const log = openLog(redis.port, { prefix: newPrefix(), maxAgeMs: 300 })
    await appendNumbers(log, 't', 1, 3)
    const head = await log.head('t')
    let last = 3
    await eventually(async () => {
      await log.append('t', numbered(++last))
      expect(numbersOf(await log.read('t', { ...head, offset: 2 }, 1_000))).toBe('reset')
    })
    // The young ones are there still, and the count goes on.
    expect(numbersOf(await log.read('t', { ...head, offset: last - 1 }, 10))).toEqual([last])
    expect(await log.head('t')).toEqual({ ...head, offset: last })
  })

  it('forgets events older than maxAgeMs, of a topic that is quiet, and goes on counting', async () => {
    const log = openLog(redis.port, { prefix: newPrefix(), maxAgeMs: 100 })
    await appendNumbers(log, 't', 1, 3)
    const head = await log.head('t')
    await eventually(async () => {
      expect(numbersOf(await log.read('t', { ...head, offset: 2 }, 10))).toBe('reset')
    })
    expect(numbersOf(await log.read('t', head, 10))).toEqual([])
    expect(await log.append('t', numbered(4))).toEqual({ ...head, offset: 4 })
    expect(numbersOf(await log.read('t', head, 10))).toEqual([4])
  })

  it('leaves nothing in Redis of what nobody uses any more', async () => {
    const prefix = newPrefix()
    const client = openClient(redis.port)
    const log = openLog(redis.port, { prefix, maxAgeMs: 100, topicTtlMs: 150 })
    await appendNumbers(log, 't', 1, 3)
    const lives = await Promise.all((await client.keys(`${prefix}:*`)).map((key) => client.pttl(key)))
    expect(lives.length).toBeGreaterThan(3)
    for (const life of lives) expect(life).toBeGreaterThan(0)
  })

  it('brings a topic that was forgotten back under another epoch', async () => {
    const log = openLog(redis.port, { prefix: newPrefix(), maxAgeMs: 50, topicTtlMs: 100 })
    await log.append('stays', numbered(1))
    const first = await log.append('t', numbered(1))
    await eventually(async () => {
      await log.append('stays', numbered(2))
      expect((await log.head('t')).offset).toBe(0)
    })
    for (const offset of [0, 1]) {
      expect(await log.read('t', { ...first, offset }, 10)).toMatchObject({ outcome: 'reset' })
    }
    expect((await log.append('t', numbered(2))).epoch).not.toBe(first.epoch)
  })

  it('lets the topics go that are longest without an event beyond maxTopics', async () => {
    const log = openLog(redis.port, { prefix: newPrefix(), maxTopics: 2 })
    const [a] = [await log.append('a', numbered(1)), await log.append('b', numbered(1))]
    await log.append('a', numbered(2))
    const b = await log.head('b')
    await log.append('c', numbered(1))
    await eventually(async () => {
      expect(numbersOf(await log.read('b', b, 10))).toBe('reset')
    })
    expect(numbersOf(await log.read('a', { ...a, offset: 0 }, 10))).toEqual([1, 2])
    expect((await log.append('b', numbered(2))).epoch).not.toBe(b.epoch)
    expect(log.errors).toEqual([])
  })

  it.each([
    ['the hash of a topic', (tag: string) => [`${tag}:t:t`]],
    ['the index of topics and the hash', (tag: string) => [`${tag}:t:t`, `${tag}:topics`]],
    ['everything of a topic', (tag: string) => [`${tag}:t:t`, `${tag}:s:t`]],
  ])('notices that %s was evicted by Redis', async (_, keys) => {
    const prefix = newPrefix()
    const client = openClient(redis.port)
    const log = openLog(redis.port, { prefix })
    await appendNumbers(log, 't', 1, 3)
    const head = await log.head('t')
    await client.del(...keys(`${prefix}:{${prefix}.0}`))
    for (const offset of range(0, 3)) {
      expect(numbersOf(await log.read('t', { ...head, offset }, 10))).toBe('reset')
    }
    const next = await log.append('t', numbered(4))
    expect(next.offset).toBe(1)
    expect(next.epoch).not.toBe(head.epoch)
  })

  it('notices that the events of a topic were evicted by Redis', async () => {
    const prefix = newPrefix()
    const log = openLog(redis.port, { prefix })
    await appendNumbers(log, 't', 1, 3)
    const head = await log.head('t')
    await openClient(redis.port).del(`${prefix}:{${prefix}.0}:s:t`)
    expect(numbersOf(await log.read('t', { ...head, offset: 1 }, 10))).toBe('reset')
    await log.append('t', numbered(4))
    expect(numbersOf(await log.read('t', { ...head, offset: 2 }, 10))).toBe('reset')
    expect(numbersOf(await log.read('t', head, 10))).toEqual([4])
  })

  it('notices FLUSHALL: another epoch, and whoever listens is told', async () => {
    const prefix = newPrefix()
    const log = openLog(redis.port, { prefix })
    const heard = await listen(log)
    await appendNumbers(log, 't', 1, 3)
    const head = await log.head('t')
    await eventually(() => {
      expect(heard.entries).toHaveLength(3)
    })
    await openClient(redis.port).flushall()
    expect(numbersOf(await log.read('t', { ...head, offset: 1 }, 10))).toBe('reset')
    await appendNumbers(log, 't', 4, 6)
    expect(numbersOf(await log.read('t', { ...head, offset: 2 }, 10))).toBe('reset')
    await eventually(() => {
      expect(heard.entries.map(({ event }) => Number(event.json))).toEqual(range(1, 6))
    })
    expect(heard.missed).toBe(1)
  })

  it('notices an old state that was loaded, by what the node has seen since', async () => {
    const prefix = newPrefix()
    const client = openClient(redis.port)
    const log = openLog(redis.port, { prefix })
    await appendNumbers(log, 't', 1, 3)
    const keys = await client.keys(`${prefix}:*`)
    const backup = await Promise.all(keys.map(async (key) => [key, await client.dumpBuffer(key)] as const))
    await appendNumbers(log, 't', 4, 5)
    const head = await log.head('t')
    await client.del(...keys)
    for (const [key, value] of backup) if (value) await client.restore(key, 0, value)
    const next = await log.append('t', numbered(6))
    // Offset 4 has been an event already; a client that has seen it must not take this one for it.
    expect(next.epoch).not.toBe(head.epoch)
    expect(numbersOf(await log.read('t', { ...head, offset: 3 }, 10))).toBe('reset')
  })

  it('keeps apart what has another prefix', async () => {
    const [one, other] = [newPrefix(), newPrefix()].map((prefix) => openLog(redis.port, { prefix }))
    await one!.append('t', numbered(1))
    expect((await other!.head('t')).offset).toBe(0)
  })
})

describe('redisEventLog and restarts of Redis', () => {
  it('goes on where it was after a kill, when Redis keeps an append-only file', async () => {
    const redis = await startRedis({ isDurable: true })
    const log = openLog(redis.port)
    const heard = await listen(log)
    await appendNumbers(log, 't', 1, 5)
    const head = await log.head('t')
    await redis.kill()
    await redis.restart()
    expect(numbersOf(await log.read('t', { ...head, offset: 2 }, 10))).toEqual([3, 4, 5])
    expect(await log.append('t', numbered(6))).toEqual({ ...head, offset: 6 })
    await eventually(() => {
      expect(heard.entries.map(({ event }) => event.offset)).toEqual(range(1, 6))
    })
    expect(heard.missed).toBe(0)
  })

  it('begins a new epoch after a restart that has kept nothing', async () => {
    const redis = await startRedis()
    const log = openLog(redis.port)
    const heard = await listen(log)
    await appendNumbers(log, 't', 1, 5)
    const head = await log.head('t')
    await redis.kill()
    await redis.restart()
    await appendNumbers(log, 't', 6, 15)
    // Longer than the old one was, so that every old offset exists in it.
    for (const offset of range(0, 5)) {
      expect(numbersOf(await log.read('t', { ...head, offset }, 100))).toBe('reset')
    }
    await eventually(() => {
      expect(heard.missed).toBe(1)
      expect(heard.entries.map(({ event }) => Number(event.json))).toEqual(range(1, 15))
    })
  })

  it('begins a new epoch after a restart from a snapshot, which is older than what was acknowledged', async () => {
    const redis = await startRedis()
    const client = openClient(redis.port)
    const old = openLog(redis.port)
    await appendNumbers(old, 't', 1, 3)
    await client.save()
    await appendNumbers(old, 't', 4, 5)
    const head = await old.head('t')
    await old.close()
    await redis.kill()
    await redis.restart()
    // A node that has seen nothing of it.
    const log = openLog(redis.port)
    await appendNumbers(log, 't', 6, 9)
    for (const offset of range(0, 5)) {
      expect(numbersOf(await log.read('t', { ...head, offset }, 100))).toBe('reset')
    }
  })

  it('begins a new epoch when a replica is promoted, which may lack what was acknowledged', async () => {
    const [primary, replica] = [await startRedis({ isDurable: true }), await startRedis({ isDurable: true })]
    const admin = openClient(replica.port)
    await admin.replicaof('127.0.0.1', primary.port)
    const proxy = await FaultProxy.start(primary.port)
    const log = openLog(proxy.port)
    await appendNumbers(log, 't', 1, 3)
    const head = await log.head('t')
    await eventually(async () => {
      expect(await admin.info('replication')).toMatch(/master_link_status:up/)
      expect(await admin.exists('rqb:{rqb.0}:s:t')).toBe(1)
    })
    await primary.kill()
    await admin.replicaof('NO', 'ONE')
    proxy.target = replica.port
    const next = await log.append('t', numbered(4))
    expect(next.epoch).not.toBe(head.epoch)
    expect(numbersOf(await log.read('t', { ...head, offset: 2 }, 10))).toBe('reset')
  })
})
