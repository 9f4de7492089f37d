import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { WebSocket, type ClientOptions } from 'ws'
import { msgpackCodec } from '../../src/codecs/msgpack.ts'
import { memoryEventLog } from '../../src/server/index.ts'
import { startServer, TestClient } from './support.ts'

/** 20 kB that shrink to a few hundred bytes. */
const LARGE = 'the same words again and again; '.repeat(625)

const bytesRead = ({ socket }: TestClient) => (socket as unknown as { _socket: Socket })._socket.bytesRead

async function subscribed(url: string, options: ClientOptions = {}): Promise<TestClient> {
  const client = new TestClient(url, options)
  await once(client.socket, 'open')
  client.send({ t: 'hello' })
  await client.next('welcome')
  client.subscribe('t')
  await client.next('subscribed')
  return client
}

const start = (compression?: boolean | { thresholdBytes: number }) =>
  startServer({ log: memoryEventLog({ epoch: 'e' }), attach: { compression } })

describe('compression', () => {
  it('is off unless it is asked for', async () => {
    const { server, url } = await start()
    const client = await subscribed(url)
    expect(client.socket.extensions).toBe('')
    await server.publish('t', { type: 'a', data: LARGE })
    await client.events(1)
    expect(bytesRead(client)).toBeGreaterThan(LARGE.length)
  })

  it('makes large events small, and leaves small ones as they are', async () => {
    const { server, url } = await start(true)
    const client = await subscribed(url)
    expect(client.socket.extensions).toBe('permessage-deflate')
    const before = bytesRead(client)
    for (let n = 1; n <= 3; n++) {
      await server.publish('t', { type: 'a', data: LARGE })
      expect(await client.events(1)).toMatchObject([{ data: LARGE }])
    }
    expect(bytesRead(client) - before).toBeLessThan(LARGE.length / 10)
    const between = bytesRead(client)
    const small = 'x'.repeat(900)
    await server.publish('t', { type: 'a', data: small })
    expect(await client.events(1)).toMatchObject([{ data: small }])
    expect(bytesRead(client) - between).toBeGreaterThan(900)
  })

  it('compresses from the size on that it is told', async () => {
    const { server, url } = await start({ thresholdBytes: 100 })
    const client = await subscribed(url)
    const before = bytesRead(client)
    await server.publish('t', { type: 'a', data: 'x'.repeat(900) })
    await client.events(1)
    expect(bytesRead(client) - before).toBeLessThan(300)
  })

  it('serves clients with and without it, and those with a small window, from one publish', async () => {
    const { server, url } = await start(true)
    const clients = [
      await subscribed(url),
      await subscribed(url, { perMessageDeflate: false }),
      await subscribed(url, { perMessageDeflate: { serverMaxWindowBits: 9 } }),
      await subscribed(url, {
        perMessageDeflate: { clientNoContextTakeover: true, serverNoContextTakeover: true },
      }),
    ]
    for (let n = 1; n <= 3; n++) {
      await server.publish('t', { type: 'a', data: [LARGE, n] })
      for (const client of clients) expect(await client.events(1)).toMatchObject([{ data: [LARGE, n] }])
    }
  })

  it('keeps the order of answers, which take longer to compress, and events', async () => {
    const { server, url } = await start(true)
    // Not so compressible, so that it takes a while.
    const data = Array.from({ length: 8_000 }, (_, n) => Math.sin(n))
    await server.publish('t', { type: 'a', data })
    const client = await subscribed(url)
    for (let round = 1; round <= 20; round++) {
      client.subscribe('t', { epoch: 'e', offset: round - 1 })
      client.send({ t: 'ping' })
      const publishing = server.publish('t', { type: 'a', data })
      let position = 0
      let isAnswered = false
      let isPonged = false
      while (!isAnswered || !isPonged || position < round + 1) {
        const message = await client.nextOfAny()
        if (message.t === 'pong') {
          isPonged = true
        } else if (message.t === 'subscribed') {
          expect(message.outcome).toBe('replayed')
          isAnswered = true
          position = message.position.offset
        } else if (message.t === 'events') {
          // Before the answer events of the last subscription may still come.
          if (isAnswered) expect(message.events[0]!.offset).toBe(position + 1)
          position = message.events.at(-1)!.offset
        }
      }
      await publishing
    }
  })

  it('works with a codec', async () => {
    const codec = msgpackCodec()
    const { server, url } = await startServer({
      log: memoryEventLog({ epoch: 'e' }),
      attach: { compression: true, codecs: [codec] },
    })
    const socket = new WebSocket(url, 'rqb.v1+msgpack')
    const frames: unknown[] = []
    let wake = () => {}
    socket.on('message', (data: Buffer) => {
      frames.push(codec.decode(data))
      wake()
    })
    const next = async () => {
      while (frames.length === 0) await new Promise<void>((resolve) => (wake = resolve))
      return frames.shift()
    }
    await once(socket, 'open')
    socket.send(codec.encode('{"t":"hello"}'))
    socket.send(codec.encode('{"t":"ping"}'))
    for (let frame = await next(); (frame as { t: string }).t !== 'welcome'; frame = await next());
    socket.send(codec.encode('{"t":"subscribe","topics":[{"topic":"t"}]}'))
    expect(await next()).toMatchObject({ t: 'subscribed' })
    await server.publish('t', { type: 'a', data: LARGE })
    expect(await next()).toMatchObject({ t: 'events', events: [{ data: LARGE }] })
    socket.terminate()
  })

  it('reads no more of a message than maxPayloadBytes, however small it comes', async () => {
    const { server, url } = await start(true)
    const [bomber, calm] = [await subscribed(url), await subscribed(url)]
    // 50 MB, which travel as 50 kB.
    bomber.socket.send('x'.repeat(50_000_000), { compress: true })
    expect(await bomber.closed).toMatchObject({ code: 1009 })
    await server.publish('t', { type: 'a', data: LARGE })
    expect(await calm.events(1)).toMatchObject([{ data: LARGE }])
  })
})
