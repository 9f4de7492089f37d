import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { msgpackCodec } from '../../src/codecs/msgpack.ts'
import type { FrameCodec } from '../../src/core/protocol/frame-codec.ts'
import type { ClientMessage, ServerMessage } from '../../src/core/protocol/messages.ts'
import { attachWebSocket, createRealtimeServer, memoryEventLog } from '../../src/server/index.ts'
import { startServer, TestClient } from './support.ts'

const MSGPACK = 'rqb.v1+msgpack'
const codec = msgpackCodec()

/** A codec that tells how often it was asked to encode a message of a kind. */
function counting(name = 'msgpack') {
  const texts: string[] = []
  const counted: FrameCodec = {
    name,
    encode(json) {
      texts.push(json)
      return codec.encode(json)
    },
    decode: (bytes) => codec.decode(bytes),
  }
  return {
    codec: counted,
    encodedEvents: () => texts.filter((text) => text.startsWith('{"t":"events"')).length,
  }
}

/** A client that speaks MessagePack, and keeps which frames were text. */
class PackedClient {
  readonly socket: WebSocket
  readonly texts: string[] = []
  #messages: ServerMessage[] = []
  #wake = () => {}

  constructor(url: string, protocols: string[] = [MSGPACK, 'rqb.v1']) {
    this.socket = new WebSocket(url, protocols)
    this.socket.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) this.texts.push(data.toString())
      this.#messages.push((isBinary ? codec.decode(data) : JSON.parse(data.toString())) as ServerMessage)
      this.#wake()
    })
    onTestFinished(() => this.socket.terminate())
  }

  static async ready(url: string): Promise<PackedClient> {
    const client = new PackedClient(url)
    await once(client.socket, 'open')
    client.send({ t: 'hello' })
    expect(await client.next()).toMatchObject({ t: 'welcome' })
    return client
  }

  send(message: ClientMessage): void {
    this.socket.send(codec.encode(JSON.stringify(message)))
  }

  async next(): Promise<ServerMessage> {
    for (;;) {
      const message = this.#messages.shift()
      if (message) return message
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async subscribe(topic: string, offset?: number): Promise<ServerMessage> {
    const position = offset === undefined ? undefined : { epoch: 'e', offset }
    this.send({ t: 'subscribe', topics: [{ topic, position }] })
    return this.next()
  }
}

const start = (codecs: FrameCodec[]) =>
  startServer({ log: memoryEventLog({ epoch: 'e' }), attach: { codecs } })

describe('codecs', () => {
  it('speak on a connection when both ends know them, in every frame of both directions', async () => {
    const { server, url } = await start([codec])
    await server.publish('t', { type: 'a', data: { title: 'early', tags: ['\u{1F600}', null, 1.5] } })
    const client = await PackedClient.ready(url)
    expect(client.socket.protocol).toBe(MSGPACK)
    expect(await client.subscribe('t', 0)).toMatchObject({
      t: 'subscribed',
      outcome: 'replayed',
      events: [{ type: 'a', data: { title: 'early', tags: ['\u{1F600}', null, 1.5] }, offset: 1 }],
    })
    await server.publish('t', { type: 'b', data: { n: 2 }, mutationId: 'm' })
    expect(await client.next()).toEqual({
      t: 'events',
      topic: 't',
      epoch: 'e',
      events: [{ type: 'b', data: { n: 2 }, offset: 2, mutationId: 'm' }],
    })
    client.send({ t: 'ping' })
    expect(await client.next()).toEqual({ t: 'pong', heads: { t: { epoch: 'e', offset: 2 } } })
    expect(client.texts).toEqual([])
  })

  it('encode an event once for each form that its audience speaks, and not for others', async () => {
    const spoken = counting()
    const unspoken = counting('other')
    const { server, url } = await start([spoken.codec, unspoken.codec])
    const packed = await Promise.all([
      PackedClient.ready(url),
      PackedClient.ready(url),
      PackedClient.ready(url),
    ])
    const plain = await Promise.all([TestClient.ready(url), TestClient.ready(url)])
    for (const client of packed) await client.subscribe('t')
    for (const client of plain) {
      client.subscribe('t')
      await client.next('subscribed')
    }
    let serialisations = 0
    await server.publish('t', { type: 'a', data: { toJSON: () => ({ count: ++serialisations }) } })
    for (const client of packed)
      expect(await client.next()).toMatchObject({ events: [{ data: { count: 1 } }] })
    for (const client of plain) expect(await client.events(1)).toMatchObject([{ data: { count: 1 } }])
    expect(spoken.encodedEvents()).toBe(1)
    expect(unspoken.encodedEvents()).toBe(0)
  })

  it.each([
    ['the server does not know them', [], [MSGPACK, 'rqb.v1']],
    ['the client prefers JSON', [codec], ['rqb.v1', MSGPACK]],
    ['the client offers only JSON', [codec], ['rqb.v1']],
  ])('give way to JSON when %s', async (_, codecs, protocols) => {
    const { url } = await start(codecs)
    const client = new TestClient(url, {}, protocols)
    await once(client.socket, 'open')
    expect(client.socket.protocol).toBe('rqb.v1')
    client.send({ t: 'hello' })
    await client.next('welcome')
  })

  it('are refused with the names that are known when the client offers no other', async () => {
    const { url } = await start([codec])
    const socket = new WebSocket(url, 'rqb.v1+cbor')
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
    expect(response.statusCode).toBe(400)
    const chunks = await response.toArray()
    expect(Buffer.concat(chunks as Buffer[]).toString()).toContain('rqb.v1 or rqb.v1+msgpack')
    socket.on('error', () => {})
    socket.terminate()
  })

  it('send what they cannot hold as text', async () => {
    const { server, url } = await start([codec])
    const client = await PackedClient.ready(url)
    await client.subscribe('t')
    const data = JSON.parse('{"__proto__":{"isAdmin":true},"half":"\\ud83d"}') as unknown
    await server.publish('t', { type: 'a', data })
    const message = await client.next()
    expect(message).toMatchObject({ t: 'events', events: [{ offset: 1 }] })
    expect(JSON.stringify(message)).toContain('"__proto__":{"isAdmin":true}')
    expect(client.texts).toHaveLength(1)
    await server.publish('t', { type: 'b' })
    await client.next()
    expect(client.texts).toHaveLength(1)
  })

  it('take a text frame of a client as JSON', async () => {
    const { url } = await start([codec])
    const client = await PackedClient.ready(url)
    client.socket.send('{"t":"ping"}')
    expect(await client.next()).toEqual({ t: 'pong', heads: {} })
  })

  it.each<[string, Uint8Array]>([
    ['broken bytes', Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ['nesting without end', new Uint8Array(60_000).fill(0x91)],
    ['a message of no known type', codec.encode('{"t":"open sesame"}')],
  ])('tell the client of %s, and serve it and others on', async (_, bytes) => {
    const { url, errors } = await start([codec])
    const client = await PackedClient.ready(url)
    client.socket.send(bytes)
    expect(await client.next()).toMatchObject({ t: 'error', code: 'bad-message' })
    expect(errors).toMatchObject([{ code: 'undecodable' }])
    client.send({ t: 'ping' })
    expect(await client.next()).toEqual({ t: 'pong', heads: {} })
  })

  it('need names of their own that can stand in a subprotocol', () => {
    const server = createRealtimeServer({ authenticate: () => ({}), authorize: () => true })
    const attach = (...names: string[]) =>
      attachWebSocket(
        server,
        { on() {}, off() {}, listenerCount: () => 1 },
        { codecs: names.map((name) => ({ ...codec, name })) },
      )
    expect(() => attach('msgpack', 'msgpack')).toThrow('name of its own')
    expect(() => attach('')).toThrow('name of its own')
    expect(() => attach('a b')).toThrow('name of its own')
  })
})
