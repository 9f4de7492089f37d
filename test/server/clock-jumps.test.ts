import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { memoryEventLog } from '../../src/server/index.ts'
import { manualClock, settle, startManual } from './manual.ts'

const HOUR = 3_600_000

/** A clock whose time of day can be set, beside the time that goes by. */
function settableClock() {
  const time = manualClock()
  let aheadMs = 0
  return {
    ...time,
    clock: { ...time.clock, now: () => time.clock.now() + aheadMs, elapsed: () => time.clock.now() },
    set(ms: number) {
      aheadMs += ms
    },
  }
}

describe.each([
  ['back', -HOUR],
  ['forward', HOUR],
])('a clock that is set %s', (_, jump) => {
  it('makes no lease longer or shorter', async () => {
    const time = settableClock()
    let asked = 0
    const { connect } = startManual({ authorize: () => (asked++, true), leaseMs: 300_000 }, time)
    const ada = await connect('ada')
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    await settle()
    time.set(jump)
    time.advance(200_000)
    await settle()
    expect(asked).toBe(1)
    time.advance(200_000)
    await settle()
    expect(asked).toBe(2)
  })

  it('gives a slow consumer no more and no less time', async () => {
    const time = settableClock()
    const { connect, server } = startManual({ limits: { maxBufferedBytes: 100 } }, time)
    const ada = await connect('ada')
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    await ada.take()
    ada.socket.bufferedAmount = 200
    await server.publish('t', { type: 'x' })
    await settle()
    time.set(jump)
    time.advance(4_000)
    expect(server.stats()).toMatchObject({ heldBack: 1, lagMs: 4_000 })
    time.advance(2_000)
    expect(ada.socket.closedWith).toMatchObject({ code: 4413 })
  })

  it('hides a silent member when it is silent for long enough', async () => {
    const time = settableClock()
    const { connect, server } = startManual({}, time)
    const ada = await connect('ada')
    ada.send({ t: 'presence-join', topic: 'room', state: {} })
    await settle()
    time.set(jump)
    time.advance(85_000)
    expect(server.presence('room')).toHaveLength(1)
    time.advance(10_000)
    expect(server.presence('room')).toHaveLength(0)
  })
})

describe('a clock that is set', () => {
  it('sets the end of credentials, which is a time of day', async () => {
    const time = settableClock()
    const { connect } = startManual({ expiresAt: () => 2 * HOUR }, time)
    const [ada, bob] = [await connect('ada'), await connect('bob')]
    time.set(-HOUR)
    time.advance(HOUR)
    bob.send({ t: 'auth', token: 'bob' })
    await settle()
    expect([ada, bob].map(({ socket }) => socket.closedWith)).toEqual([undefined, undefined])
    time.set(2 * HOUR)
    time.advance(1_000)
    expect(ada.socket.closedWith).toMatchObject({ code: 4402 })
  })

  it('makes no topic look quiet that is not', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const { connect, server } = startManual({ log: memoryEventLog() })
    const ada = await connect('ada')
    await server.publish('t', { type: 'x' })
    vi.setSystemTime(Date.now() + HOUR)
    ada.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    const [answer] = await ada.takeAll('subscribed')
    expect(answer?.quietMs).toBeLessThan(HOUR / 2)
  })
})
