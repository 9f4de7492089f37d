import { describe, expect, it } from 'vitest'
import { createRealtimeServer, memoryEventLog, type RealtimeServerOptions } from '../../src/server/index.ts'
import { startServer, TestClient } from './support.ts'

const create = (options: Partial<RealtimeServerOptions<object>> = {}) =>
  createRealtimeServer({
    log: memoryEventLog({ epoch: 'e' }),
    authenticate: () => ({}),
    authorize: () => true,
    ...options,
  })

describe('publish', () => {
  it('gives the position of the event', async () => {
    const server = create()
    expect(await server.publish('t', { type: 'a' })).toEqual({ epoch: 'e', offset: 1 })
    expect(await server.publish('t', { type: 'b' })).toEqual({ epoch: 'e', offset: 2 })
    expect(await server.position(['t', 'silent'])).toEqual({
      t: { epoch: 'e', offset: 2 },
      silent: { epoch: 'e', offset: 0 },
    })
  })

  it('publishes in a transaction of the app where the log can, and says so where it cannot', async () => {
    const server = create()
    await expect(server.publishIn({}, 't', { type: 'a' })).rejects.toMatchObject({ code: 'usage' })
    await expect(server.position(['t'], {})).rejects.toMatchObject({ code: 'usage' })
    expect(await server.position(['t'])).toEqual({ t: { epoch: 'e', offset: 0 } })

    const tx = { id: 'of the app' }
    const calls: unknown[] = []
    const transactional = create({
      log: {
        ...memoryEventLog(),
        appendIn: (...call) => Promise.resolve(void calls.push(call)),
        position: (...call) => Promise.resolve({ asked: { epoch: 'e', offset: calls.push(call) } }),
      },
    })
    await transactional.publishIn(tx, 't', { type: 'a', data: { id: 1 }, mutationId: 'm' })
    expect(await transactional.position(['t'], tx)).toEqual({ asked: { epoch: 'e', offset: 2 } })
    expect(calls).toEqual([
      [tx, 't', { type: 'a', json: '{"id":1}', mutationId: 'm' }],
      [['t'], tx],
    ])
    await expect(transactional.publishIn(tx, '', { type: 'a' })).rejects.toMatchObject({ code: 'usage' })
  })

  it('serialises the data once, whoever listens and whoever comes later', async () => {
    const { server, url } = await startServer({ log: memoryEventLog({ epoch: 'e' }) })
    const audience = await Promise.all([TestClient.ready(url), TestClient.ready(url), TestClient.ready(url)])
    for (const client of audience) {
      client.subscribe('t')
      await client.next('subscribed')
    }
    let count = 0
    await server.publish('t', { type: 'a', data: { toJSON: () => ({ count: ++count }) } })
    for (const client of audience) expect(await client.events(1)).toMatchObject([{ data: { count: 1 } }])
    const late = await TestClient.ready(url)
    late.subscribe('t', { epoch: 'e', offset: 0 })
    expect(await late.next('subscribed')).toMatchObject({ events: [{ data: { count: 1 } }] })
    expect(count).toBe(1)
  })

  it('keeps what was published as it was, whatever the app does to the object later', async () => {
    const { server, url } = await startServer({ log: memoryEventLog({ epoch: 'e' }) })
    const task = { title: 'then' }
    await server.publish('t', { type: 'a', data: task })
    task.title = 'now'
    const client = await TestClient.ready(url)
    client.subscribe('t', { epoch: 'e', offset: 0 })
    expect(await client.next('subscribed')).toMatchObject({ events: [{ data: { title: 'then' } }] })
  })

  it('sends a burst in few frames', async () => {
    const { server, url } = await startServer({ log: memoryEventLog({ epoch: 'e' }) })
    const client = await TestClient.ready(url)
    client.subscribe('t')
    await client.next('subscribed')
    await Promise.all(Array.from({ length: 250 }, (_, n) => server.publish('t', { type: 'n', data: n })))
    const events = await client.events(250)
    expect(events.map(({ data }) => data)).toEqual(Array.from({ length: 250 }, (_, n) => n))
    expect(client.messages.filter(({ t }) => t === 'events')).toHaveLength(3)
  })

  it('writes null for data that is left out', async () => {
    const { server, url } = await startServer({ log: memoryEventLog({ epoch: 'e' }) })
    await server.publish('t', { type: 'a' })
    const client = await TestClient.ready(url)
    client.subscribe('t', { epoch: 'e', offset: 0 })
    expect((await client.next('subscribed')).events).toEqual([{ type: 'a', data: null, offset: 1 }])
  })

  it('leaves out a mutation id that no client of ours has made', async () => {
    const heard: unknown[] = []
    const log = memoryEventLog()
    log.subscribe(({ event }) => heard.push(event.mutationId))
    const server = create({ log })
    for (const mutationId of ['m-1', '', 'x'.repeat(129), ['a'] as never, undefined]) {
      await server.publish('t', { type: 'a', mutationId })
    }
    expect(heard).toEqual(['m-1', undefined, undefined, undefined, undefined])
  })

  it.each<[string, string, unknown, string]>([
    ['an empty topic', '', { type: 'a' }, 'A topic must be text'],
    ['too long a topic', 'x'.repeat(256), { type: 'a' }, 'maxTopicLength'],
    ['no type', 't', { data: 1 }, 'has no type'],
    ['a cycle', 't', { type: 'a', data: cycle() }, 'is not JSON'],
    ['a bigint', 't', { type: 'a', data: 1n }, 'is not JSON'],
    ['a function', 't', { type: 'a', data: () => {} }, 'is not JSON'],
    ['too much data', 't', { type: 'a', data: '\u00e9'.repeat(140_000) }, 'maxEventBytes'],
  ])('rejects %s, says what to do and appends nothing', async (_, topic, event, remedy) => {
    const server = create()
    const publishing = server.publish(topic, event as never)
    await expect(publishing).rejects.toMatchObject({ code: 'usage' })
    await expect(publishing).rejects.toThrow(remedy)
    expect(await server.position(['t'])).toEqual({ t: { epoch: 'e', offset: 0 } })
  })

  it('rejects with log-failed when the log does, and goes on', async () => {
    const inner = memoryEventLog({ epoch: 'e' })
    let isDown = true
    const append: typeof inner.append = (...args) =>
      isDown ? Promise.reject(new Error('no redis')) : inner.append(...args)
    const server = create({ log: { ...inner, append } })
    await expect(server.publish('t', { type: 'a' })).rejects.toMatchObject({
      code: 'log-failed',
      cause: { message: 'no redis' },
    })
    isDown = false
    expect(await server.publish('t', { type: 'a' })).toEqual({ epoch: 'e', offset: 1 })
  })

  it('reaches the clients of another node over a shared log', async () => {
    const log = memoryEventLog({ epoch: 'e' })
    const [a, b] = [await startServer({ log }), await startServer({ log })]
    const client = await TestClient.ready(b.url)
    client.subscribe('t')
    await client.next('subscribed')
    await a.server.publish('t', { type: 'from a' })
    await b.server.publish('t', { type: 'from b' })
    expect(await client.events(2)).toMatchObject([{ type: 'from a' }, { type: 'from b' }])
  })
})

function cycle() {
  const object: Record<string, unknown> = {}
  object['self'] = object
  return object
}
