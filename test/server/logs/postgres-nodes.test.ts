/** Two servers on one PostgreSQL: whatever happens to them, every acknowledged event reaches every client once, in order. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { postgresEventLog, type PostgresEventLog } from '../../../src/server/logs/postgres.ts'
import { play, ServerNode } from '../../support/cluster.ts'
import { FaultProxy } from '../../support/fault-proxy.ts'
import { openPool } from '../../support/postgres-pool.ts'
import { PostgresServer } from '../../support/postgres-server.ts'
import { seededRandom } from '../../support/random.ts'

const TOPICS = ['a', 'b', 'c']
const LOAD = { topics: TOPICS, clients: 6, writers: 8 }

/** Everything stays in the log, so that it can be held against what clients have seen. */
const KEEP_ALL = 1_000_000
const address = { kind: 'postgres', timeoutMs: 500, maxEventsPerTopic: KEEP_ALL } as const

async function startPostgres() {
  const postgres = await PostgresServer.start({ settings: { max_connections: '60' } })
  onTestFinished(() => postgres.remove())
  const pool = openPool({ ...postgres.connection, query_timeout: 5_000 })
  const log = postgresEventLog({ db: pool, maxEventsPerTopic: KEEP_ALL, onError: () => {} })
  await log.migrate()
  onTestFinished(async () => {
    await log.close()
    await pool.end()
  })
  return { postgres, pool, log }
}

/**
 * An app that writes in transactions of its own, some long and every third rolled back. Returns what ends it and gives
 * the events whose commit was acknowledged.
 */
function writeInTransactions(
  pool: ReturnType<typeof openPool>,
  log: PostgresEventLog,
): () => Promise<string[]> {
  const committed: string[] = []
  let isDone = false
  const writers = [0, 1, 2].map(async (writer) => {
    for (let n = 0; !isDone; n++) {
      const topic = TOPICS[(writer + n) % TOPICS.length]!
      const id = `tx.${writer}.${n}`
      const client = await pool.connect().catch(() => undefined)
      let failure: Error | undefined
      const fail = (error: Error) => (failure = error)
      client?.on('error', fail)
      try {
        await client?.query('begin')
        if (client) await log.appendIn(client, topic, { type: 'noted', json: JSON.stringify({ id }) })
        await client?.query('select pg_sleep($1)', [n % 10 === 0 ? 0.1 : 0.005])
        await client?.query(n % 3 === 2 ? 'rollback' : 'commit')
        if (client && n % 3 !== 2) committed.push(id)
      } catch (error) {
        failure = error as Error
      }
      client?.off('error', fail)
      client?.release(failure)
      if (!client || failure) await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })
  return async () => {
    isDone = true
    await Promise.all(writers)
    return committed
  }
}

async function expectInLog(log: PostgresEventLog, ids: readonly string[]): Promise<void> {
  const logged: string[] = []
  for (const topic of TOPICS) {
    const { epoch } = await log.head(topic)
    const read = await log.read(topic, { epoch, offset: 0 }, KEEP_ALL)
    if (read.outcome === 'events')
      logged.push(...read.events.map(({ json }) => (JSON.parse(json) as { id: string }).id))
  }
  expect(ids.filter((id) => !logged.includes(id))).toEqual([])
  expect(logged.filter((id) => /^tx\.\d\.\d+$/.test(id) && Number(id.split('.')[2]) % 3 === 2)).toEqual([])
}

// Two servers, six clients and a PostgreSQL that start again and again: minutes on a busy machine.
describe('two servers on one PostgreSQL', { timeout: 240_000 }, () => {
  it('lose nothing when either is killed under load, while clients move between them', async () => {
    const { postgres, pool, log } = await startPostgres()
    const nodes = await Promise.all([0, 1].map(() => ServerNode.start({ ...address, port: postgres.port })))
    const scene = await play({ ...LOAD, nodes, random: seededRandom(1) })
    const endWriting = writeInTransactions(pool, log) // now that all clients listen
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
    const committed = await endWriting()
    const { acked, moves } = await scene.check(log)
    expect(acked).toBeGreaterThan(1_800)
    expect(moves).toBeGreaterThan(LOAD.clients * 4)
    expect(committed.length).toBeGreaterThan(20)
    await expectInLog(log, committed)
  })

  it('lose nothing when PostgreSQL is killed under load and comes back', async () => {
    const { postgres, pool, log } = await startPostgres()
    const nodes = await Promise.all([0, 1].map(() => ServerNode.start({ ...address, port: postgres.port })))
    const scene = await play({ ...LOAD, nodes, random: seededRandom(2) })
    const endWriting = writeInTransactions(pool, log) // now that all clients listen
    for (let kill = 1; kill <= 4; kill++) {
      await scene.more(200)
      await postgres.kill()
      await postgres.restart()
    }
    await scene.more(200)
    const committed = await endWriting()
    await scene.check(log)
    await expectInLog(log, committed)
  })

  it.each([
    ['that refuses connections', (proxy: FaultProxy) => proxy.down()],
    ['that swallows everything', (proxy: FaultProxy) => proxy.blackhole()],
  ])('lose nothing when one is cut off from PostgreSQL by a network %s', async (_, cut) => {
    const { postgres, log } = await startPostgres()
    const proxy = await FaultProxy.start(postgres.port)
    const nodes = await Promise.all([
      ServerNode.start({ ...address, port: postgres.port }),
      ServerNode.start({ ...address, port: proxy.port }),
    ])
    const scene = await play({ ...LOAD, nodes, random: seededRandom(3) })
    await scene.more(200)
    cut(proxy)
    await scene.more(200)
    // Clients of the lonely node move, and others come to it.
    for (const { proxy: door } of nodes) door.cut()
    await scene.more(200)
    proxy.up()
    await scene.more(200)
    await scene.check(log)
  })
})
