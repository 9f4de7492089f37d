/** A backend that was there before: it sends messages of its own over a bare WebSocket, and knows nothing of us. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocketServer } from 'ws'
import type { RealtimeEvent } from '../../src/core/event.ts'
import { FaultProxy } from '../support/fault-proxy.ts'
import type { Row } from '../support/live-server.ts'
import {
  eventually,
  startClient,
  startLiveServer,
  type SocketClientOptions,
} from '../support/socket-client.ts'

const decode = (raw: unknown): RealtimeEvent | null => {
  const { event, payload } = JSON.parse(raw as string) as { event: string; payload: unknown }
  return event === 'hello' ? null : { type: event, data: payload }
}

/** A REST API, and beside it a WebSocket that tells everybody everything. */
async function startBackend() {
  const rest = await startLiveServer()
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(sockets, 'listening')
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
  })
  const heard: string[] = []
  sockets.on('connection', (socket) => {
    socket.send(JSON.stringify({ event: 'hello', payload: 'welcome' }))
    socket.on('message', (data) => {
      const text = (data as Buffer).toString()
      heard.push(text)
      if (text === 'ping') socket.send(JSON.stringify({ event: 'hello', payload: 'pong' }))
    })
    socket.on('error', () => {})
  })
  const broadcast = (text: string) => {
    for (const socket of sockets.clients) socket.send(text)
  }
  return {
    rest,
    /** Frames of clients. */
    heard,
    port: (sockets.address() as AddressInfo).port,
    broadcast,
    async save(list: string, row: Row): Promise<void> {
      await rest.save(list, row)
      const payload = { list, row, seq: rest.seq(list) }
      broadcast(JSON.stringify({ event: 'row.saved', payload }))
    },
    async mark(list: string): Promise<number> {
      const seq = await rest.mark(list)
      broadcast(JSON.stringify({ event: 'marked', payload: { list, seq } }))
      return seq
    },
  }
}

/** A client that has the rows of lists `a` and `b` on screen, and those of `unseen` in its cache. */
async function connect(options: Partial<SocketClientOptions> = {}) {
  const backend = await startBackend()
  const proxy = await FaultProxy.start(backend.port)
  const client = startClient({ url: proxy.url, origin: backend.rest.origin, decode, ...options })
  client.showRows('a')
  client.showRows('b')
  client.witness('a')
  const hide = client.showRows('unseen')
  await client.ready()
  hide()
  backend.rest.requests.length = 0
  return { backend, proxy, client }
}

describe('a plain backend', () => {
  it('patches the cache with what it has always sent, and is sent nothing', async () => {
    const { backend, client } = await connect()
    await backend.save('a', { id: 1, title: 'one' })
    await backend.save('unseen', { id: 1, title: 'one' })
    await client.hasSeen('a', await backend.mark('a'))
    expect(client.rows('a')).toEqual(backend.rest.rows('a'))
    expect(client.rows('unseen')).toEqual(backend.rest.rows('unseen'))
    expect(backend.rest.requests).toEqual([])
    expect(backend.heard).toEqual([])
    expect(client.errors).toEqual([])
  })

  it('is asked again, once, for what is on screen when the connection is back', async () => {
    const { backend, proxy, client } = await connect()
    proxy.down()
    await backend.save('a', { id: 1, title: 'while away' })
    await backend.save('unseen', { id: 1, title: 'while away' })
    proxy.up()
    await eventually(() => {
      expect(client.rows('a')).toEqual(backend.rest.rows('a'))
    })
    await client.hasSeen('a', await backend.mark('a'))
    expect(backend.rest.requests.sort()).toEqual(['GET /a/rows', 'GET /b/rows'])
    expect(client.rows('unseen')).toEqual([])
    expect(client.isStale('rows', 'unseen')).toBe(true)
    client.showRows('unseen')
    await eventually(() => {
      expect(client.rows('unseen')).toEqual(backend.rest.rows('unseen'))
    })
  })

  it('that goes silent is noticed by the ping that it answers', async () => {
    const heartbeat = { intervalMs: 200, timeoutMs: 300, ping: () => 'ping' }
    const { backend, proxy, client } = await connect({ heartbeat })
    await eventually(() => {
      expect(backend.heard).toEqual(['ping', 'ping'])
    })
    expect(proxy.opened).toBe(1)
    proxy.stall()
    await backend.save('a', { id: 1, title: 'into the void' })
    await eventually(() => {
      expect(client.rows('a')).toEqual(backend.rest.rows('a'))
    })
    expect(client.statuses.map(({ status }) => status)).toContain('waiting')
    expect(proxy.opened).toBe(2)
  })

  it('whose message makes no sense is reported, and the next one is taken', async () => {
    const { backend, client } = await connect()
    backend.broadcast('<html>502</html>')
    backend.broadcast(JSON.stringify({ event: 'row.saved', payload: { list: 'a' } }))
    backend.broadcast(JSON.stringify({ event: 'invoice.paid', payload: {} }))
    await backend.save('a', { id: 1, title: 'sense' })
    await client.hasSeen('a', await backend.mark('a'))
    expect(client.errors.map(({ code }) => code)).toEqual(['undecodable', 'invalid-data', 'unknown-event'])
    expect(client.rows('a')).toEqual(backend.rest.rows('a'))
    expect(client.bridge.status.status).toBe('live')
  })
})
