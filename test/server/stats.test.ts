import { describe, expect, it } from 'vitest'
import { memoryEventLog } from '../../src/server/index.ts'
import { settle, startManual } from './manual.ts'

describe('stats', () => {
  it('count what there is now and what has happened', async () => {
    const { connect, server } = startManual({ onSend: () => {} })
    const [ada, bob] = [await connect('ada'), await connect('bob')]
    ada.send({ t: 'subscribe', topics: [{ topic: 'a' }, { topic: 'b' }] })
    ada.send({ t: 'presence-join', topic: 'a' })
    ada.send({ t: 'send', id: '1', type: 'x' })
    bob.raw('?')
    await settle()
    await server.publish('a', { type: 'x' })
    bob.socket.bufferedAmount = 700
    ada.socket.bufferedAmount = 100
    expect(server.stats()).toEqual({
      connections: 2,
      users: 2,
      addresses: 1,
      subscriptions: 2,
      presences: 1,
      published: 1,
      messages: 5,
      badMessages: 1,
      sends: 1,
      sendErrors: 0,
      signals: 0,
      droppedSignals: 0,
      refused: 0,
      revoked: 0,
      closed: {},
      opened: 2,
      left: {},
      fresh: 2,
      replayed: 0,
      reset: 0,
      waitingAuthentications: 0,
      waitingAuthorizations: 0,
      bufferedBytes: expect.any(Number),
      maxBufferedBytes: 700,
      heldBack: 0,
      lagMs: 0,
    })
  })

  it('tell how long the slowest client has been held back', async () => {
    const { connect, server, time } = startManual({ limits: { maxBufferedBytes: 100 } })
    const ada = await connect('ada')
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    await ada.take()
    ada.socket.bufferedAmount = 200
    await server.publish('t', { type: 'x' })
    await settle()
    time.advance(1_500)
    expect(server.stats()).toMatchObject({ heldBack: 1, lagMs: 1_500 })
    time.advance(4_000)
    expect(server.stats()).toMatchObject({ heldBack: 0, lagMs: 0, closed: { 4413: 1 } })
  })
})

describe('stats of what comes and goes', () => {
  it('tell connections that this side has closed from those that left or were lost', async () => {
    const { connect, open, server } = startManual()
    const clients = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((token) => connect(token)))
    clients[0]!.lose()
    clients[1]!.lose(1001)
    // Whatever clients call their own end, there are only so many numbers.
    clients[2]!.lose(3_123)
    clients[3]!.lose(4_900)
    server.revoke({ user: 'e' })
    open().raw('nonsense')
    expect(server.stats()).toMatchObject({
      opened: 6,
      connections: 0,
      left: { 1001: 1, 1006: 1, 4000: 1, 4900: 1 },
      closed: { 4400: 1, 4403: 1 },
    })
  })

  it('tell how topics were brought up to date', async () => {
    const { connect, server } = startManual({ log: memoryEventLog({ maxEventsPerTopic: 2, epoch: 'e' }) })
    const publish = () => server.publish('t', { type: 'x' })
    const ada = await connect('ada')
    const from = async (offset: number, epoch = 'e') => {
      ada.send({ t: 'subscribe', topics: [{ topic: 't', position: { epoch, offset } }] })
      return (await ada.takeAll('subscribed')).map(({ outcome }) => outcome)
    }
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    await ada.take()
    for (let n = 0; n < 5; n++) await publish()
    expect([await from(5), await from(4), await from(1), await from(5, 'other')].flat()).toEqual([
      'replayed',
      'replayed',
      'reset',
      'reset',
    ])
    expect(server.stats()).toMatchObject({ fresh: 1, replayed: 2, reset: 2 })
  })

  it('tell how many wait for authenticate and authorize', async () => {
    const { connect, open, server } = startManual({
      authenticate: ({ token = '' }) => (token === 'held' ? new Promise(() => {}) : { user: token }),
      authorize: () => new Promise(() => {}),
      limits: { maxConcurrentAuthentications: 2, maxConcurrentAuthorizations: 3 },
    })
    const ada = await connect('ada')
    ada.send({ t: 'subscribe', topics: ['a', 'b', 'c', 'd'].map((topic) => ({ topic })) })
    for (let n = 0; n < 5; n++) open().send({ t: 'hello', token: 'held' })
    await settle()
    expect(server.stats()).toMatchObject({ waitingAuthentications: 3, waitingAuthorizations: 1 })
  })
})

describe('health', () => {
  it('is ok, then draining', async () => {
    const { server } = startManual()
    expect(await server.health()).toEqual({ status: 'ok', connections: 0, logMs: 0 })
    await server.close()
    expect(await server.health()).toMatchObject({ status: 'draining' })
  })

  it('is failing when the log rejects, or does not answer in 2 s', async () => {
    const log = memoryEventLog()
    const broken = startManual({ log: { ...log, head: () => Promise.reject(new Error('no log')) } })
    expect(await broken.server.health()).toEqual({ status: 'failing', connections: 0, logMs: undefined })
    const { server, time } = startManual({ log: { ...log, head: () => new Promise(() => {}) } })
    const health = server.health()
    time.advance(2_000)
    expect(await health).toMatchObject({ status: 'failing' })
    expect(time.pending()).toBe(0)
  })
})

describe('the logger', () => {
  it('hears of connections, and warns of clients that were cut', async () => {
    const { connect, logs } = startManual({ limits: { maxMessagesPerSecond: 1 } })
    const ada = await connect('ada')
    for (let n = 0; n < 5; n++) ada.send({ t: 'ping' })
    await settle()
    expect(logs).toMatchObject([
      { level: 'debug', message: 'connection opened', details: { connectionId: ada.connectionId } },
      { level: 'warn', message: 'connection closed by the server', details: { code: 4429 } },
      { level: 'debug', message: 'connection closed' },
    ])
  })

  it('may throw, and have no warn', async () => {
    const heard: string[] = []
    const { connect, server, errors } = startManual({
      logger: {
        debug: (message) => {
          heard.push(message)
          throw new Error('logger')
        },
      },
    })
    const ada = await connect('ada')
    server.revoke({ user: 'ada' })
    expect(ada.socket.closedWith?.code).toBe(4403)
    expect(heard).toContain('connection closed by the server')
    expect(errors.every(({ code }) => code === 'listener-failed')).toBe(true)
  })
})
