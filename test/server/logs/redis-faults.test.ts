/** Connections to Redis that break, hang and come back. */
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { redisEventLog } from '../../../src/server/logs/redis.ts'
import { FaultProxy } from '../../support/fault-proxy.ts'
import { RedisServer } from '../../support/redis-server.ts'
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

describe('redisEventLog on a bad network', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await RedisServer.start()
  })
  afterAll(() => redis.remove())

  /** A node behind a proxy, and one that is well. */
  async function openNodes(options: { timeoutMs?: number; feedMaxEvents?: number } = {}) {
    const proxy = await FaultProxy.start(redis.port)
    const prefix = newPrefix()
    const far = openLog(proxy.port, { prefix, ...options })
    const near = openLog(redis.port, { prefix, ...options })
    return { proxy, far, near, prefix }
  }

  it('appends once when the connection breaks between the append and its answer', async () => {
    const { proxy, far, near } = await openNodes()
    const start = await near.head('t')
    await far.append('t', numbered(1))
    for (const n of range(2, 21)) {
      proxy.cutAfter(0, n % 2 ? 'RST' : 'FIN')
      expect(await far.append('t', numbered(n))).toEqual({ ...start, offset: n })
    }
    expect(proxy.cuts).toBe(20)
    expect(numbersOf(await near.read('t', start, 100))).toEqual(range(1, 21))
  })

  it('appends many at a time once each, while connections break', async () => {
    const { proxy, far, near } = await openNodes({ timeoutMs: 20_000 })
    const start = await near.head('t')
    const heard = await listen(far)
    // More than a handshake, less than all the answers.
    proxy.onLink = () => {
      proxy.cutAfter(12_000, 'RST')
    }
    proxy.cutAfter(2_000, 'RST')
    const positions = await Promise.all(range(1, 400).map((n) => far.append('t', numbered(n))))
    proxy.onLink = () => {}
    proxy.cancelCut()
    const read = await near.read('t', start, 1_000)
    const numbers = numbersOf(read)
    expect(numbers).toHaveLength(400)
    for (const [index, { offset }] of positions.entries()) expect(numbers[offset - 1]).toBe(index + 1)
    await eventually(() => expect(heard.entries).toHaveLength(400))
    expect(heard.entries.map(({ event }) => event.offset)).toEqual(range(1, 400))
    expect(heard.missed).toBe(0)
    // How many links it takes depends on how many answers share a packet.
    expect(proxy.cuts).toBeGreaterThan(0)
  })

  it('refuses a try that was held up on its way when it comes after the next one', async () => {
    const { proxy, far, near } = await openNodes({ timeoutMs: 2_000 })
    const start = await near.head('t')
    await far.append('t', numbered(1))
    proxy.stall()
    // The first try is stuck in the stalled connection; the second goes over a new one.
    expect(await far.append('t', numbered(2))).toEqual({ ...start, offset: 2 })
    proxy.resume()
    await near.append('t', numbered(3))
    // The stalled one is through; the app's own and the new one are left.
    await eventually(() => expect(proxy.live).toBe(2))
    expect(numbersOf(await near.read('t', start, 100))).toEqual([1, 2, 3])
  })

  it('hears what it has missed when a hanging connection is replaced', async () => {
    const { proxy, far, near } = await openNodes({ timeoutMs: 500 })
    const heard = await listen(far)
    await near.append('t', numbered(1))
    await eventually(() => expect(heard.entries).toHaveLength(1))
    proxy.stall()
    await appendNumbers(near, 't', 2, 5)
    await eventually(() => expect(heard.entries.map(({ event }) => event.offset)).toEqual(range(1, 5)))
    expect(heard.missed).toBe(0)
  })

  it('says that it has missed something when the feed does not reach back so far', async () => {
    const { proxy, far, near } = await openNodes({ timeoutMs: 500, feedMaxEvents: 50 })
    const heard = await listen(far)
    await near.append('t', numbered(1))
    await eventually(() => expect(heard.entries).toHaveLength(1))
    proxy.down()
    // Redis trims the feed in chunks of 100.
    await appendNumbers(near, 't', 2, 400)
    proxy.up()
    await eventually(() => expect(heard.entries.at(-1)?.event.offset).toBe(400))
    expect(heard.missed).toBe(1)
    await near.append('t', numbered(401))
    await eventually(() => expect(heard.entries.at(-1)?.event.offset).toBe(401))
    expect(heard.missed).toBe(1)
  })

  it('says that it has missed something when the feed is gone, though nothing follows', async () => {
    const { proxy, far, near, prefix } = await openNodes({ timeoutMs: 500 })
    const heard = await listen(far)
    proxy.down()
    await near.append('t', numbered(1))
    await openClient(redis.port).del(`${prefix}:{${prefix}.0}:feed`)
    proxy.up()
    await eventually(() => expect(heard.missed).toBe(1))
    expect(heard.entries).toEqual([])
  })

  it('gives up in time, tells of an outage once, and is well afterwards', async () => {
    const { proxy, far } = await openNodes({ timeoutMs: 300 })
    await listen(far)
    await far.append('t', numbered(1))
    proxy.down()
    for (const call of [
      () => far.append('t', numbered(2)),
      () => far.read('t', { epoch: 'e', offset: 0 }, 1),
      () => far.head('t'),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'log-failed' })
    }
    // One for the connection that writes and reads, one for the one that listens.
    expect(far.errors.map(({ code }) => code)).toEqual(['log-failed', 'log-failed'])
    proxy.up()
    await eventually(async () => expect((await far.append('t', numbered(3))).offset).toBe(2))
  })

  it('refuses more calls than it can remember during an outage', async () => {
    const { proxy, far } = await openNodes({ timeoutMs: 1_000 })
    await far.append('t', numbered(1))
    proxy.down()
    const calls = range(1, 10_050).map((n) => far.append('t', numbered(n)))
    const results = await Promise.allSettled(calls)
    const refused = results.filter(
      (result) => result.status === 'rejected' && String(result.reason).includes('More than 10000 calls'),
    )
    expect(refused).toHaveLength(50)
    expect(results.every(({ status }) => status === 'rejected')).toBe(true)
  })

  it('rejects what waits when it is closed', async () => {
    const { proxy, far } = await openNodes({ timeoutMs: 1_000_000 })
    await listen(far)
    proxy.stall()
    const waiting = [far.append('t', numbered(1)), far.head('t'), far.read('t', { epoch: 'e', offset: 0 }, 1)]
    await far.close()
    for (const { status } of await Promise.allSettled(waiting)) expect(status).toBe('rejected')
  })

  it('lets a read wait for a Redis that is not there yet', async () => {
    const { proxy, far, near } = await openNodes()
    await near.append('t', numbered(1))
    proxy.down()
    far.subscribe(() => {})
    const head = far.head('t')
    proxy.up()
    expect((await head).offset).toBe(1)
  })
})

describe('redisEventLog and the Redis behind it', () => {
  it('appends once each while Redis is killed and comes back', async () => {
    const redis = await startRedis({ isDurable: true })
    const nodes = [openLog(redis.port, { timeoutMs: 20_000 }), openLog(redis.port, { timeoutMs: 20_000 })]
    const start = await nodes[0]!.head('a')
    const heard = await Promise.all(nodes.map((node) => listen(node)))
    let isDone = false
    const topics = ['a', 'b', 'c']
    const acked = new Map(topics.map((topic) => [topic, new Map<number, string>()]))
    const writers = range(1, 24).map(async (writer) => {
      for (let n = 0; !isDone; n++) {
        const topic = topics[writer % 3]!
        const json = JSON.stringify(`${writer}.${n}`)
        const { epoch, offset } = await nodes[writer % 2]!.append(topic, { type: 'n', json })
        expect(epoch).toBe(start.epoch)
        acked.get(topic)!.set(offset, json)
      }
    })
    const total = () => [...acked.values()].reduce((sum, { size }) => sum + size, 0)
    for (let kill = 1; kill <= 3; kill++) {
      const before = total()
      await eventually(() => expect(total()).toBeGreaterThan(before + 100))
      await redis.kill()
      await redis.restart()
    }
    isDone = true
    await Promise.all(writers)
    for (const topic of topics) {
      const wanted = acked.get(topic)!
      const head = await nodes[0]!.head(topic)
      // Everything that was appended was acknowledged, so nothing is there twice.
      expect(wanted.size).toBe(head.offset)
      for (const { entries, missed } of heard) {
        const own = () => entries.filter((entry) => entry.topic === topic)
        await eventually(() => expect(own()).toHaveLength(head.offset))
        expect(own().map(({ event }) => [event.offset, event.json])).toEqual(
          range(1, head.offset).map((offset) => [offset, wanted.get(offset)]),
        )
        expect(missed).toBe(0)
      }
    }
  })

  it('waits for a Redis that hangs, and appends once', async () => {
    const redis = await startRedis()
    const log = openLog(redis.port, { timeoutMs: 10_000 })
    const start = await log.head('t')
    await log.append('t', numbered(1))
    redis.freeze()
    const appending = log.append('t', numbered(2))
    // A call of another client that waits as well: the one above is on its way by now.
    const asked = openClient(redis.port).ping()
    redis.thaw()
    await asked
    await appending
    expect(numbersOf(await log.read('t', start, 10))).toEqual([1, 2])
  })

  it('rejects at once what Redis has no room for, and takes the next when there is', async () => {
    const redis = await startRedis({ settings: { maxmemory: '3mb', 'maxmemory-policy': 'noeviction' } })
    const log = openLog(redis.port)
    const client = openClient(redis.port)
    const start = await log.append('t', numbered(1))
    await client.set('filler', 'x'.repeat(200_000))
    await client.config('SET', 'maxmemory', '1mb')
    await expect(log.append('t', numbered(2))).rejects.toMatchObject({
      code: 'log-failed',
      cause: { message: expect.stringMatching(/^OOM/) as string },
    })
    await client.config('SET', 'maxmemory', '0')
    expect(await log.append('t', numbered(3))).toEqual({ ...start, offset: 2 })
  })

  it("uses the app's options, and leaves its client alone", async () => {
    const redis = await startRedis({ settings: { requirepass: 'secret' } })
    const client = new Redis({
      ...redis.connection,
      password: 'secret',
      db: 3,
      keyPrefix: 'app:',
      commandTimeout: 50,
    })
    onTestFinished(() => client.disconnect())
    const log = redisEventLog({ client })
    const heard = await listen(log)
    await log.append('t', numbered(1))
    await eventually(() => expect(heard.entries).toHaveLength(1))
    const keys = await client.keys('*')
    expect(keys.length).toBeGreaterThan(3)
    expect(keys.every((key) => key.startsWith('app:rqb:{rqb.0}:'))).toBe(true)
    await log.close()
    expect(await client.ping()).toBe('PONG')
    // Ours have ended: the app's is the only one left.
    await eventually(async () => {
      expect(
        String(await client.client('LIST'))
          .trim()
          .split('\n'),
      ).toHaveLength(1)
    })
  })

  it('works with clients that connect late, queue nothing and pipeline by themselves', async () => {
    const redis = await startRedis()
    const client = new Redis({
      ...redis.connection,
      lazyConnect: true,
      enableOfflineQueue: false,
      enableAutoPipelining: true,
      enableReadyCheck: false,
    })
    onTestFinished(() => client.disconnect())
    const log = redisEventLog({ client })
    onTestFinished(() => log.close())
    expect((await log.append('t', numbered(1))).offset).toBe(1)
  })

  it('refuses options that cannot be meant', () => {
    const client = { isCluster: false, duplicate: () => undefined }
    const withOptions = (options: object) => () => redisEventLog({ client, ...options })
    expect(withOptions({ client: {} })).toThrow('client must be an ioredis client')
    expect(withOptions({ prefix: 'a{b}' })).toThrow('without braces')
    expect(withOptions({ prefix: '' })).toThrow('prefix')
    for (const name of [
      'maxEventsPerTopic',
      'maxAgeMs',
      'maxTopics',
      'feedMaxEvents',
      'topicTtlMs',
      'shards',
      'timeoutMs',
    ]) {
      for (const value of [0, -1, 1.5, Number.NaN]) {
        expect(withOptions({ [name]: value })).toThrow(
          `${name} of redisEventLog must be a whole number above 0`,
        )
      }
    }
  })
})
