import { describe, expect, it } from 'vitest'
import type { RealtimeAction } from '../../src/server/index.ts'
import { manualClock, memoryBus, settle, startManual } from './manual.ts'

const LEASE = 300_000
/** The longest that a lease lasts, with its jitter, and the look at it. */
const LEASE_AT_MOST = LEASE * 1.25 + 1_000

describe('S4 authorization', () => {
  it('is asked for each topic and each action, with the identity', async () => {
    const asked: [string, string, RealtimeAction][] = []
    const { connect, time } = startManual({
      authorize: ({ identity, topic, action }) => asked.push([identity.user, topic, action]) > 0,
      onSend: () => {},
    })
    const ada = await connect('ada')
    ada.send({
      t: 'subscribe',
      topics: [{ topic: 'a' }, { topic: 'b', position: { epoch: 'x', offset: 9 } }],
    })
    ada.send({ t: 'presence-join', topic: 'a' })
    ada.send({ t: 'send', id: '1', topic: 'a', type: 'x' })
    ada.send({ t: 'signal', topic: 'a', type: 'x' })
    await settle()
    time.advance(20)
    expect(asked.sort()).toEqual([
      ['ada', 'a', 'presence'],
      ['ada', 'a', 'send'],
      ['ada', 'a', 'signal'],
      ['ada', 'a', 'subscribe'],
      ['ada', 'b', 'subscribe'],
    ])
  })

  it.each<RealtimeAction>(['subscribe', 'presence', 'send', 'signal'])(
    'allows the other actions when %s is denied, and tells of it',
    async (denied) => {
      const { connect, server, time } = startManual({
        authorize: ({ action }) => action !== denied,
        onSend: () => 'done',
      })
      const [ada, bob] = [await connect('ada', 'a'), await connect('bob', 'b')]
      bob.send({ t: 'presence-join', topic: 't', state: 0 })
      bob.send({ t: 'subscribe', topics: [{ topic: 't' }] })
      await settle()
      time.advance(100)
      await bob.take()
      ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
      ada.send({ t: 'presence-join', topic: 't', state: 0 })
      ada.send({ t: 'send', id: '1', topic: 't', type: 'x' })
      ada.send({ t: 'signal', topic: 't', type: 'x' })
      await settle()
      await server.publish('t', { type: 'e' })
      await settle()
      time.advance(100)
      const got = await ada.take()
      const kinds = new Set(got.map(({ t }) => t))
      const isAllowed = (action: RealtimeAction) => action !== denied
      expect([kinds.has('subscribed'), kinds.has('events')]).toEqual([
        isAllowed('subscribe'),
        isAllowed('subscribe'),
      ])
      expect(kinds.has('presence-state')).toBe(isAllowed('presence'))
      expect(kinds.has('ack')).toBe(isAllowed('send'))
      const heard = new Set((await bob.take()).map(({ t }) => t))
      // Bob is the same as everybody, so he may hear only by what is allowed.
      expect(heard.has('signals')).toBe(isAllowed('signal'))
      const refusals = got.filter(({ t }) => t === 'refused' || t === 'error')
      expect(refusals).toMatchObject([{ code: 'forbidden' }])
    },
  )

  it('is asked for again on a replay: somebody else with the position of a topic gets nothing', async () => {
    const { connect, server } = startManual({ authorize: ({ identity }) => identity.user === 'ada' })
    const position = await server.publish('t', { type: 'secret', data: 'secret' })
    const eve = await connect('eve')
    eve.send({
      t: 'subscribe',
      topics: [{ topic: 't', position: { epoch: position.epoch, offset: 0 } }, { topic: 't' }],
    })
    const got = await eve.take()
    expect(new Set(got.map(({ t }) => t))).toEqual(new Set(['refused']))
    expect(JSON.stringify(got)).not.toContain('secret')
  })

  it('is asked for again when the lease ends, and a topic that is not allowed any more ends', async () => {
    const may = { subscribe: true, presence: true } as Record<RealtimeAction, boolean>
    const { connect, server, time } = startManual({
      authorize: ({ action }) => may[action],
      leaseMs: LEASE,
      presence: { ttlMs: 1e9 },
    })
    const ada = await connect('ada', 'a')
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    ada.send({ t: 'presence-join', topic: 't', state: 0 })
    await ada.take()
    time.advance(LEASE_AT_MOST)
    expect(await ada.takeAll('revoked')).toEqual([])
    may.subscribe = may.presence = false
    time.advance(LEASE_AT_MOST)
    expect(await ada.takeAll('revoked')).toMatchObject([{ topic: 't' }, { topic: 't', action: 'presence' }])
    await server.publish('t', { type: 'secret' })
    expect(await ada.take()).toEqual([])
    expect(server.presence('t')).toEqual([])
    expect(server.stats()).toMatchObject({ subscriptions: 0, presences: 0, revoked: 2 })
  })

  it('remembers an allowance to signal for a lease, and a denial for seconds', async () => {
    let asked = 0
    let isAllowed = true
    const { connect, time } = startManual({
      authorize: () => (asked++, isAllowed),
      leaseMs: LEASE,
    })
    const ada = await connect('ada')
    for (let n = 0; n < 50; n++) ada.send({ t: 'signal', topic: 't', type: 'x' })
    await settle()
    expect(asked).toBe(1)
    time.advance(LEASE_AT_MOST)
    isAllowed = false
    for (let n = 0; n < 50; n++) ada.send({ t: 'signal', topic: 't', type: 'x' })
    expect(await ada.takeAll('error')).toMatchObject([{ code: 'forbidden', topic: 't' }])
    expect(asked).toBe(2)
    time.advance(5_000)
    isAllowed = true
    ada.send({ t: 'signal', topic: 't', type: 'x' })
    expect(await ada.takeAll('error')).toEqual([])
    expect(asked).toBe(3)
  })

  it('keeps what it has when the app cannot say, and gives it up when it cannot say for long', async () => {
    let isBroken = false
    const { connect, time, errors } = startManual({
      authorize: () => {
        if (isBroken) throw new Error('no database')
        return true
      },
      leaseMs: LEASE,
    })
    const ada = await connect('ada')
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    await ada.take()
    isBroken = true
    time.advance(LEASE_AT_MOST)
    await settle()
    isBroken = false
    time.advance(LEASE_AT_MOST)
    expect(await ada.take()).toEqual([])
    isBroken = true
    for (let n = 0; n < 3; n++) {
      time.advance(LEASE_AT_MOST)
      await settle()
    }
    expect(await ada.take()).toMatchObject([{ t: 'refused', code: 'unavailable' }])
    expect(errors.every(({ code }) => code === 'callback-failed')).toBe(true)
  })

  it('asks again soon when the app could not say', async () => {
    let asked = 0
    const { connect, time } = startManual({
      authorize: () => {
        if (++asked === 2) throw new Error('no database')
        return asked < 3
      },
      leaseMs: LEASE,
    })
    const ada = await connect('ada')
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    await ada.take()
    time.advance(LEASE_AT_MOST)
    await settle()
    time.advance(LEASE / 4 + 1_000)
    expect(await ada.take()).toMatchObject([{ t: 'revoked' }])
  })

  it('does not end a subscription that began after the question', async () => {
    const answers: ((isAllowed: boolean) => void)[] = []
    let isLeaseTime = false
    const { connect, time } = startManual({
      authorize: () => !isLeaseTime || new Promise<boolean>((resolve) => answers.push(resolve)),
      leaseMs: LEASE,
    })
    const ada = await connect('ada')
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    await ada.take()
    isLeaseTime = true
    time.advance(LEASE_AT_MOST)
    await settle()
    isLeaseTime = false
    ada.send({ t: 'unsubscribe', topics: ['t'] })
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    expect(await ada.take()).toMatchObject([{ t: 'subscribed' }])
    answers.shift()!(false)
    expect(await ada.take()).toEqual([])
  })

  it('asks about leases a few at a time, and not of all connections at once', async () => {
    let now = 0
    let most = 0
    let isLeaseTime = false
    const waiting: (() => void)[] = []
    const { connect, time } = startManual({
      leaseMs: LEASE,
      leaseConcurrency: 4,
      limits: { maxConnectionsPerUser: 1_000, authorizeTimeoutMs: 1e9 },
      authorize: async () => {
        if (!isLeaseTime) return true
        most = Math.max(most, ++now)
        await new Promise<void>((resolve) => waiting.push(resolve))
        now--
        return true
      },
    })
    for (let n = 0; n < 10; n++) {
      const client = await connect('ada')
      client.send({ t: 'subscribe', topics: ['a', 'b', 'c'].map((topic) => ({ topic })) })
    }
    await settle()
    isLeaseTime = true
    time.advance(LEASE_AT_MOST)
    let answered = 0
    for (await settle(); waiting.length > 0; await settle()) {
      answered++
      waiting.shift()!()
    }
    expect(most).toBe(4)
    expect(answered).toBe(30)
  })

  it('makes a topic unavailable when the app does not answer, and reports it', async () => {
    const { connect, time, errors } = startManual({ authorize: () => new Promise<boolean>(() => {}) })
    const ada = await connect('ada')
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    ada.send({ t: 'presence-join', topic: 't' })
    ada.send({ t: 'signal', topic: 't', type: 'x' })
    expect(await ada.take()).toEqual([])
    time.advance(10_000)
    const answers = await ada.take()
    expect(answers).toHaveLength(3)
    for (const answer of [
      { t: 'refused', topic: 't', code: 'unavailable' },
      { t: 'refused', topic: 't', code: 'unavailable', action: 'presence' },
      { t: 'error', topic: 't', code: 'unavailable' },
    ]) {
      expect(answers).toContainEqual(expect.objectContaining(answer))
    }
    expect(errors.map(({ code }) => code)).toEqual(Array(3).fill('callback-failed'))
  })

  it('goes on asking about leases when questions are never answered', async () => {
    let isAllowed: (user: string) => boolean | Promise<boolean> = () => true
    const { connect, time } = startManual({
      leaseMs: LEASE,
      leaseConcurrency: 2,
      presence: { ttlMs: 1e9 },
      authorize: ({ identity }) => isAllowed(identity.user),
    })
    const stuck = [await connect('stuck1'), await connect('stuck2')]
    const ada = await connect('ada')
    for (const client of [...stuck, ada]) client.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    await ada.take()
    isAllowed = (user) => (user === 'ada' ? false : new Promise<boolean>(() => {}))
    time.advance(LEASE_AT_MOST)
    time.advance(10_000)
    expect(await ada.take()).toMatchObject([{ t: 'revoked', topic: 't' }])
  })

  it('spreads the leases of connections that were opened together', async () => {
    const asked: number[] = []
    let roll = 0
    const time = manualClock()
    const { connect } = startManual(
      {
        leaseMs: LEASE,
        authorize: () => asked.push(time.clock.now()) > 0,
        platform: { random: () => (roll = (roll + 0.31) % 1) },
      },
      time,
    )
    for (let n = 0; n < 20; n++) {
      const client = await connect(`user${n}`)
      client.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    }
    await settle()
    asked.length = 0
    time.advance(LEASE_AT_MOST)
    expect(new Set(asked).size).toBeGreaterThan(10)
    expect(Math.min(...asked)).toBeGreaterThanOrEqual(LEASE * 0.75)
  })
})

describe('S4 revoke', () => {
  it('ends a topic at once for one user, and for nobody else', async () => {
    const { connect, server } = startManual()
    const [ada, bob] = [await connect('ada', 'a'), await connect('bob', 'b')]
    for (const client of [ada, bob]) {
      client.send({ t: 'subscribe', topics: [{ topic: 't' }, { topic: 'other' }] })
      client.send({ t: 'presence-join', topic: 't', state: 0 })
      await client.take()
    }
    server.revoke({ user: 'ada', topic: 't' })
    expect(await ada.take()).toMatchObject([
      { t: 'revoked', topic: 't' },
      { t: 'revoked', topic: 't', action: 'presence' },
    ])
    await server.publish('t', { type: 'secret' })
    await server.publish('other', { type: 'open' })
    expect(await ada.take()).toMatchObject([{ t: 'events', topic: 'other' }])
    expect(await bob.take()).toMatchObject([{ t: 'events' }, { t: 'events' }])
    expect(server.presence('t')).toMatchObject([{ user: 'bob' }])
  })

  it('ends a topic that is being replayed', async () => {
    let answer = () => {}
    const { connect, server } = startManual({
      authorize: () => new Promise<boolean>((resolve) => (answer = () => resolve(true))),
    })
    const position = await server.publish('t', { type: 'secret' })
    const ada = await connect('ada')
    ada.send({ t: 'subscribe', topics: [{ topic: 't', position: { ...position, offset: 0 } }] })
    server.revoke({ topic: 't' })
    answer()
    expect(await ada.take()).toMatchObject([{ t: 'revoked', topic: 't' }])
    await server.publish('t', { type: 'secret' })
    expect(await ada.take()).toEqual([])
  })

  it('forgets that signals were allowed', async () => {
    let isAllowed = true
    const { connect, server } = startManual({ authorize: () => isAllowed })
    const ada = await connect('ada')
    ada.send({ t: 'signal', topic: 't', type: 'x' })
    await settle()
    isAllowed = false
    server.revoke({ topic: 't', user: 'ada' })
    ada.send({ t: 'signal', topic: 't', type: 'x' })
    expect(await ada.take()).toMatchObject([{ t: 'error', code: 'forbidden' }])
  })

  it('asks again when it comes while the app is being asked', async () => {
    const answers: ((isAllowed: boolean) => void)[] = []
    const { connect, server } = startManual({
      authorize: () => new Promise<boolean>((resolve) => answers.push(resolve)),
    })
    const ada = await connect('ada')
    ada.send({ t: 'signal', topic: 't', type: 'x' })
    await settle()
    server.revoke({ topic: 't', user: 'ada' })
    answers.shift()!(true)
    await settle()
    answers.shift()!(false)
    expect(await ada.take()).toMatchObject([{ t: 'error', code: 'forbidden' }])
    expect(server.stats().signals).toBe(0)
  })

  it('closes the connections of a user, or one of them, and takes their presence with them', async () => {
    const { connect, server } = startManual()
    const [first, second, bob] = [await connect('ada', '1'), await connect('ada', '2'), await connect('bob')]
    for (const client of [first, second]) client.send({ t: 'presence-join', topic: 't', state: 0 })
    await settle()
    server.revoke({ connectionId: first.connectionId })
    expect([first, second].map(({ socket }) => socket.closedWith?.code)).toEqual([4403, undefined])
    expect(server.presence('t')).toHaveLength(1)
    server.revoke({ user: 'ada' })
    expect([second, bob].map(({ socket }) => socket.closedWith?.code)).toEqual([4403, undefined])
    expect(server.presence('t')).toEqual([])
  })

  it('asks again who a client is that was let in by what held before', async () => {
    const banned = new Set<string>()
    const answers: (() => void)[] = []
    const { open, server } = startManual({
      authenticate: ({ token }) => {
        const identity = token === undefined || banned.has(token) ? null : { user: token }
        return new Promise((resolve) => answers.push(() => resolve(identity)))
      },
    })
    const [ada, bob] = [open(), open()]
    ada.send({ t: 'hello', token: 'ada' })
    bob.send({ t: 'hello', token: 'bob' })
    await settle()
    banned.add('ada')
    server.revoke({ user: 'ada' })
    for (; answers.length > 0; await settle()) answers.shift()!()
    expect(await ada.take()).toEqual([])
    expect(ada.socket.closedWith).toMatchObject({ code: 4401 })
    expect(await bob.take()).toMatchObject([{ t: 'welcome' }])
  })

  it('reaches every node', async () => {
    const [time, bus] = [manualClock(), memoryBus()]
    const [one, two] = [startManual({ bus }, time), startManual({ bus }, time)]
    const ada = await two.connect('ada')
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    await ada.take()
    one.server.revoke({ user: 'ada', topic: 't' })
    expect(await ada.take()).toMatchObject([{ t: 'revoked' }])
    one.server.revoke({ user: 'ada' })
    expect(ada.socket.closedWith).toEqual({ code: 4403, reason: 'revoked' })
  })

  it('does not take nobody for everybody', () => {
    const { server } = startManual()
    expect(() => server.revoke({})).toThrow('revoke needs a user')
    expect(() => server.revoke({ user: undefined })).toThrow('revoke needs a user')
    expect(() => server.revoke({ user: '' })).toThrow('revoke needs a user')
  })
})
