import { describe, expect, it } from 'vitest'
import { manualClock, memoryBus, settle, startManual } from './manual.ts'

/** Longer than changes are gathered. */
const GATHERED = 60

const userIds = (members: readonly { user?: string | undefined }[]) => members.map(({ user }) => user).sort()

describe('presence', () => {
  it('tells who joins everybody who is there, and everybody that somebody has joined', async () => {
    const { connect, time } = startManual()
    const ada = await connect('ada', 'c1')
    ada.send({ t: 'presence-join', topic: 'room', state: { name: 'Ada' } })
    expect(await ada.take()).toEqual([
      {
        t: 'presence-state',
        topic: 'room',
        members: [{ id: 'ada/c1', user: 'ada', state: { name: 'Ada' } }],
        self: 'ada/c1',
      },
    ])
    time.advance(GATHERED)
    await ada.take()
    const bob = await connect('bob', 'c2')
    bob.send({ t: 'presence-join', topic: 'room', state: { name: 'Bob' } })
    const [state] = await bob.takeAll('presence-state')
    expect(userIds(state!.members)).toEqual(['ada', 'bob'])
    time.advance(GATHERED)
    expect(await ada.take()).toEqual([
      {
        t: 'presence-diff',
        topic: 'room',
        set: [{ id: 'bob/c2', user: 'bob', state: { name: 'Bob' } }],
        left: [],
      },
    ])
  })

  it('lets a client watch without being seen, and be seen later', async () => {
    const { connect, time, server } = startManual()
    const watcher = await connect('ada', 'c1')
    watcher.send({ t: 'presence-join', topic: 'room' })
    expect(await watcher.take()).toEqual([
      { t: 'presence-state', topic: 'room', members: [], self: 'ada/c1' },
    ])
    watcher.send({ t: 'presence-update', topic: 'room', state: 1 })
    time.advance(GATHERED)
    expect(await watcher.take()).toMatchObject([{ t: 'presence-diff', set: [{ state: 1 }] }])
    watcher.send({ t: 'presence-update', topic: 'room' })
    time.advance(GATHERED)
    expect(await watcher.take()).toMatchObject([{ t: 'presence-diff', set: [], left: ['ada/c1'] }])
    expect(server.presence('room')).toEqual([])
  })

  it('tells the last state of each member, however often it has changed, in one diff', async () => {
    const { connect, time } = startManual()
    const [ada, bob] = [await connect('ada', 'a'), await connect('bob', 'b')]
    for (const client of [ada, bob]) client.send({ t: 'presence-join', topic: 'room', state: 0 })
    await settle()
    time.advance(GATHERED)
    await bob.take()
    for (let n = 1; n <= 20; n++) ada.send({ t: 'presence-update', topic: 'room', state: n })
    time.advance(GATHERED)
    expect(await bob.take()).toMatchObject([{ t: 'presence-diff', set: [{ id: 'ada/a', state: 20 }] }])
  })

  it('says nothing of who has come and gone in between', async () => {
    const { connect, time } = startManual()
    const [ada, bob] = [await connect('ada', 'a'), await connect('bob', 'b')]
    ada.send({ t: 'presence-join', topic: 'room', state: 0 })
    await settle()
    time.advance(GATHERED)
    await ada.take()
    bob.send({ t: 'presence-join', topic: 'room', state: 0 })
    await settle()
    bob.send({ t: 'presence-leave', topic: 'room' })
    time.advance(GATHERED)
    expect(await ada.take()).toEqual([])
  })

  it('lets nobody notice a drop within the grace', async () => {
    const { connect, time } = startManual({ presence: { graceMs: 10_000 } })
    const [ada, bob] = [await connect('ada', 'a'), await connect('bob', 'b')]
    for (const client of [ada, bob]) client.send({ t: 'presence-join', topic: 'room', state: 'x' })
    await settle()
    time.advance(GATHERED)
    await bob.take()
    ada.lose()
    time.advance(9_000)
    const back = await connect('ada', 'a')
    back.send({ t: 'presence-join', topic: 'room', state: 'x' })
    const [state] = await back.takeAll('presence-state')
    expect(state!.members).toHaveLength(2)
    time.advance(60_000)
    const diffs = await bob.takeAll('presence-diff')
    expect(diffs.flatMap(({ left }) => left)).toEqual([])
  })

  it('keeps a member whose client has a newer connection, however the older one ends', async () => {
    const { connect, time, server } = startManual()
    const old = [await connect('ada', 'a'), await connect('ada', 'a'), await connect('ada', 'a')]
    const fresh = await connect('ada', 'a')
    for (const client of [...old, fresh]) {
      client.send({ t: 'presence-join', topic: 'room', state: 'x' })
      await settle()
    }
    old[0]!.lose(1001)
    old[1]!.lose(1006)
    old[2]!.send({ t: 'presence-leave', topic: 'room' })
    time.advance(20_000)
    expect(server.presence('room')).toHaveLength(1)
    fresh.send({ t: 'presence-leave', topic: 'room' })
    expect(server.presence('room')).toEqual([])
  })

  it('gives no grace to a client without a name: it cannot come back as the same', async () => {
    const { connect, server } = startManual()
    const ada = await connect('ada')
    ada.send({ t: 'presence-join', topic: 'room', state: 'x' })
    await settle()
    ada.lose()
    expect(server.presence('room')).toEqual([])
  })

  it('tells of a leave when the grace is over, and of a goodbye at once', async () => {
    const { connect, time } = startManual({ presence: { graceMs: 10_000 } })
    const [ada, bob, eve] = [await connect('ada', 'a'), await connect('bob', 'b'), await connect('eve', 'e')]
    for (const client of [ada, bob, eve]) client.send({ t: 'presence-join', topic: 'room', state: 0 })
    await settle()
    time.advance(GATHERED)
    await bob.take()
    eve.lose(1001)
    ada.lose(1006)
    time.advance(GATHERED)
    expect(await bob.takeAll('presence-diff')).toMatchObject([{ left: ['eve/e'] }])
    time.advance(10_000)
    expect(await bob.takeAll('presence-diff')).toMatchObject([{ left: ['ada/a'] }])
  })

  it('shows a person with two tabs twice, under one user', async () => {
    const { connect, server } = startManual()
    const tabs = [await connect('ada', 'a1'), await connect('ada', 'a2')]
    for (const tab of tabs) tab.send({ t: 'presence-join', topic: 'room', state: 0 })
    await settle()
    expect(server.presence('room').map(({ id, user }) => [id, user])).toEqual([
      ['ada/a1', 'ada'],
      ['ada/a2', 'ada'],
    ])
  })

  it('lets nobody take over the member of another user, or of a client without a name', async () => {
    const { connect, server } = startManual()
    const clients = [await connect('ada', 'same'), await connect('eve', 'same'), await connect('eve')]
    for (const client of clients) client.send({ t: 'presence-join', topic: 'room', state: 0 })
    await settle()
    expect(new Set(server.presence('room').map(({ id }) => id)).size).toBe(3)
  })

  it('outlasts the timers of a hidden tab, not a client that is silent; its next word brings it back', async () => {
    const { connect, time, server } = startManual({ presence: { ttlMs: 90_000 } })
    const ada = await connect('ada', 'a')
    ada.send({ t: 'presence-join', topic: 'room', state: 'here' })
    await settle()
    for (let minute = 1; minute <= 10; minute++) {
      time.advance(62_000)
      expect(server.presence('room')).toHaveLength(1)
      ada.send({ t: 'ping' })
    }
    time.advance(92_000)
    expect(server.presence('room')).toEqual([])
    ada.send({ t: 'ping' })
    expect(server.presence('room')).toMatchObject([{ state: 'here' }])
  })

  it('takes a client for silent that says nothing, however much it is sent: its tab may be frozen', async () => {
    const { connect, time, server } = startManual({ presence: { ttlMs: 90_000 } })
    const [frozen, awake] = [await connect('ada', 'a'), await connect('bob', 'b')]
    for (const client of [frozen, awake]) {
      client.send({ t: 'presence-join', topic: 'room', state: 'here' })
      client.send({ t: 'subscribe', topics: [{ topic: 'busy' }] })
    }
    await settle()
    for (let n = 0; n < 10; n++) {
      await server.publish('busy', { type: 'x' })
      await settle()
      awake.send({ t: 'presence-update', topic: 'room', state: n })
      time.advance(10_000)
    }
    expect((await frozen.takeAll('events')).length).toBe(10)
    expect(userIds(server.presence('room'))).toEqual(['bob'])
  })

  it('refuses a member too many, a state too large, and a join that is not allowed', async () => {
    const { connect } = startManual({
      limits: { maxPresenceMembers: 1, maxPresenceBytes: 10 },
      authorize: ({ topic, action }) => action === 'presence' && topic !== 'secret',
    })
    const [ada, bob] = [await connect('ada', 'a'), await connect('bob', 'b')]
    ada.send({ t: 'presence-join', topic: 'room', state: 1 })
    await ada.take()
    bob.send({ t: 'presence-join', topic: 'room', state: 1 })
    expect(await bob.take()).toMatchObject([{ t: 'refused', action: 'presence', code: 'limit' }])
    bob.send({ t: 'presence-join', topic: 'room' })
    expect(await bob.take()).toMatchObject([{ t: 'presence-state', members: [{ id: 'ada/a' }] }])
    bob.send({ t: 'presence-join', topic: 'secret', state: 1 })
    expect(await bob.take()).toMatchObject([{ t: 'refused', action: 'presence', code: 'forbidden' }])
    ada.send({ t: 'presence-update', topic: 'room', state: 'longer than ten' })
    expect(await ada.take()).toMatchObject([{ t: 'refused', action: 'presence', code: 'limit' }])
  })

  it('forgets a join that is left before it is allowed', async () => {
    let allow = (_: boolean) => {}
    const { connect, server } = startManual({
      authorize: () => new Promise<boolean>((resolve) => (allow = resolve)),
    })
    const ada = await connect('ada', 'a')
    ada.send({ t: 'presence-join', topic: 'room', state: 1 })
    await settle()
    ada.send({ t: 'presence-leave', topic: 'room' })
    allow(true)
    expect(await ada.take()).toEqual([])
    expect(server.presence('room')).toEqual([])
  })

  it('is not told again and again to a client that reads nothing', async () => {
    const { connect, time } = startManual({ limits: { maxBufferedBytes: 20_000 } })
    for (const user of ['ada', 'bob', 'eve']) {
      const client = await connect(user, 'c')
      for (const topic of ['a', 'b', 'c', 'd']) {
        client.send({ t: 'presence-join', topic, state: 'x'.repeat(4_000) })
      }
    }
    await settle()
    time.advance(GATHERED)
    const mallory = await connect('mallory', 'm')
    const { send } = mallory.socket
    mallory.socket.send = (text) => {
      mallory.socket.bufferedAmount += text.length
      send(text)
    }
    const joinAll = () => {
      for (const topic of ['a', 'b', 'c', 'd']) mallory.send({ t: 'presence-join', topic })
    }
    for (let round = 0; round < 20; round++) {
      joinAll()
      await settle()
    }
    expect(await mallory.takeAll('presence-state')).toHaveLength(2)
    // What it has not been told comes as it reads, no more at a time than there is room for.
    const told = new Set<string>()
    for (let reads = 0; reads < 3; reads++) {
      mallory.socket.bufferedAmount = 0
      time.advance(200)
      const states = await mallory.takeAll('presence-state')
      expect(states.length).toBeLessThanOrEqual(2)
      for (const { topic } of states) told.add(topic)
    }
    expect([...told].sort()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('gives a client that was held back everything, once it reads again', async () => {
    const { connect, time } = startManual({ limits: { maxBufferedBytes: 1_000 } })
    const [ada, slow] = [await connect('ada', 'a'), await connect('bob', 'b')]
    for (const client of [ada, slow]) client.send({ t: 'presence-join', topic: 'room', state: 0 })
    await settle()
    time.advance(GATHERED)
    await slow.take()
    slow.socket.bufferedAmount = 2_000
    ada.send({ t: 'presence-update', topic: 'room', state: 1 })
    time.advance(GATHERED)
    expect(await slow.take()).toEqual([])
    slow.socket.bufferedAmount = 0
    time.advance(100)
    const [state] = await slow.takeAll('presence-state')
    expect(state!.members.find(({ user }) => user === 'ada')).toMatchObject({ state: 1 })
  })

  it('leaves no timer behind', async () => {
    const { connect, time, server } = startManual({ onSend: () => new Promise(() => {}) })
    const ada = await connect('ada', 'a')
    const bob = await connect('bob', 'b')
    for (const client of [ada, bob]) {
      client.send({ t: 'presence-join', topic: 'room', state: 0 })
      client.send({ t: 'signal', topic: 'room', type: 'x' })
      client.send({ t: 'send', id: '1', type: 'x' })
    }
    await settle()
    ada.lose()
    const closing = server.close({ graceMs: 100 })
    time.advance(100)
    await closing
    expect(time.pending()).toBe(0)
  })
})

describe('presence on two nodes', () => {
  function startCluster(options: Parameters<typeof startManual>[0] = {}) {
    const [time, bus] = [manualClock(), memoryBus()]
    const node = () => startManual({ bus, ...options }, time)
    return { time, bus, node, nodes: [node(), node()] as const }
  }

  it('is the same on both', async () => {
    const { time, nodes } = startCluster()
    const [ada, bob] = [await nodes[0].connect('ada', 'a'), await nodes[1].connect('bob', 'b')]
    ada.send({ t: 'presence-join', topic: 'room', state: 1 })
    bob.send({ t: 'presence-join', topic: 'room', state: 2 })
    await settle()
    time.advance(GATHERED)
    for (const { server } of nodes) expect(userIds(server.presence('room'))).toEqual(['ada', 'bob'])
    time.advance(GATHERED)
    await bob.take()
    ada.send({ t: 'presence-leave', topic: 'room' })
    time.advance(GATHERED)
    time.advance(GATHERED)
    expect(await bob.takeAll('presence-diff')).toMatchObject([{ left: ['ada/a'] }])
  })

  it('is known on a node that has no connections, and leaves there as well', async () => {
    const { time, nodes, node, bus } = startCluster({ presence: { ttlMs: 1e9 } })
    const ada = await nodes[0].connect('ada', 'a')
    ada.send({ t: 'presence-join', topic: 'room', state: 1 })
    await settle()
    time.advance(GATHERED)
    const { server: worker } = node()
    worker.presence('room')
    expect(userIds(worker.presence('room'))).toEqual(['ada'])
    bus.isDown = true
    time.advance(150_000)
    expect(worker.presence('room')).toEqual([])
  })

  it('leaves no timer to a node whose first client comes when it is closed', async () => {
    const { time, node } = startCluster()
    const { server, open } = node()
    await server.close()
    open().lose()
    server.presence('room')
    expect(time.pending()).toBe(0)
  })

  it('tells a node that comes later what was there before', async () => {
    const { time, nodes, node } = startCluster()
    const ada = await nodes[0].connect('ada', 'a')
    ada.send({ t: 'presence-join', topic: 'room', state: 1 })
    await settle()
    time.advance(GATHERED)
    const late = node()
    await late.connect('bob', 'b')
    expect(userIds(late.server.presence('room'))).toEqual(['ada'])
  })

  it('follows a client that moves to the other node, without a leave, and without its ghost', async () => {
    const { time, nodes } = startCluster()
    const watcher = await nodes[1].connect('eve', 'e')
    watcher.send({ t: 'presence-join', topic: 'room' })
    const ada = await nodes[0].connect('ada', 'a')
    ada.send({ t: 'presence-join', topic: 'room', state: 1 })
    await settle()
    time.advance(GATHERED * 2)
    await watcher.take()
    ada.lose()
    time.advance(1_000)
    const moved = await nodes[1].connect('ada', 'a')
    moved.send({ t: 'presence-join', topic: 'room', state: 2 })
    await settle()
    time.advance(30_000)
    const diffs = await watcher.takeAll('presence-diff')
    expect(diffs.flatMap(({ left }) => left)).toEqual([])
    moved.send({ t: 'presence-leave', topic: 'room' })
    time.advance(GATHERED * 2)
    for (const { server } of nodes) expect(server.presence('room')).toEqual([])
  })

  it('leaves no ghost of a client that has moved and left within the grace', async () => {
    const { time, nodes } = startCluster()
    const ada = await nodes[0].connect('ada', 'a')
    ada.send({ t: 'presence-join', topic: 'room', state: 1 })
    await settle()
    time.advance(GATHERED)
    ada.lose()
    const moved = await nodes[1].connect('ada', 'a')
    time.advance(10)
    moved.send({ t: 'presence-join', topic: 'room', state: 2 })
    await settle()
    time.advance(GATHERED)
    moved.send({ t: 'presence-leave', topic: 'room' })
    time.advance(GATHERED * 2)
    for (const { server } of nodes) expect(server.presence('room')).toEqual([])
  })

  it('keeps the members of a node that says goodbye for the grace, and no longer', async () => {
    const { time, nodes } = startCluster({ presence: { graceMs: 10_000 } })
    const [ada, bob] = [await nodes[0].connect('ada', 'a'), await nodes[1].connect('bob', 'b')]
    for (const client of [ada, bob]) client.send({ t: 'presence-join', topic: 'room', state: 1 })
    await settle()
    time.advance(GATHERED)
    const closing = nodes[0].server.close({ graceMs: 100 })
    time.advance(100)
    await closing
    time.advance(9_000)
    expect(userIds(nodes[1].server.presence('room'))).toEqual(['ada', 'bob'])
    time.advance(1_000)
    expect(userIds(nodes[1].server.presence('room'))).toEqual(['bob'])
  })

  it('asks at once when a change does not follow what was heard last', async () => {
    const { time, nodes, bus } = startCluster()
    const [ada, bob] = [await nodes[0].connect('ada', 'a'), await nodes[0].connect('bob', 'b')]
    await nodes[1].connect('eve', 'e')
    ada.send({ t: 'presence-join', topic: 'room', state: 1 })
    await settle()
    time.advance(GATHERED)
    time.advance(2_000)
    bus.isDown = true
    bob.send({ t: 'presence-join', topic: 'room', state: 1 })
    await settle()
    time.advance(GATHERED)
    bus.isDown = false
    ada.send({ t: 'presence-update', topic: 'room', state: 2 })
    time.advance(GATHERED)
    expect(userIds(nodes[1].server.presence('room'))).toEqual(['ada', 'bob'])
  })

  it('does not take a part of the members of a node for all of them', async () => {
    const { time, nodes, bus } = startCluster({ limits: { maxPresenceMembers: 1_000 } })
    for (let n = 0; n < 300; n++) {
      const client = await nodes[0].connect('ada', `c${n}`)
      client.send({ t: 'presence-join', topic: 'room', state: n })
    }
    await nodes[1].connect('eve', 'e')
    await settle()
    time.advance(GATHERED)
    expect(nodes[1].server.presence('room')).toHaveLength(300)
    const whole = bus.said.length
    await bus.publish('{"t":"ask","node":"somebody"}')
    const [first, last] = bus.said.slice(whole).filter((text) => text.includes('"all"'))
    expect([first, last].map((text) => JSON.parse(text!).isLast)).toEqual([false, true])
    const late = (change: object) =>
      JSON.stringify({ ...(JSON.parse(last!) as object), members: [], ...change })
    for (const said of [
      late({ part: 2 }), // nothing before it
      first!,
      late({ part: 2 }), // not what follows
      first!,
      late({ version: 999 }), // of another answer
    ]) {
      await bus.publish(said)
      expect(nodes[1].server.presence('room')).toHaveLength(300)
    }
  })

  it('buries the members of a node that died, and keeps those of one that went away for the grace', async () => {
    const { time, nodes, bus } = startCluster()
    for (const [index, { connect }] of nodes.entries()) {
      const client = await connect(`user${index}`, 'c')
      client.send({ t: 'presence-join', topic: 'room', state: 1 })
    }
    await settle()
    time.advance(GATHERED)
    // From here on the first node hears nothing of the second.
    bus.isDown = true
    time.advance(60_000)
    expect(nodes[0].server.presence('room')).toHaveLength(2)
    // Its own client is silent for as long, so it keeps talking.
    time.advance(20_000)
    expect(userIds(nodes[0].server.presence('room'))).toContain('user1')
    time.advance(70_000)
    expect(userIds(nodes[0].server.presence('room'))).not.toContain('user1')
  })

  it('heals what the bus has lost', async () => {
    const { time, nodes, bus } = startCluster({ presence: { ttlMs: 1e9 } })
    const clients = [await nodes[0].connect('ada', 'a'), await nodes[0].connect('bob', 'b')]
    await nodes[1].connect('eve', 'e')
    clients[0]!.send({ t: 'presence-join', topic: 'room', state: 1 })
    await settle()
    time.advance(GATHERED)
    bus.isDown = true
    clients[0]!.send({ t: 'presence-leave', topic: 'room' })
    clients[1]!.send({ t: 'presence-join', topic: 'room', state: 2 })
    await settle()
    time.advance(GATHERED)
    bus.isDown = false
    expect(userIds(nodes[1].server.presence('room'))).toEqual(['ada'])
    time.advance(31_000)
    expect(userIds(nodes[1].server.presence('room'))).toEqual(['bob'])
  })

  it('hears a large node in parts, and skips what is no message, which it tells once', async () => {
    const { time, nodes, node, bus } = startCluster({
      limits: { maxPresenceMembers: 1_000, maxConnectionsPerUser: 1_000 },
    })
    for (let n = 0; n < 450; n++) {
      const client = await nodes[0].connect('ada', `c${n}`)
      client.send({ t: 'presence-join', topic: 'room', state: n })
    }
    await settle()
    time.advance(GATHERED)
    const late = node()
    await late.connect('bob', 'b')
    expect(late.server.presence('room')).toHaveLength(450)
    await bus.publish('nonsense')
    await bus.publish(
      '{"t":"presence","node":"x","version":1,"set":[{"topic":"room","members":[{}]}],"left":[]}',
    )
    // As a node of the next version may say it: many times a second, for as long as a deploy takes.
    for (let n = 0; n < 5; n++) await bus.publish('{"t":"novelty","node":"x"}')
    expect(late.errors).toMatchObject([{ code: 'bus-failed' }])
    expect(late.server.presence('room')).toHaveLength(450)
  })
})
