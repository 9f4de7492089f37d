import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { RealtimeError } from '../../src/core/errors.ts'
import { redisBus } from '../../src/server/logs/redis.ts'
import { RedisServer } from '../support/redis-server.ts'
import { startServer, TestClient } from './support.ts'

let redis: RedisServer
beforeAll(async () => {
  redis = await RedisServer.start()
}, 60_000)
afterAll(() => redis.remove())

/** A node of its own on the shared Redis, with its own connections. */
async function startNode(prefix: string) {
  const client = new Redis({ ...redis.connection, lazyConnect: true })
  client.on('error', () => {})
  const busErrors: RealtimeError[] = []
  const bus = redisBus({ client, prefix, onError: (error) => busErrors.push(error) })
  onTestFinished(() => {
    bus.close()
    client.disconnect()
  })
  return { ...(await startServer({ bus })), bus, busErrors }
}

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

describe('the bus in Redis', () => {
  it('carries presence, signals and revocations between two nodes', async () => {
    const [one, two] = [await startNode('a'), await startNode('a')]
    const ada = await join(one.url, 'ada', 'c1')
    const bob = await join(two.url, 'bob', 'c2')
    await Promise.all([sees(ada, ['ada', 'bob']), sees(bob, ['ada', 'bob'])])
    ada.send({ t: 'signal', topic: 'room', type: 'wave', data: 1 })
    let heard = await bob.nextOfAny()
    while (heard.t === 'presence-diff') heard = await bob.nextOfAny()
    expect(heard).toMatchObject({ signals: [{ type: 'wave', data: 1, user: 'ada' }] })
    two.server.revoke({ user: 'ada' })
    expect(await ada.closed).toEqual({ code: 4403, reason: 'revoked' })
    for (let left: readonly string[] = []; !left.includes('ada/c1');) {
      const message = await bob.nextOfAny()
      if (message.t === 'presence-diff') left = message.left
    }
    expect(two.server.presence('room')).toMatchObject([{ user: 'bob' }])
  })

  it('keeps prefixes apart', async () => {
    const [one, two] = [await startNode('x'), await startNode('y')]
    const ada = await join(one.url, 'ada', 'c1')
    const bob = await join(two.url, 'bob', 'c2')
    await Promise.all([sees(ada, ['ada']), sees(bob, ['bob'])])
    two.server.revoke({ user: 'ada' })
    await ada.settled()
    expect(ada.socket.readyState).toBe(ada.socket.OPEN)
  })

  it('is back by itself after Redis was killed, and what it lost of presence is made up for', async () => {
    const [one, two] = [await startNode('k'), await startNode('k')]
    const ada = await join(one.url, 'ada', 'c1')
    const bob = await join(two.url, 'bob', 'c2')
    await Promise.all([sees(ada, ['ada', 'bob']), sees(bob, ['ada', 'bob'])])
    await redis.kill()
    const eve = await join(one.url, 'eve', 'c3')
    await sees(eve, ['ada', 'bob', 'eve'])
    await redis.restart()
    // What is told next does not follow what was heard last, so the other node asks for everything.
    for (let n = 0; !two.server.presence('room').some(({ user }) => user === 'eve'); n++) {
      ada.send({ t: 'presence-update', topic: 'room', state: n })
      // The diff comes when changes were gathered: that sets the pace.
      while ((await ada.nextOfAny()).t !== 'presence-diff');
    }
    expect(two.busErrors).toMatchObject([{ code: 'bus-failed' }])
  }, 30_000)
})
