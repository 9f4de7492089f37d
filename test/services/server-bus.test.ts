import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { RealtimeError } from '../../src/core/errors.ts'
import { postgresBus, type SqlDatabase } from '../../src/server/logs/postgres.ts'
import { serverBusContract } from '../../src/testing/index.ts'
import { startServer, TestClient } from '../server/support.ts'
import { busKinds } from '../support/server-buses.ts'

async function join(url: string, token: string, clientId: string) {
  const client = await TestClient.open(url)
  client.send({ t: 'hello', token, clientId })
  await client.next('welcome')
  client.send({ t: 'presence-join', topic: 'room', state: token })
  return client
}

/** Reads until the client is told that exactly these users are present. */
async function sees(client: TestClient, users: string[]) {
  const present = new Map<string, string | undefined>()
  for (;;) {
    const message = await client.nextOfAny()
    if (message.t === 'presence-state') {
      present.clear()
      for (const { id, user } of message.members) present.set(id, user)
    } else if (message.t === 'presence-diff') {
      for (const { id, user } of message.set) present.set(id, user)
      for (const id of message.left) present.delete(id)
    } else continue
    if (JSON.stringify([...present.values()].sort()) === JSON.stringify(users)) return
  }
}

type Node = Awaited<ReturnType<typeof startServer>>

let clusters = 0
const newCluster = () => `cluster_${++clusters}`

describe.each(busKinds())('the bus in $name', (kind) => {
  beforeAll(() => kind.start(), 60_000)
  afterAll(() => kind.stop())

  for (const run of [1, 2, 3]) {
    describe(`the contract, run ${run}`, () => {
      serverBusContract(it, () => {
        const cluster = newCluster()
        return [kind.open(cluster), kind.open(cluster)]
      })
    })
  }

  async function startNode(cluster: string) {
    const busErrors: RealtimeError[] = []
    const bus = kind.open(cluster, (error) => busErrors.push(error))
    onTestFinished(() => bus.close())
    return { ...(await startServer({ bus })), busErrors }
  }

  it('carries presence, signals and revocations between two nodes', async () => {
    const cluster = newCluster()
    const [one, two] = [await startNode(cluster), await startNode(cluster)]
    const ada = await join(one.url, 'ada', 'c1')
    const bob = await join(two.url, 'bob', 'c2')
    await meet([one, ada], [two, bob])
    ada.send({ t: 'signal', topic: 'room', type: 'wave', data: 1 })
    let heard = await bob.nextOfAny()
    while (heard.t !== 'signals') heard = await bob.nextOfAny()
    expect(heard).toMatchObject({ signals: [{ type: 'wave', data: 1, user: 'ada' }] })
    two.server.revoke({ user: 'ada' })
    expect(await ada.closed).toEqual({ code: 4403, reason: 'revoked' })
    for (let left: readonly string[] = []; !left.includes('ada/c1');) {
      const message = await bob.nextOfAny()
      if (message.t === 'presence-diff') left = message.left
    }
    expect(two.server.presence('room')).toMatchObject([{ user: 'bob' }])
  })

  it('keeps clusters apart', async () => {
    const [one, two] = [await startNode(newCluster()), await startNode(newCluster())]
    const ada = await join(one.url, 'ada', 'c1')
    const bob = await join(two.url, 'bob', 'c2')
    await Promise.all([sees(ada, ['ada']), sees(bob, ['bob'])])
    two.server.revoke({ user: 'ada' })
    ada.send({ t: 'ping' })
    while ((await ada.nextOfAny()).t !== 'pong');
    expect(ada.socket.readyState).toBe(ada.socket.OPEN)
  })

  const { service } = kind
  if (!service) return

  it('rejects what is said while nobody answers, and goes on afterwards', async () => {
    const cluster = newCluster()
    const [one, two] = [kind.open(cluster), kind.open(cluster)]
    onTestFinished(async () => {
      await one.close()
      await two.close()
    })
    let heard = ''
    two.subscribe((text) => (heard = text))
    /** Again and again, since either may be on its way to Redis or PostgreSQL. */
    const sayUntilHeard = async (text: string) => {
      while (heard !== text) {
        await Promise.resolve(one.publish(text)).catch(() => undefined)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    await sayUntilHeard('"before"')
    service.freeze()
    await expect(one.publish('"lost"')).rejects.toThrow()
    service.thaw()
    await sayUntilHeard('"after"')
  })

  it('goes on when onError throws, and says so on the console', async () => {
    const toConsole = vi.spyOn(console, 'error').mockImplementation(() => {})
    const told = new Promise((resolve) => toConsole.mockImplementation(resolve))
    onTestFinished(() => toConsole.mockRestore())
    const bus = kind.open(newCluster(), () => {
      throw new Error('the onError of the app')
    })
    onTestFinished(() => bus.close())
    let isHeard = false
    bus.subscribe(() => (isHeard = true))
    const sayUntilHeard = async () => {
      for (isHeard = false; !isHeard; await new Promise((resolve) => setImmediate(resolve))) {
        await Promise.resolve(bus.publish('"hi"')).catch(() => undefined)
      }
    }
    await sayUntilHeard()
    await service.kill()
    expect(await told).toMatchObject({ code: 'bus-failed' })
    await service.restart()
    await sayUntilHeard()
  }, 30_000)

  it('is back by itself after what carries it was killed, and heals what it has lost', async () => {
    const cluster = newCluster()
    const [one, two] = [await startNode(cluster), await startNode(cluster)]
    const ada = await join(one.url, 'ada', 'c1')
    const bob = await join(two.url, 'bob', 'c2')
    await meet([one, ada], [two, bob])
    await service.kill()
    const eve = await join(one.url, 'eve', 'c3')
    await sees(eve, ['ada', 'bob', 'eve'])
    await service.restart()
    await talk(ada, () => two.server.presence('room').some(({ user }) => user === 'eve'))
    expect(two.busErrors).toMatchObject([{ code: 'bus-failed' }])
  }, 30_000)
})

describe('postgresBus', () => {
  const silent = { query: () => new Promise<never>(() => {}) }
  const pool = { ...silent, connect: () => new Promise<never>(() => {}) } as SqlDatabase

  it.each([
    [{ db: silent }, /can listen/],
    [{ db: undefined as unknown as SqlDatabase }, /can listen/],
    [{ db: pool, channel: 'no"such' }, /channel of the bus/],
    [{ db: pool, timeoutMs: 0 }, /timeoutMs of postgresBus/],
  ])('says what is wrong with %o', (options, message) => {
    expect(() => postgresBus(options)).toThrow(message)
  })

  it('lets only so much wait for a database that does not answer', async () => {
    const bus = postgresBus({ db: pool, onError: () => {} })
    const said = Array.from({ length: 1_100 }, async () => bus.publish('x'))
    const outcomes = Promise.allSettled(said)
    await expect(said.at(-1)).rejects.toThrow('Too many messages')
    // What waits is given up together.
    for (const { status } of await outcomes) expect(status).toBe('rejected')
    await bus.close()
  })
})

/** What a bus says before all listen is lost, so both say more until each node knows of both. */
async function meet(...nodes: (readonly [Node, TestClient])[]) {
  const haveMet = () => nodes.every(([{ server }]) => server.presence('room').length === nodes.length)
  await Promise.all(nodes.map(([, client]) => talk(client, haveMet)))
}

/** Changes that others are told of. What does not follow what was heard last makes a node ask for everything. */
async function talk(client: TestClient, isDone: () => boolean) {
  for (let n = 0; !isDone(); n++) {
    client.send({ t: 'presence-update', topic: 'room', state: n })
    // The diff comes when changes were gathered: that sets the pace.
    while ((await client.nextOfAny()).t !== 'presence-diff');
  }
}
