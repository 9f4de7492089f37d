/** A machine that sleeps for hours: no timer fires, the clock jumps, and nobody has closed the socket. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { events, PLAIN, replayed, reset, Rig, settled } from './rig.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const HOURS = 8 * 3_600_000

/** The clock jumps. What was to fire meanwhile is as far away as before, as with timers that stand still in sleep. */
const sleep = (ms: number) => vi.setSystemTime(Date.now() + ms)

const pings = (rig: Rig) =>
  rig.server.sent.filter((message) => (message as { t: string }).t === 'ping').length

describe('a sleep of hours', () => {
  it('is noticed when somebody looks: the dead connection is replaced within seconds, and resumes', async () => {
    const rig = await new Rig().live()
    sleep(HOURS)
    rig.signals.tell('woken')
    expect(pings(rig)).toBe(1)
    vi.advanceTimersByTime(5_000)
    expect(rig.session.status).toMatchObject({ status: 'waiting', reason: 'lost' })
    vi.advanceTimersByTime(1_000)
    await rig.welcome()
    expect(rig.server.sent.at(-1)).toEqual({
      t: 'subscribe',
      topics: [{ topic: 't', position: { epoch: 'a', offset: 5 } }],
    })
    rig.server.deliver(reset('t', 9_000))
    expect(rig.session.status.status).toBe('live')
    expect(rig.told).toContain('reset t b9000')
  })

  it('is noticed within seconds when nobody looks, and no signal comes', async () => {
    const rig = await new Rig().live()
    vi.advanceTimersByTime(1_000)
    sleep(HOURS)
    vi.advanceTimersByTime(5_000)
    expect(pings(rig)).toBe(1)
    vi.advanceTimersByTime(5_000)
    expect(rig.told).toEqual(['waiting', 'connecting'])
  })

  it('keeps a connection that has survived, and asks for what was lost on the way', async () => {
    const rig = await new Rig().live()
    sleep(HOURS)
    rig.signals.tell('woken')
    rig.server.deliver({ t: 'pong', heads: { t: { epoch: 'a', offset: 7 } } })
    expect(rig.server.sent.at(-1)).toMatchObject({
      t: 'subscribe',
      topics: [{ topic: 't', position: { offset: 5 } }],
    })
    rig.server.deliver(replayed('t', 7, 6, 7))
    expect(rig.told).toEqual(['6 7 (replay)', 'replayed t a7'])
    expect(rig.transport.connections).toHaveLength(1)
  })

  it('while it waits to dial makes it dial when somebody looks', async () => {
    const rig = await new Rig().live()
    rig.server.end({ code: 1013 })
    sleep(HOURS)
    rig.signals.tell('woken')
    vi.advanceTimersByTime(0)
    await settled()
    expect(rig.session.status.status).toBe('connecting')
  })

  it('makes sends too old: they do not go out with the next connection', async () => {
    const rig = await new Rig().live()
    rig.server.end()
    const ack = rig.outbox.send('nudge', 1)
    sleep(HOURS)
    rig.signals.tell('woken')
    vi.advanceTimersByTime(1_000)
    await rig.welcome()
    expect(await ack).toEqual({ fate: 'expired' })
    expect(rig.server.sent.map((message) => (message as { t: string }).t)).toEqual(['hello', 'subscribe'])
  })

  it('while it waits for a full server makes it dial within seconds, when nobody looks', async () => {
    const rig = await new Rig().live()
    rig.server.end({ code: 1013 })
    sleep(HOURS)
    vi.advanceTimersByTime(5_000)
    expect(rig.session.status.status).toBe('connecting')
  })

  it('and a clock that is set back do no harm', async () => {
    const rig = await new Rig().live()
    sleep(-HOURS)
    for (let minute = 0; minute < 10; minute++) {
      vi.advanceTimersByTime(25_000)
      rig.server.deliver({ t: 'pong', heads: { t: { epoch: 'a', offset: 5 } } })
    }
    expect(rig.transport.connections).toHaveLength(1)
    expect(rig.session.status.status).toBe('live')
  })
})

describe('a backend that answers no ping', () => {
  it('is dialled anew after a sleep: nothing else proves that it is still there', () => {
    const rig = new Rig(PLAIN).livePlain()
    vi.advanceTimersByTime(100_000)
    sleep(10 * 60_000)
    vi.advanceTimersByTime(5_000)
    expect(rig.transport.connections.map(({ state }) => state)).toEqual(['closed', 'connecting'])
    rig.server.open()
    expect(rig.told).toEqual(['connecting', 'reset * -', 'live'])
  })

  it('is kept while timers are throttled to one a minute', () => {
    const rig = new Rig(PLAIN).livePlain()
    for (let minute = 0; minute < 60; minute++) {
      sleep(55_000)
      vi.advanceTimersByTime(5_000)
    }
    expect(rig.transport.connections).toHaveLength(1)
    rig.session.stop()
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a clock that is set back by hours', () => {
  it('while there is no network does not hold up the dial', async () => {
    const rig = await new Rig().live()
    rig.server.end()
    rig.signals.isUp = false
    rig.signals.tell('offline')
    sleep(-HOURS)
    rig.signals.isUp = true
    rig.signals.tell('online')
    expect(rig.session.status.status).toBe('waiting')
    expect(rig.session.status.retryAt).toBeLessThanOrEqual(Date.now() + 500)
    vi.advanceTimersByTime(500)
    expect(rig.session.status.status).toBe('connecting')
  })

  it('while a gap is open does not hold up its end', async () => {
    const rig = await new Rig().live()
    rig.server.deliver(events('t', 7))
    sleep(-HOURS)
    vi.advanceTimersByTime(2_000 + 4_000 + 6_000)
    expect(rig.told).toEqual(['reset t a6', '7'])
  })

  it('does not hold up what the server has put off, nor keep what is too old', async () => {
    const rig = await new Rig().live()
    const taken = rig.outbox.send('first')
    rig.server.deliver({ t: 'error', id: 'id2', code: 'limit', message: 'Later.', retryAfterMs: 1_000 })
    sleep(-HOURS)
    rig.clean()
    vi.advanceTimersByTime(1_000)
    expect(rig.server.sent).toMatchObject([{ t: 'send', id: 'id2' }])
    vi.advanceTimersByTime(24_000)
    rig.server.deliver({ t: 'pong', heads: { t: { epoch: 'a', offset: 5 } } })
    rig.server.end()
    vi.advanceTimersByTime(300_000)
    expect(await taken).toEqual({ fate: 'unknown' })
  })
})

describe('a page that is frozen, or kept in the back/forward cache', () => {
  it('replaces its connection when it is back, once, whatever signals come', async () => {
    const rig = await new Rig().live()
    sleep(600_000)
    for (const signal of ['restored', 'online', 'restored', 'woken', 'online'] as const)
      rig.signals.tell(signal)
    expect(rig.transport.connections).toHaveLength(2)
    expect(rig.transport.connections[0]?.state).toBe('closed')
    await rig.welcome()
    rig.server.deliver(replayed('t', 6, 6))
    expect(rig.session.status.status).toBe('live')
    vi.advanceTimersByTime(20_000)
    expect(rig.transport.connections).toHaveLength(2)
  })
})

describe('a network that flaps', () => {
  it('a hundred times in ten seconds never has two connections, and dials a few times only', async () => {
    const rig = await new Rig().live()
    for (let flap = 0; flap < 100; flap++) {
      rig.signals.isUp = flap % 2 === 1
      rig.signals.tell(rig.signals.isUp ? 'online' : 'offline')
      if (flap % 10 === 0 && rig.server.state === 'open') rig.server.end()
      const open = rig.transport.connections.filter(({ state }) => state !== 'closed')
      expect(open.length).toBeLessThanOrEqual(1)
      vi.advanceTimersByTime(100)
    }
    expect(rig.transport.connections.length).toBeLessThanOrEqual(21)
    rig.signals.isUp = true
    rig.signals.tell('online')
    vi.advanceTimersByTime(1_000)
    if (rig.server.state === 'connecting') await rig.welcome()
    rig.server.deliver(replayed('t', 6, 6))
    expect(rig.session.status.status).toBe('live')
    rig.session.stop()
    expect(vi.getTimerCount()).toBe(0)
  })
})
