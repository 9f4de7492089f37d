/** Two servers on one Redis: whatever happens to them, every acknowledged event reaches every client once, in order. */
import { describe, expect, it } from 'vitest'
import { ServerNode, play } from '../../support/cluster.ts'
import { FaultProxy } from '../../support/fault-proxy.ts'
import { seededRandom } from '../../support/random.ts'
import { openLog, startRedis } from './redis-support.ts'

const TOPICS = ['a', 'b', 'c']
const LOAD = { topics: TOPICS, clients: 6, writers: 8 }

/** Everything stays in the log, so that it can be held against what clients have seen. */
const KEEP_ALL = 1_000_000

describe('two servers on one Redis', () => {
  it('lose nothing when either is killed under load, while clients move between them', async () => {
    const redis = await startRedis()
    const log = openLog(redis.port, { maxEventsPerTopic: KEEP_ALL })
    const address = { kind: 'redis', port: redis.port, maxEventsPerTopic: KEEP_ALL } as const
    const nodes = await Promise.all([ServerNode.start(address), ServerNode.start(address)])
    const scene = await play({ ...LOAD, nodes, random: seededRandom(1) })
    await scene.more(200)
    for (const victim of [0, 1, 0, 1]) {
      await nodes[victim]!.kill()
      await scene.more(200)
      await nodes[victim]!.restart()
      await scene.more(100)
      // Some go back, so that the next kill meets clients on both.
      nodes[1 - victim]!.proxy.cut()
      await scene.more(100)
    }
    const { acked, moves } = await scene.check(log)
    expect(acked).toBeGreaterThan(1_800)
    expect(moves).toBeGreaterThan(LOAD.clients * 4)
  }, 120_000)

  it('lose nothing when Redis is killed and comes back', async () => {
    const redis = await startRedis({ isDurable: true })
    const log = openLog(redis.port, { maxEventsPerTopic: KEEP_ALL })
    const address = { kind: 'redis', port: redis.port, maxEventsPerTopic: KEEP_ALL } as const
    const nodes = await Promise.all([ServerNode.start(address), ServerNode.start(address)])
    const scene = await play({ ...LOAD, nodes, random: seededRandom(2) })
    for (let kill = 1; kill <= 3; kill++) {
      await scene.more(200)
      await redis.kill()
      await redis.restart()
    }
    await scene.more(200)
    await scene.check(log)
  }, 120_000)

  it.each([
    ['that refuses connections', (proxy: FaultProxy) => proxy.down()],
    ['that swallows everything', (proxy: FaultProxy) => proxy.blackhole()],
  ])(
    'lose nothing when one is cut off from Redis by a network %s',
    async (_, cut) => {
      const redis = await startRedis()
      const proxy = await FaultProxy.start(redis.port)
      const log = openLog(redis.port, { maxEventsPerTopic: KEEP_ALL })
      const address = { kind: 'redis', timeoutMs: 500, maxEventsPerTopic: KEEP_ALL } as const
      const nodes = await Promise.all([
        ServerNode.start({ ...address, port: redis.port }),
        ServerNode.start({ ...address, port: proxy.port }),
      ])
      const scene = await play({ ...LOAD, nodes, random: seededRandom(3) })
      await scene.more(200)
      cut(proxy)
      // Half of the writers wait for the lonely node at any time.
      await scene.more(40)
      // Some come to the lonely one, and those that are with it stay.
      nodes[0].proxy.cut()
      await scene.more(40)
      // Nothing follows that would show a hole.
      await scene.stop()
      proxy.up()
      await scene.check(log)
    },
    120_000,
  )
})
