import { describe, expect, it, vi } from 'vitest'
import WebSocket from 'ws'
import { msgpackCodec } from '../../src/codecs/msgpack.ts'
import type { FrameCodec } from '../../src/core/protocol/frame-codec.ts'
import { webSocketTransport } from '../../src/transports/websocket.ts'
import { startServer } from '../server/support.ts'
import { SessionClient } from './session-client.ts'
import { SocketServer } from './socket-server.ts'

const codec = msgpackCodec()

const connect = (url: string, own: FrameCodec = codec) =>
  new SessionClient(webSocketTransport({ WebSocket, url, codec: own, token: () => 'secret' })).start('t')

describe('a codec', () => {
  it('carries every frame when the server knows it', async () => {
    const own = { ...codec, encode: vi.fn(codec.encode), decode: vi.fn(codec.decode) }
    const { server, url, errors } = await startServer({ attach: { codecs: [codec] } })
    const client = connect(url, own)
    await client.untilStatus('live')
    await server.publish('t', { type: 'e', data: { title: 'h\u00e9', n: [1, -1.5, null] } })
    await client.until(() => client.events.length === 1)
    expect(client.data).toEqual([{ title: 'h\u00e9', n: [1, -1.5, null] }])
    expect(own.encode.mock.calls.map(([json]) => (JSON.parse(json) as { t: string }).t)).toEqual([
      'hello',
      'subscribe',
    ])
    expect(own.decode.mock.results.map(({ value }) => (value as { t: string }).t)).toEqual([
      'welcome',
      'subscribed',
      'events',
    ])
    expect([...client.errors, ...errors]).toEqual([])
  })

  it('brings what it cannot hold as text, in both directions', async () => {
    const { server, url } = await startServer({ attach: { codecs: [codec] } })
    const client = new SessionClient(webSocketTransport({ WebSocket, url, codec }))
    client.start('__proto__', 't')
    await client.untilStatus('live')
    await server.publish('__proto__', { type: 'e', data: '\ud83d' })
    await client.until(() => client.events.length === 1)
    expect(client.data).toEqual(['\ud83d'])
  })

  it('gives way to JSON with a server that does not know it', async () => {
    const { server, url } = await startServer()
    const client = connect(url)
    await client.untilStatus('live')
    await server.publish('t', { type: 'e', data: 1 })
    await client.until(() => client.events.length === 1)
    expect(client.errors).toEqual([])
  })

  it('reports bytes that it refuses, skips them, and goes on', async () => {
    const server = await SocketServer.start({ protocol: 'rqb.v1+msgpack' })
    const client = connect(server.url)
    const peer = await server.accept()
    const tell = (message: unknown) => {
      peer.send(codec.encode(JSON.stringify(message)))
    }
    expect(codec.decode((await peer.next()) as Uint8Array)).toMatchObject({ t: 'hello', token: 'secret' })
    tell({ t: 'welcome', connectionId: '1' })
    await peer.next()
    tell({ t: 'subscribed', topic: 't', outcome: 'fresh', position: { epoch: 'a', offset: 0 } })
    await client.untilStatus('live')
    peer.send(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff))
    await client.until(() => client.errors.length === 1)
    expect(client.errors).toMatchObject([{ code: 'undecodable' }])
    tell({ t: 'events', topic: 't', epoch: 'a', events: [{ type: 'e', data: 1, offset: 1 }] })
    await client.until(() => client.events.length === 1)
    client.session.stop()
    await server.stop()
  })

  it('cannot stand beside decode, which reads the bytes itself', () => {
    expect(() => webSocketTransport({ url: 'ws://x', codec, decode: () => null })).toThrow(
      '`codec` is a form',
    )
  })
})
