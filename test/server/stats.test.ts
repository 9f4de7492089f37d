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
