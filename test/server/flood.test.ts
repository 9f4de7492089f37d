/** Clients that flood a server, and one beside them that does not. `bench/flood` measures what it notices. */
import { describe, expect, it } from 'vitest'
import { startServer, TestClient } from './support.ts'

const FLOODS = {
  'of messages': { frame: '{"t":"ping"}', reason: 'too many messages' },
  'of frames that are no messages': { frame: '{"t":"?"}', reason: 'too many messages' },
  'of large frames': {
    frame: JSON.stringify({ t: 'signal', topic: 'room', type: 'x', data: 'x'.repeat(60_000) }),
    reason: 'too many messages',
  },
  'of sends': { frame: '{"t":"send","id":"1","type":"slow"}', reason: 'too many messages' },
  'of joins': {
    frame: '{"t":"presence-join","topic":"room","state":1}',
    reason: expect.stringMatching(/^too many (messages|subscriptions)$/) as unknown as string,
  },
}

describe('a large message', () => {
  it('counts for as much as it costs to read: a few a second are taken', async () => {
    const { server, url } = await startServer({
      onSend: () => 'taken',
      limits: { maxMessagesPerSecond: 100 },
    })
    const client = await TestClient.ready(url)
    const send = (n: number) => client.send({ t: 'send', id: String(n), type: 'x', data: 'x'.repeat(60_000) })
    for (let n = 1; n <= 10; n++) {
      send(n)
      await client.next('ack')
    }
    for (let n = 11; n <= 200; n++) send(n)
    expect(await client.closed).toEqual({ code: 4429, reason: 'too many messages' })
    expect(server.stats().messages).toBeLessThan(100)
  })
})

describe.each(Object.entries(FLOODS))('a flood %s', (_, { frame, reason }) => {
  it('is ended with 4429, and a calm client beside it is answered and misses nothing', async () => {
    const { server, url } = await startServer({
      // What a flooder asks for takes for ever.
      onSend: ({ type, data }) => (type === 'slow' ? new Promise(() => {}) : data),
      onError: () => {},
    })
    const calm = await TestClient.ready(url)
    calm.subscribe('calm')
    await calm.next('subscribed')
    const flooders = await Promise.all(Array.from({ length: 5 }, () => TestClient.ready(url)))
    const flooding = flooders.map(async ({ socket, closed }) => {
      // Several times of what is taken, whatever it costs.
      for (let n = 0; n < 500; n++) socket.send(frame)
      return closed
    })
    for (let n = 1; n <= 40; n++) {
      calm.send({ t: 'send', id: String(n), type: 'echo', data: n })
      expect(await calm.next('ack')).toEqual({ t: 'ack', id: String(n), data: n })
      await server.publish('calm', { type: 'n', data: n })
      expect(await calm.events(1)).toMatchObject([{ offset: n, data: n }])
    }
    for (const ended of await Promise.all(flooding)) expect(ended).toEqual({ code: 4429, reason })
    await calm.settled()
    expect(server.stats()).toMatchObject({ connections: 1, bufferedBytes: 0, closed: { 4429: 5 } })
  })
})
