import { describe, expect, it } from 'vitest'
import type { Position } from '../../src/core/event.ts'
import { memoryEventLog, type EventLog, type RealtimeServer } from '../../src/server/index.ts'
import { startServer, TestClient } from './support.ts'

const START: Position = { epoch: 'e', offset: 0 }

const publishNumbers = async (server: RealtimeServer, topic: string, from: number, to: number) => {
  for (let n = from; n <= to; n++) await server.publish(topic, { type: 'n', data: n })
}

const startNumbered = (options: Parameters<typeof startServer>[0] = {}) =>
  startServer({ log: memoryEventLog({ epoch: 'e' }), ...options })

/** A log whose reads wait for the test, before they look or with what they found. */
function gate(log: EventLog, when: 'before' | 'after') {
  const waiting: (() => void)[] = []
  let arrived = () => {}
  const opened = () =>
    new Promise<void>((open) => {
      waiting.push(open)
      arrived()
    })
  const gated = async <T>(run: () => Promise<T>): Promise<T> => {
    if (when === 'before') return opened().then(run)
    const found = await run()
    await opened()
    return found
  }
  return {
    log: {
      ...log,
      read: (...args: Parameters<EventLog['read']>) => gated(() => log.read(...args)),
      head: (topic: string) => gated(() => log.head(topic)),
    } satisfies EventLog,
    /** When a read waits. */
    async reading() {
      while (waiting.length === 0) await new Promise<void>((resolve) => (arrived = resolve))
    },
    open() {
      waiting.shift()?.()
    },
  }
}

const gated = (log: EventLog) => gate(log, 'before')
const gatedAnswers = (log: EventLog) => gate(log, 'after')

describe('subscribe', () => {
  it('begins at the head for a client without a position, and passes on what is published from then on', async () => {
    const { server, url } = await startNumbered()
    await publishNumbers(server, 't', 1, 2)
    const client = await TestClient.ready(url)
    client.subscribe('t')
    expect(await client.next('subscribed')).toEqual({
      t: 'subscribed',
      topic: 't',
      outcome: 'fresh',
      position: { epoch: 'e', offset: 2 },
      quietMs: expect.any(Number) as number,
    })
    await server.publish('t', { type: 'made', data: { id: 1 }, mutationId: 'm-1' })
    expect(await client.next('events')).toEqual({
      t: 'events',
      topic: 't',
      epoch: 'e',
      events: [{ type: 'made', data: { id: 1 }, offset: 3, mutationId: 'm-1' }],
    })
  })

  it('replays what came after the position, and goes on live', async () => {
    const { server, url } = await startNumbered()
    await publishNumbers(server, 't', 1, 5)
    const client = await TestClient.ready(url)
    client.subscribe('t', { epoch: 'e', offset: 2 })
    expect(await client.next('subscribed')).toEqual({
      t: 'subscribed',
      topic: 't',
      outcome: 'replayed',
      position: { epoch: 'e', offset: 5 },
      events: [3, 4, 5].map((n) => ({ type: 'n', data: n, offset: n })),
    })
    await publishNumbers(server, 't', 6, 6)
    expect((await client.next('events')).events).toEqual([{ type: 'n', data: 6, offset: 6 }])
  })

  it('replays nothing to a client that has missed nothing', async () => {
    const { server, url } = await startNumbered()
    await publishNumbers(server, 't', 1, 2)
    const client = await TestClient.ready(url)
    client.subscribe('t', { epoch: 'e', offset: 2 })
    expect(await client.next('subscribed')).toMatchObject({
      outcome: 'replayed',
      position: { offset: 2 },
      events: [],
    })
  })

  it.each<[string, Position]>([
    ['of an unknown epoch', { epoch: 'other', offset: 5 }],
    ['that is trimmed', { epoch: 'e', offset: 1 }],
    ['in the future', { epoch: 'e', offset: 7 }],
  ])('resets a position %s to the head', async (_, position) => {
    const { server, url } = await startServer({ log: memoryEventLog({ epoch: 'e', maxEventsPerTopic: 3 }) })
    await publishNumbers(server, 't', 1, 6)
    const client = await TestClient.ready(url)
    client.subscribe('t', position)
    expect(await client.next('subscribed')).toEqual({
      t: 'subscribed',
      topic: 't',
      outcome: 'reset',
      position: { epoch: 'e', offset: 6 },
      quietMs: expect.any(Number) as number,
    })
    await publishNumbers(server, 't', 7, 7)
    expect((await client.next('events')).events).toMatchObject([{ offset: 7 }])
  })

  it.each([
    ['maxReplayEvents', { maxReplayEvents: 3 }],
    ['maxReplayBytes', { maxReplayBytes: 250 }],
  ])('resets a client that has missed more than %s, and replays up to it', async (_, limits) => {
    const { server, url } = await startNumbered({ limits })
    await publishNumbers(server, 't', 1, 6)
    const client = await TestClient.ready(url)
    client.subscribe('t', { epoch: 'e', offset: 2 })
    expect(await client.next('subscribed')).toMatchObject({ outcome: 'reset', position: { offset: 6 } })
    client.subscribe('t', { epoch: 'e', offset: 3 })
    expect(await client.next('subscribed')).toMatchObject({ outcome: 'replayed', position: { offset: 6 } })
  })

  it('repairs a gap: a second subscribe replays from the position it names', async () => {
    const { server, url } = await startNumbered()
    const client = await TestClient.ready(url)
    client.subscribe('t')
    await client.next('subscribed')
    await publishNumbers(server, 't', 1, 4)
    await client.events(4)
    client.subscribe('t', { epoch: 'e', offset: 1 })
    expect(await client.next('subscribed')).toMatchObject({
      outcome: 'replayed',
      position: { offset: 4 },
      events: [{ offset: 2 }, { offset: 3 }, { offset: 4 }],
    })
    await publishNumbers(server, 't', 5, 5)
    expect((await client.next('events')).events).toMatchObject([{ offset: 5 }])
    expect(await client.settled()).toEqual({ t: { epoch: 'e', offset: 5 } })
  })

  it('serves the last of many subscribes of one topic when the log is slow, one at a time', async () => {
    const { log, reading, open } = gated(memoryEventLog({ epoch: 'e' }))
    const { server, url } = await startNumbered({ log })
    await publishNumbers(server, 't', 1, 9)
    const client = await TestClient.ready(url)
    client.subscribe('t', { epoch: 'e', offset: 1 })
    await reading()
    for (const offset of [2, 3, 8]) client.subscribe('t', { epoch: 'e', offset })
    await client.settled()
    open()
    await reading()
    open()
    expect(await client.next('subscribed')).toMatchObject({ outcome: 'replayed', events: [{ offset: 9 }] })
    expect(await client.settled()).toEqual({ t: { epoch: 'e', offset: 9 } })
  })

  it('loses and doubles nothing that is published while the log is read', async () => {
    const { log, reading, open } = gated(memoryEventLog({ epoch: 'e' }))
    const { server, url } = await startNumbered({ log })
    await publishNumbers(server, 't', 1, 2)
    const client = await TestClient.ready(url)
    client.subscribe('t', START)
    await reading()
    await publishNumbers(server, 't', 3, 4) // in the log's answer, and heard
    open()
    const { events } = await client.next('subscribed')
    await publishNumbers(server, 't', 5, 6)
    const later = await client.events(2)
    expect([...(events ?? []), ...later].map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('hears what the log does not tell: events after the answer was made and before it arrives', async () => {
    const { log, reading, open } = gatedAnswers(memoryEventLog({ epoch: 'e' }))
    const { server, url } = await startNumbered({ log })
    await publishNumbers(server, 't', 1, 2)
    const client = await TestClient.ready(url)
    client.subscribe('t', START)
    await reading()
    await publishNumbers(server, 't', 3, 4)
    open()
    expect((await client.next('subscribed')).events).toMatchObject([{ offset: 1 }, { offset: 2 }])
    expect(await client.events(2)).toMatchObject([{ offset: 3 }, { offset: 4 }])
  })

  it('resets to what it heard last when events come faster than the log answers', async () => {
    const { log, reading, open } = gatedAnswers(memoryEventLog({ epoch: 'e' }))
    const { server, url } = await startNumbered({ log, limits: { maxReplayEvents: 2 } })
    const client = await TestClient.ready(url)
    client.subscribe('t', START)
    for (let attempt = 0; attempt < 3; attempt++) {
      await reading()
      const offset = 3 * attempt
      await publishNumbers(server, 't', offset + 1, offset + 3)
      await client.settled() // what was published is heard
      open()
    }
    expect(await client.next('subscribed')).toMatchObject({ outcome: 'reset', position: { offset: 9 } })
    expect(await client.settled()).toEqual({ t: { epoch: 'e', offset: 9 } })
    await publishNumbers(server, 't', 10, 10)
    expect(await client.events(1)).toMatchObject([{ offset: 10 }])
  })

  it('resets a topic whose log has lost its history, as soon as it is heard', async () => {
    const inner = memoryEventLog({ epoch: 'old', maxTopics: 1 })
    const { server, url } = await startNumbered({ log: inner })
    const client = await TestClient.ready(url)
    client.subscribe('t')
    await client.next('subscribed')
    await publishNumbers(server, 't', 1, 3)
    await client.events(3)
    await server.publish('another', { type: 'evicts' })
    const position = await server.publish('t', { type: 'n', data: 1 })
    expect(position).toEqual({ epoch: 'old.2', offset: 1 })
    expect(await client.next('subscribed')).toEqual({
      t: 'subscribed',
      topic: 't',
      outcome: 'reset',
      position,
      quietMs: expect.any(Number) as number,
    })
    await publishNumbers(server, 't', 2, 2)
    expect((await client.next('events')).events).toMatchObject([{ offset: 2 }])
  })

  it('fills a hole in what it heard from the log, without a word to the client', async () => {
    const inner = memoryEventLog({ epoch: 'e' })
    let isDeaf = false
    const { server, url } = await startNumbered({
      log: { ...inner, subscribe: (listener) => inner.subscribe((entry) => !isDeaf && listener(entry)) },
    })
    const client = await TestClient.ready(url)
    client.subscribe('t')
    await client.next('subscribed')
    await publishNumbers(server, 't', 1, 1)
    await client.events(1)
    isDeaf = true
    await publishNumbers(server, 't', 2, 3)
    isDeaf = false
    await publishNumbers(server, 't', 4, 4)
    expect((await client.events(3)).map(({ offset }) => offset)).toEqual([2, 3, 4])
  })

  it('sends nothing of a topic after unsubscribe, and starts anew after that', async () => {
    const { server, url } = await startNumbered()
    const client = await TestClient.ready(url)
    client.send({ t: 'subscribe', topics: [{ topic: 'a' }, { topic: 'b' }] })
    await client.next('subscribed')
    await client.next('subscribed')
    client.send({ t: 'unsubscribe', topics: ['a', 'never'] })
    expect(Object.keys(await client.settled())).toEqual(['b'])
    await server.publish('a', { type: 'x' })
    await server.publish('b', { type: 'y' })
    expect(await client.next('events')).toMatchObject({ topic: 'b' })
    client.subscribe('a', START)
    expect(await client.next('subscribed')).toMatchObject({ topic: 'a', events: [{ type: 'x' }] })
  })

  it('forgets a subscribe that was taken back before the log had answered', async () => {
    const { log, reading, open } = gated(memoryEventLog({ epoch: 'e' }))
    const { server, url } = await startNumbered({ log })
    const client = await TestClient.ready(url)
    client.subscribe('t')
    await reading()
    client.send({ t: 'unsubscribe', topics: ['t'] })
    await client.settled()
    open()
    await server.publish('t', { type: 'x' })
    expect(await client.settled()).toEqual({})
    expect(client.messages.map(({ t }) => t)).toEqual(['welcome', 'pong', 'pong'])
  })

  it('tells the last position it sent in every pong', async () => {
    const { server, url } = await startNumbered()
    const client = await TestClient.ready(url)
    expect(await client.settled()).toEqual({})
    client.subscribe('t')
    await client.next('subscribed')
    expect(await client.settled()).toEqual({ t: { epoch: 'e', offset: 0 } })
    await publishNumbers(server, 't', 1, 2)
    await client.events(2)
    expect(await client.settled()).toEqual({ t: { epoch: 'e', offset: 2 } })
  })

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'a:b', '', '\u{1F600}"\n'])(
    'serves a topic named %j like any other, and refuses only the empty one',
    async (topic) => {
      const { server, url } = await startNumbered()
      const client = await TestClient.ready(url)
      client.subscribe(topic)
      if (topic === '') {
        expect(await client.next('error')).toMatchObject({ code: 'bad-message' })
        return
      }
      expect(await client.next('subscribed')).toMatchObject({ topic, outcome: 'fresh' })
      await server.publish(topic, { type: topic, data: JSON.parse('{"__proto__":{"polluted":true}}') })
      const { events } = await client.next('events')
      expect(events).toMatchObject([{ type: topic, offset: 1 }])
      expect(JSON.stringify(events[0]?.data)).toBe('{"__proto__":{"polluted":true}}')
      expect(Object.entries(await client.settled())).toEqual([[topic, { epoch: 'e', offset: 1 }]])
      expect(Object.entries(await server.position([topic]))).toEqual([[topic, { epoch: 'e', offset: 1 }]])
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    },
  )
})

describe('authorize', () => {
  it('refuses a topic, and serves the others', async () => {
    const { server, url } = await startNumbered({
      authorize: ({ identity, topic, action }) => action === 'subscribe' && topic === `user:${identity.user}`,
    })
    await server.publish('user:bob', { type: 'secret' })
    const client = await TestClient.ready(url, 'ada')
    client.send({ t: 'subscribe', topics: [{ topic: 'user:bob', position: START }, { topic: 'user:ada' }] })
    expect(await client.next('refused')).toEqual({
      t: 'refused',
      topic: 'user:bob',
      code: 'forbidden',
      message: 'This topic is not allowed for you.',
    })
    expect(await client.next('subscribed')).toMatchObject({ topic: 'user:ada' })
    await server.publish('user:bob', { type: 'secret' })
    await server.publish('user:ada', { type: 'mine' })
    expect(await client.next('events')).toMatchObject({ topic: 'user:ada' })
  })

  it.each([[undefined], [1], ['yes'], [{}]])(
    'refuses when it answers %j, which is not true',
    async (answer) => {
      const { url } = await startNumbered({ authorize: () => answer as never })
      const client = await TestClient.ready(url)
      client.subscribe('t')
      expect(await client.next('refused')).toMatchObject({ code: 'forbidden' })
    },
  )

  it('is asked again when the client asks again, and ends a topic that is not allowed any more', async () => {
    let isMember = true
    const { server, url } = await startNumbered({ authorize: () => isMember })
    const client = await TestClient.ready(url)
    client.subscribe('t')
    await client.next('subscribed')
    isMember = false
    client.subscribe('t', START)
    expect(await client.next('refused')).toMatchObject({ topic: 't', code: 'forbidden' })
    await server.publish('t', { type: 'secret' })
    expect(await client.settled()).toEqual({})
  })

  it('makes the topic unavailable and reports when it throws, and the server goes on', async () => {
    const { url, errors } = await startNumbered({
      authorize: async ({ topic }) => {
        if (topic === 'broken') throw new Error('no database')
        return true
      },
    })
    const client = await TestClient.ready(url)
    client.subscribe('broken')
    expect(await client.next('refused')).toMatchObject({ topic: 'broken', code: 'unavailable' })
    expect(errors).toMatchObject([{ code: 'callback-failed', cause: { message: 'no database' } }])
    expect(JSON.stringify(client.messages)).not.toContain('database')
    client.subscribe('fine')
    await client.next('subscribed')
  })

  it('makes the topic unavailable and reports when the log fails, and the topic can be asked for again', async () => {
    const inner = memoryEventLog({ epoch: 'e' })
    let isDown = true
    const { url, errors } = await startNumbered({
      log: {
        ...inner,
        head: (topic) => (isDown ? Promise.reject(new Error('no redis')) : inner.head(topic)),
      },
    })
    const client = await TestClient.ready(url)
    client.subscribe('t')
    expect(await client.next('refused')).toMatchObject({ code: 'unavailable' })
    expect(errors).toMatchObject([{ code: 'log-failed', cause: { message: 'no redis' } }])
    isDown = false
    client.subscribe('t')
    await client.next('subscribed')
  })
})
