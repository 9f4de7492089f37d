/** `redisEventLog` on a Redis Cluster of three primaries: every key of a shard must live on one of them. */
import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { redisEventLog } from '../../../src/server/logs/redis.ts'
import { eventLogContract } from '../../../src/testing/event-log-contract.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { eventually, listen, newPrefix, numbersOf, range } from './redis-support.ts'

const SLOTS = 16_384

describe('redisEventLog on a Redis Cluster', () => {
  let servers: RedisServer[]
  let cluster: Cluster

  beforeAll(async () => {
    const settings = { 'cluster-enabled': 'yes', 'cluster-node-timeout': '2000' }
    servers = await Promise.all(range(1, 3).map(() => RedisServer.start({ isDurable: true, settings })))
    const share = Math.ceil(SLOTS / servers.length)
    for (const [index, { port }] of servers.entries()) {
      const first = index * share
      const slots = range(first, Math.min(first + share, SLOTS) - 1)
      const { host, ...one } = servers[0]!.connection
      await withClient(port, async (client) => {
        await client.cluster('ADDSLOTS', ...slots)
        await client.cluster('MEET', host, one.port)
      })
    }
    await withClient(servers[0]!.port, (client) =>
      eventually(async () => {
        expect(await client.cluster('INFO')).toMatch(/cluster_state:ok[^]*cluster_known_nodes:3/)
      }),
    )
    cluster = new Cluster(servers.map(({ connection }) => connection))
  })
  afterAll(async () => {
    cluster.disconnect()
    await Promise.all(servers.map((server) => server.remove()))
  })

  describe.each([1, 5])('with %d shards', (shards) => {
    eventLogContract(it, (options) => {
      const prefix = newPrefix()
      const open = () => redisEventLog({ client: cluster, prefix, shards, ...options })
      return [open(), open()]
    })
  })

  it('spreads shards over the nodes', async () => {
    const prefix = newPrefix()
    const log = redisEventLog({ client: cluster, prefix, shards: 12 })
    for (const n of range(1, 60)) await log.append(`topic ${n}`, { type: 'n', json: '1' })
    for (const { port } of servers) {
      await withClient(port, async (client) => {
        expect((await client.keys(`${prefix}:*:s:*`)).length).toBeGreaterThan(0)
      })
    }
    await log.close()
  })

  it('appends once each while a node is killed and comes back', async () => {
    const prefix = newPrefix()
    const errors: Error[] = []
    const options = { client: cluster, prefix, shards: 6, timeoutMs: 30_000 }
    const log = redisEventLog({ ...options, onError: (error) => errors.push(error) })
    const heard = await listen(log)
    const topics = range(1, 12).map((n) => `t${n}`)
    let isDone = false
    let acked = 0
    const writers = topics.map(async (topic) => {
      for (let n = 1; !isDone; n++) {
        const { offset } = await log.append(topic, { type: 'n', json: String(n) })
        expect(offset).toBe(n)
        acked++
      }
    })
    for (const victim of [servers[1]!, servers[2]!]) {
      const before = acked
      await eventually(() => expect(acked).toBeGreaterThan(before + 100))
      await victim.kill()
      await victim.restart()
    }
    isDone = true
    await Promise.all(writers)
    for (const topic of topics) {
      const head = await log.head(topic)
      expect(numbersOf(await log.read(topic, { ...head, offset: 0 }, 100_000))).toEqual(range(1, head.offset))
      const own = () => heard.entries.filter((entry) => entry.topic === topic)
      await eventually(() => expect(own()).toHaveLength(head.offset))
      expect(own().map(({ event }) => event.offset)).toEqual(range(1, head.offset))
    }
    expect(heard.missed).toBe(0)
    await log.close()
  })
})

async function withClient<T>(port: number, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis({ port, host: '127.0.0.1' })
  try {
    return await use(client)
  } finally {
    client.disconnect()
  }
}
