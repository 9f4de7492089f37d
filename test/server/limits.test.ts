import { describe, expect, it } from 'vitest'
import { memoryEventLog, type RealtimeServerOptions } from '../../src/server/index.ts'
import { startServer, TestClient } from './support.ts'

const startLimited = (limits: RealtimeServerOptions<never>['limits']) =>
  startServer({ log: memoryEventLog({ epoch: 'e' }), limits })

describe('S6 S7 limits', () => {
  it('closes a connection whose message is too big with 1009, and serves the others', async () => {
    const { url } = await startLimited({ maxPayloadBytes: 200 })
    const [big, other] = [await TestClient.ready(url), await TestClient.ready(url)]
    big.socket.send('x'.repeat(201))
    expect(await big.closed).toMatchObject({ code: 1009 })
    other.subscribe('x'.repeat(100))
    await other.next('subscribed')
  })

  it('holds the payload limit also where the socket does not', async () => {
    const { url } = await startServer({
      limits: { maxPayloadBytes: 200 },
      attach: { maxPayloadBytes: 10_000 },
    })
    const client = await TestClient.ready(url)
    client.socket.send('x'.repeat(201))
    expect(await client.closed).toEqual({ code: 1009, reason: 'message too big' })
  })

  it('refuses the topic beyond maxTopicsPerConnection, until another is given back', async () => {
    const { url } = await startLimited({ maxTopicsPerConnection: 2 })
    const client = await TestClient.ready(url)
    client.send({ t: 'subscribe', topics: [{ topic: 'a' }, { topic: 'b' }, { topic: 'c' }] })
    expect(await client.next('refused')).toMatchObject({ topic: 'c', code: 'limit' })
    expect([(await client.next('subscribed')).topic, (await client.next('subscribed')).topic]).toEqual([
      'a',
      'b',
    ])
    client.subscribe('a') // again is not one more
    await client.next('subscribed')
    client.send({ t: 'unsubscribe', topics: ['a'] })
    client.subscribe('c')
    expect(await client.next('subscribed')).toMatchObject({ topic: 'c' })
  })

  it('refuses a topic whose name is too long', async () => {
    const { url } = await startLimited({ maxTopicLength: 10 })
    const client = await TestClient.ready(url)
    client.subscribe('x'.repeat(11))
    expect(await client.next('refused')).toMatchObject({ code: 'limit' })
    client.subscribe('x'.repeat(10))
    await client.next('subscribed')
  })

  it('closes a connection that sends too many messages with 4429', async () => {
    const { url } = await startLimited({ maxMessagesPerSecond: 10 })
    const [flood, calm] = [await TestClient.ready(url), await TestClient.ready(url)]
    for (let n = 0; n < 100; n++) flood.send({ t: 'ping' })
    expect(await flood.closed).toEqual({ code: 4429, reason: 'too many messages' })
    expect(flood.messages.length).toBeLessThan(60)
    await calm.settled()
  })

  it('counts the topics of a message too', async () => {
    const { url } = await startLimited({ maxMessagesPerSecond: 10 })
    const client = await TestClient.ready(url)
    const topics = Array.from({ length: 500 }, (_, n) => ({ topic: `t${n}` }))
    client.send({ t: 'subscribe', topics })
    expect(await client.closed).toMatchObject({ code: 4429 })
  })

  it('takes what larger limits allow: many topics, their pings, and large messages', async () => {
    const { url } = await startServer({
      limits: { maxTopicsPerConnection: 5_000, maxPayloadBytes: 2_000_000 },
      onSend: ({ data }) => (data as string).length,
    })
    const client = await TestClient.ready(url)
    for (let from = 0; from < 5_000; from += 1_000) {
      const topics = Array.from({ length: 1_000 }, (_, n) => ({ topic: `t${from + n}` }))
      client.send({ t: 'subscribe', topics })
    }
    for (let n = 0; n < 5_000; n++) await client.next('subscribed')
    expect(Object.keys(await client.settled())).toHaveLength(5_000)
    client.send({ t: 'send', id: '1', type: 'x', data: 'x'.repeat(1_900_000) })
    expect(await client.next('ack')).toMatchObject({ data: 1_900_000 })
    // Twice as many as that are still a flood.
    for (let n = 0; n < 3; n++) client.send({ t: 'ping' })
    expect(await client.closed).toMatchObject({ code: 4429 })
  })

  it('closes the connection beyond maxConnections with 4429, until another one leaves', async () => {
    const { url } = await startLimited({ maxConnections: 1 })
    const first = await TestClient.ready(url)
    expect(await new TestClient(url).closed).toEqual({ code: 4429, reason: 'too many connections' })
    first.socket.close()
    await first.closed
    await TestClient.ready(url)
  })
})
