/** Checks that bear the number of the threat they stand for; the others stand with what they test. */
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import fc from 'fast-check'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { describe, expect, it, onTestFinished } from 'vitest'
import { encodeMessage } from '../../src/core/protocol/codec.ts'
import { clientMessage } from '../protocol/arbitraries.ts'
import { memoryBus, settle, startManual } from './manual.ts'
import { startServer, TestClient } from './support.ts'

describe('S3 before it is known who asks', () => {
  it.each([
    '{"t":"subscribe","topics":[{"topic":"t"}]}',
    '{"t":"auth","token":"ada"}',
    '{"t":"send","id":"1","type":"x"}',
    '{"t":"presence-join","topic":"t","state":1}',
    '{"t":"presence-update","topic":"t"}',
    '{"t":"presence-leave","topic":"t"}',
    '{"t":"signal","topic":"t","type":"x"}',
    '{"t":"ping"}',
  ])('%s is answered with nothing but 4401', async (frame) => {
    let asked = 0
    const { open, server } = startManual({ authorize: () => ++asked > 0, onSend: () => ++asked })
    const client = open()
    client.raw(frame)
    expect(await client.take()).toEqual([])
    expect(client.socket.closedWith).toEqual({ code: 4401, reason: 'wait for welcome' })
    expect(asked).toBe(0)
    expect(server.presence('t')).toEqual([])
  })

  it('the same frame is refused while authenticate is under way', async () => {
    const { open } = startManual({ authenticate: () => new Promise(() => {}) })
    const client = open()
    client.send({ t: 'hello', token: 'ada' })
    client.send({ t: 'send', id: '1', type: 'x' })
    await settle()
    expect(client.socket.closedWith?.code).toBe(4401)
  })
})

describe('S6 sizes', () => {
  it('nesting beyond maxNesting is a bad message, up to it is not', async () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
    const heard: unknown[] = []
    const { connect } = startManual({
      limits: { maxNesting: 5 },
      onSend: ({ data }) => void heard.push(data),
    })
    const ada = await connect('ada')
    ada.raw(`{"t":"send","id":"1","type":"x","data":${nested(5)}}`)
    expect(await ada.take()).toMatchObject([{ t: 'ack' }])
    for (const frame of [
      `{"t":"send","id":"2","type":"x","data":${nested(6)}}`,
      `{"t":"signal","topic":"t","type":"x","data":${nested(20_000)}}`,
      `{"t":"presence-join","topic":"t","state":{"a":${nested(5)}}}`,
    ]) {
      ada.raw(frame)
      expect(await ada.take()).toMatchObject([{ t: 'error', code: 'bad-message' }])
    }
    expect(heard).toHaveLength(1)
  })

  it('of a topic: a name of 64 KiB costs the app nothing (S10)', async () => {
    let asked = 0
    const { connect } = startManual({ authorize: () => ++asked > 0, onSend: () => {} })
    const ada = await connect('ada')
    const topic = 'x'.repeat(60_000)
    ada.send({ t: 'subscribe', topics: [{ topic }] })
    ada.send({ t: 'presence-join', topic })
    ada.send({ t: 'send', id: '1', topic, type: 'x' })
    ada.send({ t: 'signal', topic, type: 'x' })
    expect((await ada.take()).map((message) => 'code' in message && message.code).sort()).toEqual([
      'forbidden',
      'forbidden',
      'limit',
      'limit',
    ])
    expect(asked).toBe(0)
  })
})

describe('S7 floods', () => {
  it('of joins and leaves close the connection with 4429; what it costs others is bounded', async () => {
    let asked = 0
    const { connect } = startManual({
      limits: { maxJoinsPerSecond: 10, maxTopicsPerConnection: 10, maxMessagesPerSecond: 1e6 },
      authorize: () => ++asked > 0,
    })
    const eve = await connect('eve', 'e')
    for (let n = 0; n < 1_000; n++) {
      eve.send({ t: 'presence-join', topic: `t${n % 5}`, state: n })
      eve.send({ t: 'presence-leave', topic: `t${n % 5}` })
    }
    await settle()
    expect(eve.socket.closedWith).toEqual({ code: 4429, reason: 'too many subscriptions' })
    expect(asked).toBeLessThanOrEqual(20)
  })

  it('of subscriptions close the connection with 4429, and a full reconnect does not', async () => {
    const { connect } = startManual({ limits: { maxMessagesPerSecond: 1e6 } })
    const [ada, eve] = [await connect('ada'), await connect('eve')]
    const topics = Array.from({ length: 128 }, (_, n) => ({ topic: `t${n}` }))
    ada.send({ t: 'subscribe', topics })
    expect(await ada.takeAll('subscribed')).toHaveLength(128)
    for (let n = 0; n < 3; n++) eve.send({ t: 'subscribe', topics })
    await settle()
    expect(eve.socket.closedWith?.code).toBe(4429)
  })

  it('of connections: an address, and a user, have only so many, and get them back', async () => {
    const { open, connect, server } = startManual({
      limits: { maxConnectionsPerAddress: 3, maxConnectionsPerUser: 2 },
    })
    const [first, ,] = [await connect('ada'), await connect('ada')]
    const third = open()
    third.send({ t: 'hello', token: 'ada' })
    await settle()
    expect(third.socket.closedWith).toEqual({ code: 4429, reason: 'too many connections of this user' })
    const fourth = open()
    expect(open().socket.closedWith).toEqual({ code: 4429, reason: 'too many connections of this address' })
    expect(open('198.51.100.7').socket.closedWith).toBeUndefined()
    first.lose()
    fourth.send({ t: 'hello', token: 'ada' })
    expect(await fourth.takeAll('welcome')).toHaveLength(1)
    expect(server.stats()).toMatchObject({ users: 1, closed: { 4429: 2 } })
  })

  it('counts addresses as the app reads them, behind a proxy', async () => {
    const { open } = startManual({
      limits: { maxConnectionsPerAddress: 1 },
      clientAddress: ({ headers }) => String(headers['x-real-ip'] ?? 'none'),
    })
    expect(open('192.0.2.1').socket.closedWith).toBeUndefined()
    expect(open('192.0.2.2').socket.closedWith?.code).toBe(4429)
  })

  it('leaves no count behind when everybody is gone', async () => {
    const { open, connect, server } = startManual()
    const clients = [await connect('ada'), await connect('bob'), open('192.0.2.9')]
    expect(server.stats()).toMatchObject({ connections: 3, users: 2, addresses: 2 })
    for (const client of clients) client.lose()
    expect(server.stats()).toMatchObject({ connections: 0, users: 0, addresses: 0 })
  })

  it('are limited over nodes by limiters of rate-limiter-flexible', async () => {
    const rateLimiters = {
      connections: new RateLimiterMemory({ points: 2, duration: 60 }),
      messages: new RateLimiterMemory({ points: 10, duration: 60 }),
      subscriptions: new RateLimiterMemory({ points: 2, duration: 60 }),
    }
    const nodes = [startManual({ rateLimiters }), startManual({ rateLimiters })]
    const [ada, bob] = [await nodes[0]!.connect('ada'), await nodes[1]!.connect('ada')]
    const third = nodes[0]!.open()
    third.send({ t: 'hello', token: 'ada' })
    await settle()
    expect(third.socket.closedWith).toEqual({ code: 4429, reason: 'too many connections' })
    ada.send({ t: 'subscribe', topics: [{ topic: 'a' }, { topic: 'b' }] })
    expect(await ada.takeAll('subscribed')).toHaveLength(2)
    bob.send({ t: 'subscribe', topics: [{ topic: 'c' }] })
    expect(await bob.take()).toMatchObject([{ t: 'refused', code: 'limit' }])
    for (let n = 0; n < 12; n++) bob.send({ t: 'ping' })
    await settle()
    expect(bob.socket.closedWith).toEqual({ code: 4429, reason: 'too many messages' })
  })

  it('are let through by a limiter that is in trouble, which is reported', async () => {
    const broken = () => ({ consume: () => Promise.reject(new Error('no store')) })
    const { connect, errors } = startManual({
      rateLimiters: { connections: broken(), messages: broken(), subscriptions: broken(), sends: broken() },
      onSend: () => {},
    })
    const ada = await connect('ada')
    ada.send({ t: 'subscribe', topics: [{ topic: 'a' }] })
    ada.send({ t: 'send', id: '1', type: 'x' })
    expect((await ada.take()).map(({ t }) => t).sort()).toEqual(['ack', 'subscribed'])
    expect(errors.map(({ code }) => code)).toEqual(Array(4).fill('callback-failed'))
  })

  it('are let through by a limiter that does not answer, as its store is away', async () => {
    const silent = () => ({ consume: () => new Promise<never>(() => {}) })
    const { open, errors, time } = startManual({
      rateLimiters: { connections: silent(), messages: silent(), subscriptions: silent(), sends: silent() },
      onSend: () => {},
    })
    const ada = open()
    ada.send({ t: 'hello', token: 'ada' })
    expect(await ada.take()).toEqual([])
    time.advance(1_000)
    expect(await ada.take()).toMatchObject([{ t: 'welcome' }])
    ada.send({ t: 'subscribe', topics: [{ topic: 'a' }] })
    ada.send({ t: 'send', id: '1', type: 'x' })
    await settle()
    time.advance(1_000)
    expect((await ada.take()).map(({ t }) => t).sort()).toEqual(['ack', 'subscribed'])
    expect(errors).toHaveLength(4)
  })

  it('report a limiter that is in trouble once, until it works again', async () => {
    let isBroken = true
    const limiter = { consume: () => (isBroken ? Promise.reject(new Error('no store')) : Promise.resolve()) }
    const { connect, errors } = startManual({ rateLimiters: { messages: limiter } })
    const ada = await connect('ada')
    const ping = async () => {
      ada.send({ t: 'ping' })
      await settle()
    }
    await ping()
    await ping()
    expect(errors).toHaveLength(1)
    isBroken = false
    await ping()
    isBroken = true
    await ping()
    expect(errors).toHaveLength(2)
  })
})

describe('S8 10,000 malformed frames', () => {
  it('leave the server serving, and every one of them is answered', async () => {
    const { connect, server, errors } = startManual({
      limits: { maxMessagesPerSecond: 1e9, maxJoinsPerSecond: 1e9, maxBufferedBytes: 1e9 },
      onSend: () => {},
    })
    const witness = await connect('witness')
    witness.send({ t: 'subscribe', topics: [{ topic: 'witness' }] })
    await witness.take()
    const before = Object.getOwnPropertyNames(Object.prototype)
    const noisy = await Promise.all(Array.from({ length: 10 }, (_, n) => connect(`noisy${n}`)))
    const broken = fc.sample(
      fc
        .tuple(
          clientMessage.filter(({ t }) => t !== 'hello' && t !== 'auth'),
          fc.nat(),
          fc.constantFrom('cut', 'flip', 'type', 'null', 'deep'),
        )
        .map(([message, at, how]) => {
          const text = encodeMessage(message)
          const bytes = Buffer.from(text)
          bytes[at % bytes.length] = bytes[at % bytes.length]! ^ (1 << (at % 8))
          switch (how) {
            case 'cut':
              return text.slice(0, at % text.length)
            case 'flip':
              return bytes.toString()
            case 'type':
              return text.replace(/"t":"[^"]*"/, '"t":["x"]')
            case 'null':
              return text.replace(/"(topics|topic|id|type)":/g, '"$1":null,"x":')
            default:
              return text.replace(
                /}$/,
                `,"data":${'['.repeat(99)}${']'.repeat(99)},"state":${'['.repeat(99)}${']'.repeat(99)}}`,
              )
          }
        }),
      { seed: 20_261_124, numRuns: 10_000 },
    )
    broken.forEach((frame, index) => noisy[index % noisy.length]!.raw(frame))
    const answers = (await Promise.all(noisy.map((client) => client.takeAll('error')))).flat()
    const bad = answers.filter(({ code }) => code === 'bad-message').length
    expect(bad).toBe(server.stats().badMessages)
    expect(bad).toBeGreaterThan(6_000)
    expect(errors.filter(({ code }) => code !== 'undecodable')).toEqual([])
    expect(noisy.map(({ socket }) => socket.closedWith)).toEqual(noisy.map(() => undefined))
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before)
    await server.publish('witness', { type: 'a' })
    expect(await witness.take()).toMatchObject([{ t: 'events' }])
  }, 60_000)
})

describe('S9 keys that change prototypes', () => {
  it.each([
    '{"__proto__":{"polluted":1}}',
    '{"a":[{"__proto__":{"polluted":1}}]}',
    '{"constructor":{"prototype":{"polluted":1}}}',
  ])('in data are refused: %s', async (data) => {
    const heard: unknown[] = []
    const { connect } = startManual({ onSend: (message) => void heard.push(message.data) })
    const ada = await connect('ada')
    ada.raw(`{"t":"send","id":"1","type":"x","data":${data}}`)
    ada.raw(`{"t":"signal","topic":"t","type":"x","data":${data}}`)
    ada.raw(`{"t":"presence-join","topic":"t","state":${data}}`)
    expect(await ada.take()).toMatchObject([
      { code: 'bad-message' },
      { code: 'bad-message' },
      { code: 'bad-message' },
    ])
    expect(heard).toEqual([])
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('are topics, types and ids like any others', async () => {
    const { connect, server, time } = startManual({ onSend: ({ id }) => id, bus: memoryBus() })
    const [ada, bob] = [await connect('__proto__', 'constructor'), await connect('bob')]
    for (const topic of ['__proto__', 'constructor', 'toString']) {
      for (const client of [ada, bob]) {
        client.send({ t: 'subscribe', topics: [{ topic }] })
        client.send({ t: 'presence-join', topic, state: topic })
        await client.take()
      }
      time.advance(100)
      await bob.take()
      await server.publish(topic, { type: topic })
      ada.send({ t: 'signal', topic, type: topic, data: topic })
      ada.send({ t: 'send', id: topic, topic, type: topic })
      await settle()
      time.advance(20)
      expect(await bob.take()).toMatchObject([
        { t: 'events', topic, events: [{ type: topic }] },
        { t: 'signals', topic, signals: [{ type: topic, from: '__proto__/constructor' }] },
      ])
      expect((await ada.takeAll('ack'))[0]).toMatchObject({ id: topic, data: topic })
      expect(server.presence(topic)).toHaveLength(2)
    }
  })
})

describe('S13 errors', () => {
  it('tell a client nothing of what went wrong inside, whatever fails', async () => {
    const canary = 'SELECT * FROM canary'
    const fails = () => {
      throw new Error(canary)
    }
    const { server, open, errors } = startManual({
      authenticate: ({ token }) => (token === 'x' ? fails() : { user: 'ada' }),
      authorize: fails,
      onSend: fails,
    })
    const [ada, eve] = [open(), open()]
    eve.send({ t: 'hello', token: 'x' })
    ada.send({ t: 'hello', token: 'ada' })
    await settle()
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    ada.send({ t: 'presence-join', topic: 't', state: 1 })
    ada.send({ t: 'signal', topic: 't', type: 'x' })
    ada.send({ t: 'send', id: '1', topic: 't', type: 'x' })
    ada.send({ t: 'send', id: '2', type: 'x' })
    ada.send({ t: 'auth', token: 'x' })
    ada.raw('{"')
    const told = [...(await ada.take()), ...(await eve.take()), ada.socket.closedWith, eve.socket.closedWith]
    expect(told.length).toBeGreaterThan(8)
    expect(JSON.stringify(told)).not.toMatch(/canary|\.ts|at /)
    expect(errors.length).toBeGreaterThanOrEqual(6)
    for (const closed of [ada.socket.closedWith, eve.socket.closedWith]) {
      expect(Buffer.byteLength(closed?.reason ?? '')).toBeLessThanOrEqual(123)
    }
    void server
  })
})

describe('S14 half-open handshakes', () => {
  it('1,000 of them hold no new client up, and are closed in time', async () => {
    const { open, connect, time, server } = startManual({ limits: { helloTimeoutMs: 5_000 } })
    const idle = Array.from({ length: 1_000 }, () => open())
    const ada = await connect('ada')
    expect(ada.socket.closedWith).toBeUndefined()
    time.advance(5_000)
    expect(idle.every(({ socket }) => socket.closedWith?.code === 4408)).toBe(true)
    expect(server.stats().connections).toBe(1)
  })

  it('raw TCP connections that say nothing, or half a request, keep nobody out', async () => {
    const { host, url } = await startServer()
    const [name, port] = host.split(':')
    const slow = Array.from({ length: 100 }, (_, n) => {
      const socket = connectTcp(Number(port), name)
      socket.on('error', () => {})
      onTestFinished(() => void socket.destroy())
      if (n % 2 === 0) socket.write('GET /realtime HTTP/1.1\r\nHost: x\r\nUpgrade: webs')
      return once(socket, 'connect')
    })
    await Promise.all(slow)
    const client = await TestClient.ready(url)
    client.subscribe('t')
    await client.next('subscribed')
  })
})
