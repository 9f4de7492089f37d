/** What the app sends over a session, over drops, stops and other users. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PLAIN, Rig, settled } from './rig.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const sends = (rig: Rig) =>
  rig.server.sent.filter((message) => (message as { t: string }).t === 'send') as {
    id: string
    type: string
  }[]

/** Reconnects, as often as the rig's server has closed. */
async function again(rig: Rig) {
  vi.advanceTimersByTime(5_000)
  await rig.welcome()
}

describe('send', () => {
  it('gives the ack of the server, with what its handler gave', async () => {
    const rig = await new Rig().live()
    const ack = rig.outbox.send('move', { to: 3 }, { topic: 't' })
    expect(rig.server.sent).toEqual([{ t: 'send', id: 'id2', type: 'move', data: { to: 3 }, topic: 't' }])
    rig.server.deliver({ t: 'ack', id: 'id2', data: 'done' })
    expect(await ack).toEqual({ fate: 'acked', data: 'done' })
    expect(rig.errors).toEqual([])
    rig.session.stop()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('waits for a connection, is counted, and goes out once, in order, after the subscriptions', async () => {
    const rig = await new Rig().live()
    rig.server.end()
    const acks = ['a', 'b'].map((type) => rig.outbox.send(type, undefined))
    expect(rig.session.status.queued).toBe(2)
    expect(rig.statuses.map(({ queued }) => queued)).toEqual([0, 1, 2])
    await again(rig)
    expect(rig.server.sent.map((message) => (message as { t: string }).t)).toEqual([
      'hello',
      'subscribe',
      'send',
      'send',
    ])
    expect(sends(rig).map(({ type }) => type)).toEqual(['a', 'b'])
    expect(rig.session.status.queued).toBe(0)
    for (const { id } of sends(rig)) rig.server.deliver({ t: 'ack', id })
    expect(await Promise.all(acks)).toEqual([{ fate: 'acked' }, { fate: 'acked' }])
  })

  it('goes out again with the same id when the connection ended before the answer', async () => {
    const rig = await new Rig().live()
    const ack = rig.outbox.send('move', 1)
    const [first] = sends(rig)
    rig.server.end()
    expect(rig.session.status.queued).toBe(1)
    await again(rig)
    expect(sends(rig)).toEqual([first])
    rig.server.deliver({ t: 'ack', id: first!.id }, { t: 'ack', id: first!.id })
    expect(await ack).toEqual({ fate: 'acked' })
  })

  it('takes data as it is when it is given', async () => {
    const rig = await new Rig().live()
    rig.server.end()
    const data = { to: 1 }
    void rig.outbox.send('move', data)
    data.to = 2
    await again(rig)
    expect(sends(rig)).toMatchObject([{ data: { to: 1 } }])
  })

  it('throws for what is no JSON: it could never be sent', async () => {
    const rig = await new Rig().live()
    expect(() => rig.outbox.send('move', 1n)).toThrow('what JSON can hold')
  })

  it('is refused here when it is larger than servers take: it would end each connection', async () => {
    const rig = await new Rig().live()
    const text = 'ß'.repeat(30_000)
    expect(await rig.outbox.send('note', text)).toMatchObject({ fate: 'refused', code: 'too-large' })
    expect(rig.server.sent).toEqual([])
    expect(rig.codes).toEqual(['send-failed'])
    expect(rig.errors[0]?.message).toContain('limits.maxMessageBytes')

    const roomy = await new Rig({ limits: { maxMessageBytes: 100_000 } }).live()
    void roomy.outbox.send('note', text)
    expect(roomy.server.sent).toHaveLength(1)
  })

  it('throws for a type or a topic without a name: it would never be answered', async () => {
    const rig = await new Rig().live()
    expect(() => rig.outbox.send('')).toThrow(/name/)
    expect(() => rig.outbox.send('note', 1, { topic: '' })).toThrow(/name/)
    expect(rig.server.sent).toEqual([])
  })

  it('tells and reports a refusal', async () => {
    const rig = await new Rig().live()
    const ack = rig.outbox.send('move', 1)
    rig.server.deliver({ t: 'error', id: 'id2', code: 'unavailable', message: 'Not now.', retryAfterMs: 900 })
    expect(await ack).toEqual({
      fate: 'refused',
      code: 'unavailable',
      message: 'Not now.',
      retryAfterMs: 900,
    })
    expect(rig.errors).toMatchObject([
      { code: 'send-failed', details: { id: 'id2', type: 'move', fate: 'refused' } },
    ])
    expect(rig.session.status.status).toBe('live')
  })

  it('goes out again, later, when the server has said that there are too many', async () => {
    const rig = await new Rig().live()
    const ack = rig.outbox.send('move', 1)
    rig.server.deliver({ t: 'error', id: 'id2', code: 'limit', message: 'Slowly.', retryAfterMs: 900 })
    expect(rig.session.status.queued).toBe(1)
    vi.advanceTimersByTime(899)
    expect(sends(rig)).toHaveLength(1)
    vi.advanceTimersByTime(1)
    expect(sends(rig).map(({ id }) => id)).toEqual(['id2', 'id2'])
    rig.server.deliver({ t: 'ack', id: 'id2' })
    expect(await ack).toEqual({ fate: 'acked' })
    expect([rig.errors, rig.session.status.queued]).toEqual([[], 0])
  })

  it('is given up after its time, and is known to have gone out or not', async () => {
    const rig = await new Rig({ heartbeat: false }).live()
    const first = rig.outbox.send('first', 1, { timeoutMs: 60_000 })
    rig.server.end()
    const second = rig.outbox.send('second', 2)
    vi.advanceTimersByTime(60_000)
    expect(await first).toEqual({ fate: 'unknown' })
    expect(rig.session.status.queued).toBe(1)
    vi.advanceTimersByTime(240_000)
    expect(await second).toEqual({ fate: 'expired' })
    expect(rig.codes.filter((code) => code === 'send-failed')).toHaveLength(2)
  })

  it('may wait for ever, as far as timers go', async () => {
    const rig = await new Rig({ heartbeat: false }).live()
    const ended = vi.fn()
    void rig.outbox.send('move', 1, { timeoutMs: Infinity }).then(ended)
    await vi.advanceTimersByTimeAsync(86_400_000)
    expect(ended).not.toHaveBeenCalled()
  })

  it('is refused when a hundred wait', async () => {
    const rig = await new Rig().live()
    rig.server.end()
    for (let n = 0; n < 100; n++) void rig.outbox.send('move', n)
    expect(await rig.outbox.send('move', 100)).toEqual({ fate: 'full' })
    expect(rig.session.status.queued).toBe(100)
  })

  it('is not kept when it is ephemeral, and nobody is bothered with that', async () => {
    const rig = await new Rig().live()
    const onTheWay = rig.outbox.send('cursor', 1, { ephemeral: true })
    rig.server.end()
    expect(await onTheWay).toEqual({ fate: 'unknown' })
    expect(await rig.outbox.send('cursor', 2, { ephemeral: true })).toEqual({ fate: 'dropped' })
    expect(rig.session.status.queued).toBe(0)
    expect(rig.errors).toEqual([])
  })

  it('has its end when the session stops, and leaves nothing (L9)', async () => {
    const rig = await new Rig().live()
    const sent = rig.outbox.send('a', 1)
    rig.server.end()
    const waiting = rig.outbox.send('b', 1)
    rig.session.stop()
    expect(await Promise.all([sent, waiting])).toEqual([{ fate: 'unknown' }, { fate: 'stopped' }])
    expect(await rig.outbox.send('c', 1)).toEqual({ fate: 'stopped' })
    expect(vi.getTimerCount()).toBe(0)
    rig.session.start()
    await rig.welcome()
    expect(sends(rig)).toEqual([])
  })

  it('waits while the server has ended the session for good, for the app may start it again', async () => {
    const rig = await new Rig().live()
    rig.server.end({ code: 4401 })
    const ack = rig.outbox.send('a', 1)
    rig.session.start()
    await rig.welcome()
    rig.server.deliver({ t: 'ack', id: sends(rig)[0]!.id })
    expect(await ack).toEqual({ fate: 'acked' })
  })

  it('is a mistake over a plain backend', () => {
    expect(() => new Rig(PLAIN).livePlain().outbox.send('a', 1)).toThrow('send there')
  })
})

describe('another user (L10)', () => {
  it('finds nothing of the last one: no position, nothing that waits, no token, another name', async () => {
    const answers: ((token: string) => void)[] = []
    const rig = new Rig({ token: () => new Promise<string>((resolve) => answers.push(resolve)) })
    rig.session.setTopics(['t'])
    rig.session.start()
    rig.server.open()
    answers[0]!('of ada')
    await settled()
    rig.server.deliver({ t: 'welcome', connectionId: '1' })
    rig.server.deliver({ t: 'subscribed', topic: 't', outcome: 'fresh', position: { epoch: 'a', offset: 5 } })
    const sent = rig.outbox.send('a', 1)
    // The token is asked for once more, and the answer comes too late.
    rig.server.deliver({ t: 'token-expires', inMs: 30_000 })
    await settled()
    const { server: old } = rig

    rig.session.switchUser()
    expect(old.state).toBe('closed')
    expect(await sent).toEqual({ fate: 'unknown' })
    rig.server.open()
    answers[1]!('of ada, again')
    answers[2]!('of bob')
    await settled()
    rig.server.deliver({ t: 'welcome', connectionId: '2' })
    expect(rig.server.sent).toEqual([
      { t: 'hello', token: 'of bob', clientId: 'id3' },
      { t: 'subscribe', topics: [{ topic: 't' }] },
    ])
    expect(old.sent.at(-1)).toMatchObject({ t: 'send' })
  })

  it('is told nothing more of the frame in which the user changed', async () => {
    const rig = await new Rig().live()
    rig.on.onEvents = () => {
      rig.session.switchUser()
    }
    rig.server.deliver({
      t: 'subscribed',
      topic: 't',
      outcome: 'reset',
      position: { epoch: 'b', offset: 1 },
    })
    rig.clean()
    // Two histories in one frame: what is held of the second would follow the first.
    rig.server.deliver({
      t: 'events',
      topic: 't',
      epoch: 'b',
      events: [{ type: 'e', data: 'first', offset: 2 }],
    })
    expect(rig.told).toEqual(['first', 'connecting'])
  })

  it('is not connected when nobody was', () => {
    const rig = new Rig()
    rig.session.switchUser()
    expect(rig.transport.connections).toEqual([])
    expect(rig.session.status.status).toBe('idle')
  })

  it('may read what the last one was refused', async () => {
    const rig = await new Rig().live()
    rig.session.setTopics(['t', 'u'])
    rig.server.deliver({ t: 'refused', topic: 'u', code: 'forbidden', message: '' })
    rig.session.switchUser()
    await rig.welcome()
    expect(rig.server.sent[1]).toEqual({ t: 'subscribe', topics: [{ topic: 't' }, { topic: 'u' }] })
  })
})

describe('a token that ends while the connection is open', () => {
  async function expiring(token: () => string | Promise<string> | undefined) {
    const rig = new Rig({ token })
    rig.session.start()
    await rig.welcome()
    rig.clean()
    return rig
  }

  it('is renewed in place', async () => {
    let count = 0
    const rig = await expiring(() => `token ${++count}`)
    rig.server.deliver({ t: 'token-expires', inMs: 30_000 })
    await settled()
    expect(rig.server.sent).toEqual([{ t: 'auth', token: 'token 2' }])
    rig.server.deliver({ t: 'authed' })
    expect([rig.session.status.status, rig.transport.connections.length]).toEqual(['live', 1])
  })

  it('is asked for once, however often the server warns, and used by the next connection, too', async () => {
    const answers: ((token: string) => void)[] = []
    const token = vi.fn(() => new Promise<string>((resolve) => answers.push(resolve)))
    const rig = new Rig({ token })
    rig.session.start()
    rig.server.open()
    answers[0]!('first')
    await settled()
    rig.server.deliver({ t: 'welcome', connectionId: '1' })
    const expires = { t: 'token-expires', inMs: 30_000 } as const
    rig.server.deliver(expires, expires)
    rig.server.end({ code: 4402 })
    rig.server.open()
    await settled()
    expect(token).toHaveBeenCalledTimes(2)
    answers[1]!('second')
    await settled()
    expect(rig.server.sent).toMatchObject([{ t: 'hello', token: 'second' }])
  })

  it('stays when the app has no other one: the server ends the connection, and the next one asks', async () => {
    const rig = await expiring(() => 'the same')
    rig.server.deliver({ t: 'token-expires', inMs: 30_000 })
    await settled()
    expect(rig.server.sent).toEqual([])
    rig.server.end({ code: 4402 })
    await rig.welcome()
    expect(rig.session.status.status).toBe('live')
  })

  it('that cannot be renewed is reported, and the connection goes on for as long as it may', async () => {
    let isBroken = false
    const rig = await expiring(() => {
      if (isBroken) throw new Error('no session')
      return 'good'
    })
    isBroken = true
    rig.server.deliver({ t: 'token-expires', inMs: 30_000 })
    await settled()
    expect(rig.codes).toEqual(['transport-failed'])
    expect(rig.session.status.status).toBe('live')
  })

  it('is not asked for again by the next dials while the app has not answered, and that is reported', async () => {
    const answers: ((token: string) => void)[] = []
    const token = vi.fn(() => new Promise<string>((resolve) => answers.push(resolve)))
    const rig = new Rig({ token })
    rig.session.start()
    rig.server.open()
    for (let dial = 0; dial < 3; dial++) {
      vi.advanceTimersByTime(15_000)
      rig.server.open()
    }
    expect(token).toHaveBeenCalledTimes(1)
    expect(rig.errors[0]?.message).toContain('The token provider has not answered.')
    answers[0]!('at last')
    await settled()
    expect(rig.server.sent).toMatchObject([{ t: 'hello', token: 'at last' }])
  })
})

describe('a question for a token that hangs', () => {
  it('is asked again after a minute: it may have gone out over a network that is gone', async () => {
    const answers: ((token: string) => void)[] = []
    const token = vi.fn(() => new Promise<string>((resolve) => answers.push(resolve)))
    const rig = new Rig({ token, limits: { retryMaxMs: 1_000 } })
    rig.session.start()
    const dials = (ms: number) => {
      for (let at = 0; at < ms; at += 500) {
        if (rig.server.state === 'connecting') rig.server.open()
        vi.advanceTimersByTime(500)
      }
    }
    dials(59_000)
    expect(token).toHaveBeenCalledTimes(1)
    dials(15_000)
    expect(token).toHaveBeenCalledTimes(2)
    // The first answer is nobody's any more.
    answers[0]!('late')
    await settled()
    expect(rig.server.sent).toEqual([])
    answers[1]!('at last')
    await settled()
    expect(rig.server.sent).toMatchObject([{ t: 'hello', token: 'at last' }])
  })
})

describe('a right that ends', () => {
  it('ends the topic, refetches what it kept live, and is not asked for again', async () => {
    const rig = await new Rig().live()
    rig.server.deliver({ t: 'revoked', topic: 't', message: 'No longer yours.' })
    expect(rig.told).toEqual(['reset t -'])
    expect(rig.session.topicState('t')).toBe('refused')
    expect(rig.codes).toEqual(['topic-refused'])
    rig.server.end()
    await again(rig)
    expect(rig.server.sent).toEqual([{ t: 'hello', clientId: 'id1' }])
  })
})
