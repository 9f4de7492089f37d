import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CloseCode } from '../../src/core/protocol/close-codes.ts'
import { events, fresh, PLAIN, replayed, reset, Rig, settled } from './rig.ts'

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 })
})

afterEach(() => {
  vi.useRealTimers()
})

describe('connecting', () => {
  it('goes from idle to live: hello, subscribe, answers', async () => {
    const rig = new Rig({ token: () => 'secret' })
    expect(rig.session.status).toEqual({ status: 'idle', attempt: 0, queued: 0 })
    rig.session.setTopics(['s', 't'])
    rig.session.start()
    await rig.welcome()
    rig.server.deliver(fresh('t', 5))
    expect(rig.session.topicState('t')).toBe('live')
    expect(rig.session.topicState('s')).toBe('resyncing')
    rig.server.deliver(fresh('s', 0))
    expect(rig.told).toEqual(['connecting', 'handshaking', 'resyncing', 'fresh t a5', 'fresh s a0', 'live'])
    expect(rig.server.sent).toEqual([
      { t: 'hello', token: 'secret', clientId: 'id1' },
      { t: 'subscribe', topics: [{ topic: 's' }, { topic: 't' }] },
    ])
  })

  it('is live at once when no topic is wanted', async () => {
    const rig = new Rig()
    rig.session.start()
    await rig.welcome()
    expect(rig.session.status).toEqual({ status: 'live', attempt: 0, queued: 0 })
    expect(rig.server.sent).toEqual([{ t: 'hello', clientId: 'id1' }])
  })

  it('gives the same status object until something changes', () => {
    const rig = new Rig()
    rig.session.start()
    const { status } = rig.session
    rig.session.start()
    rig.server.fail(new Error('a detail'))
    rig.signals.tell('online')
    expect(rig.session.status).toBe(status)
    expect(rig.statuses).toEqual([status])
  })

  it('tells the attempt, the reason and the time of the next dial', () => {
    const rig = new Rig()
    rig.session.start()
    rig.server.end()
    expect(rig.session.status).toEqual({
      status: 'waiting',
      reason: 'unreachable',
      attempt: 1,
      retryAt: 1_000_250,
      queued: 0,
    })
    vi.advanceTimersByTime(250)
    expect(rig.session.status).toMatchObject({ status: 'connecting', reason: 'unreachable', attempt: 2 })
    expect(rig.transport.connections).toHaveLength(2)
  })

  it('gives up an attempt that takes too long, and says so', async () => {
    const rig = new Rig()
    rig.session.setTopics(['t'])
    rig.session.start()
    await rig.welcome()
    vi.advanceTimersByTime(9_999)
    expect(rig.session.status.status).toBe('resyncing')
    vi.advanceTimersByTime(1)
    expect(rig.session.status.status).toBe('waiting')
    expect(rig.server.closedWith?.code).toBe(CloseCode.HeartbeatTimeout)
    expect(rig.codes).toEqual(['transport-failed'])
  })

  it('tells what may be wrong when a server takes the connection, and never says welcome', async () => {
    const rig = new Rig()
    rig.session.start()
    rig.server.open()
    await settled()
    rig.server.deliver('{"type":"todo.updated","payload":{}}')
    expect(rig.errors[0]?.message).toContain('needs `decode`')
    vi.advanceTimersByTime(10_000)
    expect(rig.codes).toEqual(['undecodable', 'transport-failed'])
    expect(rig.errors[1]?.message).toContain('needs `decode`')
  })

  it('reports a transport that cannot connect, and dials again', () => {
    const cause = new Error('no socket')
    const connect = vi.fn(() => {
      throw cause
    })
    const rig = new Rig({ connect })
    rig.session.start()
    expect(rig.errors[0]).toMatchObject({ code: 'transport-failed', cause })
    vi.advanceTimersByTime(250)
    expect(connect).toHaveBeenCalledTimes(2)
  })

  it('reports a transport that cannot send, and dials again', async () => {
    const rig = new Rig()
    rig.session.start()
    rig.server.open()
    rig.server.send = () => {
      throw new Error('buffer is full')
    }
    await settled()
    expect(rig.codes).toEqual(['transport-failed'])
    expect(rig.session.status.status).toBe('waiting')
  })

  it('does not dial while there is no network', () => {
    const rig = new Rig()
    rig.signals.isUp = false
    rig.session.start()
    vi.advanceTimersByTime(60_000)
    expect(rig.session.status).toEqual({ status: 'offline', attempt: 0, queued: 0 })
    expect(rig.transport.connections).toHaveLength(0)
    rig.signals.tell('online')
    vi.advanceTimersByTime(250)
    expect(rig.session.status).toMatchObject({ status: 'connecting', attempt: 1 })
  })

  it('says offline as soon as the browser does, keeps the connection, and is live again when it answers', async () => {
    const rig = await new Rig().live()
    rig.signals.tell('offline')
    expect(rig.session.status).toEqual({ status: 'offline', attempt: 0, queued: 0 })
    expect(rig.session.isConnected).toBe(true)
    rig.signals.tell('online')
    expect(rig.session.status.status).toBe('offline') // Nobody knows yet whether the socket has come through.
    rig.server.deliver({ t: 'pong' })
    expect(rig.session.status).toEqual({ status: 'live', attempt: 0, queued: 0 })
    expect(rig.transport.connections).toHaveLength(1)
  })

  it('says offline on, when the connection does not answer, and dials when the browser takes it back', async () => {
    const rig = await new Rig().live()
    rig.signals.isUp = false
    rig.signals.tell('offline')
    vi.advanceTimersByTime(60_000)
    expect(rig.statuses.map(({ status }) => status).at(-1)).toBe('offline')
    expect(rig.session.isConnected).toBe(false)
    expect(rig.transport.connections).toHaveLength(1)
    rig.signals.isUp = true
    rig.signals.tell('online')
    vi.advanceTimersByTime(500)
    expect(rig.session.status.status).toBe('connecting')
  })

  it('ends for good when the server says so, until the app starts it again', () => {
    const rig = new Rig()
    rig.session.start()
    rig.server.end({ code: CloseCode.Unauthorized })
    expect(rig.session.status).toMatchObject({ status: 'closed', reason: 'unauthorized' })
    expect(rig.codes).toEqual(['unauthorized'])
    expect(vi.getTimerCount()).toBe(0)
    expect(rig.signals.listeners.size).toBe(0)
    rig.session.start()
    expect(rig.session.status.status).toBe('connecting')
  })

  it('comes back when the server that goes away has said', async () => {
    const rig = await new Rig().live()
    rig.server.deliver({ t: 'going-away', retryAfterMs: 5_000 })
    rig.server.end({ code: 1001 })
    expect(rig.session.status).toMatchObject({ status: 'waiting', retryAt: 1_000_000 + 5_000 + 1_000 })
  })
})

describe('the token', () => {
  it('is asked for on every connection anew', async () => {
    let count = 0
    const rig = new Rig({ token: async () => `token ${++count}` })
    rig.session.start()
    await rig.welcome()
    rig.server.end()
    vi.advanceTimersByTime(1_000)
    await rig.welcome()
    expect(rig.transport.connections.map(({ sent }) => sent)).toEqual([
      [{ t: 'hello', token: 'token 1', clientId: 'id1' }],
      [{ t: 'hello', token: 'token 2', clientId: 'id1' }],
    ])
  })

  it('is asked for at once when the server says that it is too old', async () => {
    const rig = await new Rig({ token: () => 'token' }).live()
    rig.server.end({ code: CloseCode.TokenExpired })
    expect(rig.transport.connections).toHaveLength(2)
    rig.server.open()
    await settled()
    rig.server.end({ code: CloseCode.TokenExpired })
    expect(rig.session.status).toMatchObject({ status: 'closed', reason: 'unauthorized' })
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no session')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no session'))],
  ])('that %s is reported, and asked for again after a backoff', async (_, token) => {
    const rig = new Rig({ token: vi.fn(token) })
    rig.session.start()
    rig.server.open()
    await settled()
    expect(rig.errors[0]).toMatchObject({ code: 'transport-failed', cause: new Error('no session') })
    expect(rig.session.status).toMatchObject({ status: 'waiting', attempt: 1 })
    expect(rig.server.state).toBe('closed')
    vi.advanceTimersByTime(250)
    rig.server.open()
    await settled()
    expect(rig.transport.token).toHaveBeenCalledTimes(2)
  })

  it('that comes too late is not used (L10)', async () => {
    const answers: ((token: string) => void)[] = []
    const rig = new Rig({ token: () => new Promise<string>((resolve) => answers.push(resolve)) })
    rig.session.start()
    rig.server.open()
    rig.session.stop()
    rig.session.start()
    rig.server.open()
    answers[0]!('of the last user')
    await settled()
    expect(rig.transport.connections.flatMap(({ sent }) => sent)).toEqual([])
    answers[1]!('of this user')
    await settled()
    expect(rig.server.sent).toEqual([{ t: 'hello', token: 'of this user', clientId: 'id1' }])
  })

  it('never stands in an error (L10)', async () => {
    const rig = new Rig({ token: () => 'canary' })
    rig.session.start()
    rig.server.open()
    rig.server.send = () => {
      throw new Error('closed')
    }
    await settled()
    expect(rig.errors).toHaveLength(1)
    expect(inspect(rig.errors[0], { depth: 10 })).not.toContain('canary')
  })
})

describe('topics', () => {
  it('subscribes and unsubscribes as they come and go', async () => {
    const rig = await new Rig().live()
    rig.session.setTopics(['t', 'u', 'v'])
    rig.session.setTopics(['u', 'v'])
    rig.session.setTopics(['v', 'u'])
    expect(rig.server.sent).toEqual([
      { t: 'subscribe', topics: [{ topic: 'u' }, { topic: 'v' }] },
      { t: 'unsubscribe', topics: ['t'] },
    ])
    expect(rig.session.status.status).toBe('live')
    expect(['t', 'u'].map((topic) => rig.session.topicState(topic))).toEqual(['unknown', 'resyncing'])
    rig.server.deliver(fresh('u', 0), events('t', 6))
    expect(rig.session.topicState('u')).toBe('live')
    expect(rig.told).toEqual(['fresh u a0'])
  })

  it('subscribes again in one message, with positions, on the next connection', async () => {
    const rig = await new Rig().live()
    rig.session.setTopics(['t', 'u'])
    rig.server.deliver(events('t', 6))
    rig.server.end()
    expect(rig.session.topicState('t')).toBe('resyncing')
    rig.clean()
    vi.advanceTimersByTime(1_000)
    await rig.welcome()
    expect(rig.server.sent).toEqual([
      { t: 'hello', clientId: 'id1' },
      { t: 'subscribe', topics: [{ topic: 't', position: { epoch: 'a', offset: 6 } }, { topic: 'u' }] },
    ])
    rig.server.deliver(replayed('t', 8, 7, 8), fresh('u', 0))
    expect(rig.told).toEqual([
      'connecting',
      'handshaking',
      'resyncing',
      '7 8 (replay)',
      'replayed t a8',
      'fresh u a0',
      'live',
    ])
  })

  it('keeps positions over stop and start', async () => {
    const rig = await new Rig().live()
    rig.session.stop()
    rig.session.start()
    await rig.welcome()
    expect(rig.server.sent[1]).toEqual({
      t: 'subscribe',
      topics: [{ topic: 't', position: { epoch: 'a', offset: 5 } }],
    })
  })

  it('forgets the position of a topic that is no longer wanted', async () => {
    const rig = await new Rig().live()
    rig.session.setTopics([])
    rig.session.setTopics(['t'])
    expect(rig.server.sent.at(-1)).toEqual({ t: 'subscribe', topics: [{ topic: 't' }] })
  })

  it('becomes live when the last topic that is not answered is no longer wanted', async () => {
    const rig = new Rig()
    rig.session.setTopics(['t', 'u'])
    rig.session.start()
    await rig.welcome()
    rig.server.deliver(fresh('t', 5))
    expect(rig.session.status.status).toBe('resyncing')
    rig.session.setTopics(['t'])
    expect(rig.session.status.status).toBe('live')
  })

  it('reports a refusal and goes on without it', async () => {
    const rig = new Rig()
    rig.session.setTopics(['t', 'u', 'v'])
    rig.session.start()
    await rig.welcome()
    rig.server.deliver(fresh('t', 5))
    rig.server.deliver({ t: 'refused', topic: 'u', code: 'forbidden', message: 'Not yours.' })
    rig.server.deliver({ t: 'refused', topic: 'v', code: 'unavailable', message: 'Not now.' })
    expect(rig.session.status.status).toBe('live')
    expect(rig.codes).toEqual(['topic-refused', 'topic-refused'])
    expect(rig.session.topicState('u')).toBe('refused')

    rig.server.end()
    vi.advanceTimersByTime(1_000)
    await rig.welcome()
    const asked = () =>
      (rig.server.sent[1] as { topics: { topic: string }[] }).topics.map(({ topic }) => topic)
    expect(asked(), 'what is forbidden stays so').toEqual(['t', 'v'])

    rig.session.start()
    expect(rig.session.topicState('u'), 'it is started already').toBe('refused')
    rig.session.stop()
    rig.session.start()
    await rig.welcome()
    expect(asked(), 'the app asks again').toEqual(['t', 'u', 'v'])
  })

  it('without a name are left out, and reported once: the server would take none of the message', async () => {
    const rig = new Rig()
    rig.session.setTopics(['t', ''])
    rig.session.start()
    await rig.welcome()
    rig.session.setTopics(['t', '', 'u'])
    expect(rig.server.sent).toMatchObject([
      { t: 'hello' },
      { t: 'subscribe', topics: [{ topic: 't' }] },
      { t: 'subscribe', topics: [{ topic: 'u' }] },
    ])
    expect(rig.codes).toEqual(['usage'])
    expect(rig.session.topicState('')).toBe('unknown')
  })

  it('takes no more than it may, and reports it once', async () => {
    const rig = new Rig({ limits: { maxTopics: 2 } })
    rig.session.setTopics(['a', 'b', 'c'])
    rig.session.setTopics(['a', 'b', 'c', 'd'])
    expect(rig.codes).toEqual(['usage'])
    rig.session.start()
    await rig.welcome()
    expect(rig.server.sent[1]).toEqual({ t: 'subscribe', topics: [{ topic: 'a' }, { topic: 'b' }] })
    expect(rig.session.topicState('c')).toBe('unknown')
  })

  it('keeps its messages below what servers take, however many topics there are', async () => {
    const rig = new Rig({ limits: { maxTopics: 1_000 } })
    const topics = Array.from({ length: 1_000 }, (_, i) => String(i).padStart(255, 'ß'))
    rig.session.setTopics(topics)
    rig.session.start()
    await rig.welcome()
    const sizes = rig.server.sent.map((message) => Buffer.byteLength(JSON.stringify(message)))
    expect(Math.max(...sizes)).toBeLessThan(65_536)
    const asked = rig.server.sent.slice(1) as { topics: { topic: string }[] }[]
    expect(asked.flatMap((message) => message.topics.map(({ topic }) => topic))).toEqual(topics)
  })

  it('asks for as many topics as it may want, with positions, in one message', async () => {
    const rig = new Rig()
    const topics = Array.from({ length: 128 }, (_, i) => String(i).padStart(255, 't'))
    rig.session.setTopics(topics)
    rig.session.start()
    await rig.welcome()
    rig.server.deliver(...topics.map((topic) => fresh(topic, 1_000_000)))
    rig.server.end()
    vi.advanceTimersByTime(1_000)
    await rig.welcome()
    const asked = rig.server.sent.slice(1) as { topics: { topic: string }[] }[]
    expect(asked.map((message) => message.topics.length)).toEqual([128])
  })

  it('dials again when the server does not answer about a topic', async () => {
    const rig = await new Rig().live()
    rig.session.setTopics(['t', 'u'])
    vi.advanceTimersByTime(10_000)
    expect(rig.codes).toEqual(['transport-failed'])
    expect(rig.session.status.status).toBe('waiting')
  })

  it('are given more time by each dial that has run out of it: a long replay comes, however slow the network', async () => {
    const rig = await new Rig({ limits: { retryMaxMs: 1_000 } }).live()
    rig.server.end()
    /** Dials, and is welcomed. A few seconds of the time that is allowed have passed then. */
    const welcomed = async () => {
      vi.advanceTimersByTime(1_000)
      await rig.welcome()
      return rig.server
    }
    for (const allowedMs of [10_000, 20_000, 40_000, 80_000, 80_000]) {
      const startedAt = Date.now()
      const server = await welcomed()
      vi.advanceTimersByTime(allowedMs - 5_000)
      expect(server.state).toBe('open')
      while (server.state === 'open') vi.advanceTimersByTime(100)
      expect(Date.now() - startedAt).toBeLessThanOrEqual(allowedMs + 1_000)
    }
    const server = await welcomed()
    vi.advanceTimersByTime(75_000)
    server.deliver(replayed('t', 6, 6))
    expect(rig.session.status.status).toBe('live')
    server.end()
    const next = await welcomed()
    vi.advanceTimersByTime(10_000)
    expect(next.state).toBe('closed')
  })

  it('knows nothing while it is closed', async () => {
    const rig = await new Rig().live()
    rig.session.stop()
    expect(rig.session.topicState('t')).toBe('unknown')
  })
})

describe('events', () => {
  it('are handed over frame by frame', async () => {
    const rig = await new Rig().live()
    rig.server.deliver(events('t', 6, 7), events('t', 8))
    expect(rig.told).toEqual(['6 7', '8'])
  })

  it('of a gap are asked for at once, in one message for all topics', async () => {
    const rig = await new Rig().live()
    rig.session.setTopics(['t', 'u'])
    rig.server.deliver(fresh('u', 5))
    rig.clean()
    rig.server.deliver({
      t: 'pong',
      heads: { t: { epoch: 'a', offset: 7 }, u: { epoch: 'a', offset: 6 } },
    })
    expect(rig.server.sent).toEqual([
      {
        t: 'subscribe',
        topics: [
          { topic: 't', position: { epoch: 'a', offset: 5 } },
          { topic: 'u', position: { epoch: 'a', offset: 5 } },
        ],
      },
    ])
    expect(rig.session.topicState('t')).toBe('resyncing')
    expect(rig.session.status.status).toBe('live')
    rig.server.deliver(replayed('t', 7, 6, 7), replayed('u', 6, 6))
    expect(rig.told).toEqual(['6 7 (replay)', 'replayed t a7', '6 (replay)', 'replayed u a6'])
    expect(vi.getTimerCount(), 'the heartbeat alone').toBe(1)
  })

  it('of a gap that is not answered are given up, and the topic is reset', async () => {
    const rig = await new Rig({ heartbeat: false }).live()
    const timers = vi.getTimerCount()
    rig.server.deliver(events('t', 7))
    expect(rig.told).toEqual([])
    vi.advanceTimersByTime(12_000)
    expect(rig.server.sent).toHaveLength(3)
    expect(rig.told).toEqual(['reset t a6', '7'])
    expect(rig.codes).toEqual(['history-lost'])
    expect(vi.getTimerCount()).toBe(timers)
  })

  it('after a reset follow it', async () => {
    const rig = await new Rig().live()
    rig.server.end()
    vi.advanceTimersByTime(1_000)
    await rig.welcome()
    rig.clean()
    rig.server.deliver(reset('t', 3), {
      t: 'events',
      topic: 't',
      epoch: 'b',
      events: [{ type: 'e', data: 4, offset: 4 }],
    })
    expect(rig.told).toEqual(['reset t b3', 'live', '4'])
  })

  it('are not disturbed by frames that nobody can read (L8)', async () => {
    const rig = await new Rig().live()
    rig.server.deliver(
      '{',
      '{"t":"wat"}',
      '{"t":"events","topic":"t","epoch":"a","events":[{}]}',
      events('t', 6),
    )
    expect(rig.codes).toEqual(['undecodable', 'undecodable', 'undecodable'])
    expect(rig.told).toEqual(['6'])
  })

  it('of a topic named like a part of Object are like any other', async () => {
    const rig = new Rig()
    rig.session.setTopics(['__proto__', 'constructor'])
    rig.session.start()
    await rig.welcome()
    rig.server.deliver(fresh('__proto__', 1), fresh('constructor', 1))
    rig.clean()
    rig.server.deliver(
      '{"t":"pong","heads":{"__proto__":{"epoch":"a","offset":1},"constructor":{"epoch":"a","offset":1}}}',
    )
    expect(rig.server.sent).toEqual([])
    expect(rig.errors).toEqual([])
  })

  it('come with what the server has to say about itself', async () => {
    const rig = await new Rig().live()
    rig.server.deliver({ t: 'error', code: 'busy', message: 'Come later.' })
    expect(rig.errors[0]).toMatchObject({ code: 'server-error' })
    expect(rig.errors[0]!.message).toContain('Come later.')
  })
})

describe('heartbeat', () => {
  it('pings after silence, and dials again when nothing comes', async () => {
    const rig = await new Rig({ heartbeat: { intervalMs: 1_000, timeoutMs: 1_000 } }).live()
    vi.advanceTimersByTime(1_000)
    expect(rig.server.sent).toEqual([{ t: 'ping' }])
    rig.server.deliver({ t: 'pong' })
    vi.advanceTimersByTime(1_999)
    expect(rig.session.status.status).toBe('live')
    vi.advanceTimersByTime(1)
    expect(rig.session.status).toMatchObject({ status: 'waiting', reason: 'lost' })
    expect(rig.server.closedWith?.code).toBe(CloseCode.HeartbeatTimeout)
  })

  it('pings soon after a sleep', async () => {
    const rig = await new Rig().live()
    vi.setSystemTime(Date.now() + 3_600_000)
    vi.advanceTimersByTime(5_000)
    expect(rig.server.sent).toEqual([{ t: 'ping' }])
  })

  it('pings when somebody looks at the page again', async () => {
    const rig = await new Rig().live()
    rig.signals.tell('woken')
    expect(rig.server.sent).toEqual([{ t: 'ping' }])
  })

  it('replaces the connection of a page that comes from the back/forward cache', async () => {
    const rig = await new Rig().live()
    vi.advanceTimersByTime(1_000)
    rig.signals.tell('restored')
    expect(rig.transport.connections.map(({ state }) => state)).toEqual(['closed', 'connecting'])
  })

  it('pings a plain backend with the frame that the app has given', () => {
    const rig = new Rig({
      ...PLAIN,
      heartbeat: { intervalMs: 1_000, ping: () => 'are you there' },
    }).livePlain()
    vi.advanceTimersByTime(1_000)
    expect(rig.server.sent).toEqual(['are you there'])
    rig.server.deliver('null')
    vi.advanceTimersByTime(6_000)
    expect(rig.session.status.status).toBe('waiting')
  })

  it('is left out for a plain backend that answers no ping', () => {
    const rig = new Rig(PLAIN).livePlain()
    vi.advanceTimersByTime(3_600_000)
    expect(rig.session.status.status).toBe('live')
    expect(rig.server.sent).toEqual([])
  })
})

describe('a plain backend', () => {
  const event = (data: number, offset?: number, epoch = 'a') =>
    JSON.stringify({ type: 'e', data, topic: 'p', position: offset && { epoch, offset } })

  it('is live when it is open, and everything is fresh', () => {
    const rig = new Rig(PLAIN)
    rig.session.setTopics(['t'])
    rig.session.start()
    expect(rig.session.topicState('t')).toBe('resyncing')
    rig.server.open()
    expect(rig.told).toEqual(['connecting', 'fresh * -', 'live'])
    expect(rig.session.topicState('t')).toBe('live')
    expect(rig.session.topicState('u')).toBe('unknown')
    expect(rig.server.sent).toEqual([])
  })

  it('is reset as a whole after every break', () => {
    const rig = new Rig(PLAIN).livePlain()
    rig.server.end()
    vi.advanceTimersByTime(1_000)
    rig.server.open()
    expect(rig.told).toEqual(['waiting', 'connecting', 'reset * -', 'live'])
  })

  it('hands over what decode gives, frame by frame', () => {
    const rig = new Rig(PLAIN).livePlain()
    rig.server.deliver(event(1), `[${event(2)},${event(3)}]`, 'null', '[]')
    expect(rig.told).toEqual(['1', '2 3'])
  })

  it('loses nothing else to a frame that decode cannot read (L8)', () => {
    const rig = new Rig(PLAIN).livePlain()
    rig.server.deliver(
      '{',
      `[${event(1)}, 7, {"type":1}, {"type":"e","position":{"epoch":"a"}}, ${event(2)}]`,
    )
    expect(rig.codes).toEqual(['undecodable', 'undecodable', 'undecodable', 'undecodable'])
    expect(rig.errors[0]!.cause).toBeInstanceOf(SyntaxError)
    expect(rig.told).toEqual(['1 2'])
  })

  it('is deduplicated where its events carry positions', () => {
    const rig = new Rig(PLAIN).livePlain()
    rig.server.deliver(event(1, 1), event(1, 1), event(2, 2), event(1, 1))
    expect(rig.told).toEqual(['1', '2'])
  })

  it('is reset, topic by topic, where positions show a hole or another epoch', () => {
    const rig = new Rig(PLAIN).livePlain()
    rig.server.deliver(`[${event(1, 1)},${event(3, 3)}]`, event(4, 1, 'b'))
    expect(rig.told).toEqual(['1', 'reset p a2', '3', 'reset p b0', '4'])
  })

  it('is not reset twice for one break, and still deduplicated', () => {
    const rig = new Rig(PLAIN).livePlain()
    rig.server.deliver(event(1, 1))
    rig.server.end()
    vi.advanceTimersByTime(1_000)
    rig.server.open()
    rig.clean()
    rig.server.deliver(event(1, 1), event(7, 7), event(8, 8))
    expect(rig.told).toEqual(['7', '8'])
  })
})

describe('a managed source', () => {
  it('is connected once and followed', async () => {
    const rig = new Rig({ mode: 'managed' })
    rig.session.setTopics(['t'])
    rig.session.start()
    vi.advanceTimersByTime(3_600_000)
    expect(rig.session.status.status).toBe('connecting')
    await rig.welcome()
    rig.server.deliver(fresh('t', 5))
    expect(rig.session.status.status).toBe('live')
    rig.server.end()
    expect(rig.session.status).toMatchObject({ status: 'waiting', reason: 'lost' })
    expect(rig.session.status.retryAt).toBeUndefined()
    vi.advanceTimersByTime(3_600_000)
    rig.clean()
    rig.server.reopen()
    await settled()
    rig.server.deliver({ t: 'welcome', connectionId: '2' }, replayed('t', 6, 6))
    expect(rig.told).toEqual(['handshaking', 'resyncing', '6 (replay)', 'replayed t a6', 'live'])
    expect(rig.transport.connections).toHaveLength(1)
  })

  it('that opens again without a word of its close is another connection: what was on its way goes out again', async () => {
    const rig = await new Rig({ mode: 'managed' }).live()
    void rig.outbox.send('nudge')
    rig.clean()
    rig.server.handlers.onOpen()
    expect(rig.session.topicState('t')).toBe('resyncing')
    await settled()
    rig.server.deliver({ t: 'welcome', connectionId: '2' }, replayed('t', 6, 6))
    expect(rig.server.sent).toMatchObject([
      { t: 'hello' },
      { t: 'subscribe', topics: [{ topic: 't', position: { offset: 5 } }] },
      { t: 'send', id: 'id2' },
    ])
    expect(rig.told.slice(-3)).toEqual(['6 (replay)', 'replayed t a6', 'live'])
  })

  it('is let go of by stop', () => {
    const rig = new Rig({ mode: 'managed' })
    rig.session.start()
    rig.server.open()
    rig.server.end()
    rig.session.stop()
    expect(rig.server.closedWith?.code).toBe(1000)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is pinged only when it asks for that', async () => {
    const silent = await new Rig({ mode: 'managed' }).live()
    vi.advanceTimersByTime(60_000)
    expect(silent.server.sent).toEqual([])
    const pinged = await new Rig({ mode: 'managed', heartbeat: {} }).live()
    vi.advanceTimersByTime(25_000)
    expect(pinged.server.sent).toEqual([{ t: 'ping' }])
  })
})

describe('stop (L9)', () => {
  const ways: Record<string, (rig: Rig) => unknown> = {
    connecting: (rig) => rig.session.start(),
    handshaking: (rig) => {
      rig.session.start()
      rig.server.open()
    },
    resyncing: (rig) => {
      rig.session.setTopics(['t'])
      rig.session.start()
      return rig.welcome()
    },
    live: (rig) => rig.live(),
    'live, with a gap': async (rig) => (await rig.live()).server.deliver(events('t', 9)),
    'live, with a probe': async (rig) => (await rig.live()).signals.tell('woken'),
    waiting: (rig) => {
      rig.session.start()
      rig.server.end()
    },
    offline: (rig) => {
      rig.session.start()
      rig.signals.tell('offline')
    },
  }

  it.each(Object.keys(ways))('leaves no timer, listener or socket: %s', async (way) => {
    const rig = new Rig()
    await ways[way]!(rig)
    expect(way).toContain(rig.session.status.status)
    rig.session.stop()
    rig.session.stop()
    await settled()
    expect(rig.session.status).toMatchObject({ status: 'closed', reason: 'stopped' })
    expect(vi.getTimerCount()).toBe(0)
    expect(rig.signals.listeners.size).toBe(0)
    expect(rig.transport.connections.every(({ state }) => state === 'closed')).toBe(true)
    rig.session.start()
    expect(rig.server.state).toBe('connecting')
  })

  it('does nothing before start', () => {
    const rig = new Rig()
    rig.session.stop()
    expect(rig.session.status.status).toBe('idle')
    expect(rig.told).toEqual([])
  })

  it('is deaf to a transport that goes on talking', async () => {
    const rig = await new Rig().live()
    const { handlers } = rig.server
    rig.session.stop()
    rig.clean()
    handlers.onMessage(JSON.stringify(events('t', 6)))
    handlers.onError(new Error('late'))
    handlers.onClose({ code: 1006, reason: '' })
    handlers.onOpen()
    expect(rig.told).toEqual([])
    expect(rig.errors).toEqual([])
    rig.session.start()
    handlers.onClose({ code: 4401, reason: '' })
    expect(rig.session.status.status).toBe('connecting')
  })

  it('leaves one connection when it stands between two starts, as in StrictMode', () => {
    const rig = new Rig()
    rig.session.start()
    rig.session.stop()
    rig.session.start()
    expect(rig.transport.connections.map(({ state }) => state)).toEqual(['closed', 'connecting'])
  })

  it('and start inside onEvents leave nothing of the last connection to the next one', async () => {
    const rig = await new Rig().live()
    rig.server.end()
    vi.advanceTimersByTime(1_000)
    await rig.welcome()
    rig.clean()
    rig.on.onEvents = () => {
      delete rig.on.onEvents
      rig.session.stop()
      rig.session.start()
    }
    // It has a hole, and raises a question that must not be sent any more.
    rig.server.deliver(replayed('t', 8, 6, 8))
    expect(rig.told).toEqual(['6 (replay)', 'closed', 'connecting', 'replayed t a6'])
    expect(rig.errors).toEqual([])
    expect(rig.server).toMatchObject({ state: 'connecting', sent: [] })
    await rig.welcome()
    expect(rig.server.sent[1]).toMatchObject({
      topics: [{ topic: 't', position: { epoch: 'a', offset: 6 } }],
    })
  })

  it.each(['onEvents', 'onResync', 'onStatus', 'onError'] as const)('works inside %s', async (handler) => {
    const rig = await new Rig().live()
    rig.on[handler] = () => rig.session.stop()
    rig.server.deliver({ t: 'error', code: 'x', message: 'x' })
    if (rig.server.state === 'open') rig.server.deliver(events('t', 6))
    if (rig.server.state === 'open') rig.server.deliver(replayed('t', 7, 7))
    if (rig.server.state === 'open') rig.server.deliver(reset('t', 7))
    if (rig.server.state === 'open') rig.server.end()
    expect(rig.session.status.status).toBe('closed')
    expect(vi.getTimerCount()).toBe(0)
    expect(rig.signals.listeners.size).toBe(0)
  })

  it('and start work inside onStatus, and tell every status once and in order', () => {
    const rig = new Rig()
    rig.on.onStatus = () => {
      if (rig.session.status.status === 'waiting') {
        rig.session.stop()
        rig.session.start()
      }
    }
    rig.session.start()
    rig.server.end()
    expect(rig.told).toEqual(['connecting', 'waiting', 'closed', 'connecting'])
    expect(vi.getTimerCount()).toBe(1)
  })
})

describe('a handler that throws', () => {
  it.each(['onEvents', 'onResync', 'onStatus'] as const)(
    '%s is reported, and breaks nothing',
    async (handler) => {
      const rig = new Rig()
      const cause = new Error('mistake of the app')
      rig.on[handler] = () => {
        throw cause
      }
      await rig.live()
      rig.server.deliver(events('t', 6))
      delete rig.on[handler]
      rig.server.deliver(events('t', 7))
      expect(rig.told.at(-1)).toBe('7')
      expect(rig.session.status.status).toBe('live')
    },
  )

  it('tells which error it was', async () => {
    const rig = await new Rig().live()
    const cause = new Error('mistake of the app')
    rig.on.onEvents = () => {
      throw cause
    }
    rig.server.deliver(events('t', 6))
    expect(rig.errors).toMatchObject([{ code: 'listener-failed', cause }])
  })

  it('is written to the console when it is onError itself', async () => {
    const rig = await new Rig().live()
    const cause = new Error('mistake of the app')
    rig.on.onError = () => {
      throw cause
    }
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    rig.server.deliver('{', events('t', 6))
    expect(rig.told).toEqual(['6'])
    expect(warn.mock.calls).toEqual([[cause]])
  })
})
