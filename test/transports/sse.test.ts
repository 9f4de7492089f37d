import type { IncomingMessage } from 'node:http'
import { describe, expect, it, onTestFinished, test, vi } from 'vitest'
import type { Transport } from '../../src/core/transport.ts'
import { tokenExpired } from '../../src/server/index.ts'
import { transportContract } from '../../src/testing/transport-contract.ts'
import { sseTransport } from '../../src/transports/sse.ts'
import { startSseServer } from '../server/sse-support.ts'
import { FaultProxy, type CutBy } from '../support/fault-proxy.ts'
import { EventStreamServer, type StreamPeer } from './event-stream-server.ts'
import { SessionClient } from './session-client.ts'

async function startBareServer(options?: { isPlain?: boolean; port?: number }): Promise<EventStreamServer> {
  const server = await EventStreamServer.start(options)
  onTestFinished(() => server.stop())
  return server
}

const note = (n: number) => ({ type: 'noted', data: n })
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

describe('the contract', () => {
  transportContract(
    test,
    async () => {
      const server = await EventStreamServer.start()
      return {
        transport: sseTransport({ url: server.url }),
        accept: () => server.accept(),
        get acceptedCount() {
          return server.acceptedCount
        },
        refuse: () => server.stop(),
        dispose: () => server.stop(),
      }
    },
    { carriesBytes: false, carriesCloseCode: false },
  )
})

describe('over rqb.v1', () => {
  it('carries a session: topics, events, new topics, pings', async () => {
    const { url, server } = await startSseServer()
    const client = new SessionClient(
      sseTransport({ url, heartbeat: { intervalMs: 20, timeoutMs: 5_000 } }),
    ).start('a')
    await client.untilStatus('live')
    for (const n of upTo(10)) await server.publish('a', note(n))
    await client.until(() => client.events.length === 10)
    expect(client.data).toEqual(upTo(10))
    client.session.setTopics(['a', 'b'])
    await client.until(() => client.session.topicState('b') === 'live')
    await server.publish('b', note(11))
    await client.until(() => client.events.length === 11)
    expect(client.errors).toEqual([])
    expect(client.statuses.filter((status) => status === 'live')).toHaveLength(1)
  })

  it('sends the token in a header of every request, and never in the URL', async () => {
    const server = await startBareServer()
    const requests: IncomingMessage[] = []
    server.intercept = (request) => requests.push(request) === 0
    const client = new SessionClient(
      sseTransport({ url: server.url, token: async () => 's3cret', headers: () => ({ 'X-App': '7' }) }),
    ).start('a')
    const peer = await server.accept()
    peer.tell({ t: 'welcome', connectionId: '1' })
    expect(await peer.hear()).toEqual({ t: 'subscribe', topics: [{ topic: 'a' }] })
    expect(requests.map(({ method }) => method)).toEqual(['GET', 'POST'])
    for (const { headers, url } of requests) {
      expect(headers).toMatchObject({ authorization: 'Bearer s3cret', 'x-app': '7' })
      expect(url).toBe('/events')
    }
    expect(client.errors).toEqual([])
  })

  it('asks for a new token when the old one has expired, and ends for good when it is not taken', async () => {
    const tokens = ['old', 'new', 'old', 'old']
    const { url, server } = await startSseServer({
      authenticate: ({ token }) => (token === 'new' ? { user: 'ada' } : tokenExpired),
    })
    const client = new SessionClient(sseTransport({ url, token: () => tokens.shift() })).start('a')
    await client.untilStatus('live')
    expect(tokens).toEqual(['old', 'old'])
    await server.publish('a', note(1))
    await client.until(() => client.events.length === 1)

    const refused = new SessionClient(sseTransport({ url, token: () => tokens.shift() })).start('a')
    await refused.untilStatus('closed')
    expect(refused.session.status.reason).toBe('unauthorized')
    expect(tokens).toEqual([])
  })

  it('keeps the name of its client over its connections, and takes another one after a stop', async () => {
    const server = await startBareServer()
    const client = new SessionClient(sseTransport({ url: server.url })).start('a')
    const names: unknown[] = []
    for (const isStopped of [false, true, false]) {
      const peer = await server.accept()
      names.push(peer.request.headers['realtime-client'])
      peer.tell({ t: 'welcome', connectionId: '1' })
      await peer.hear()
      if (isStopped) {
        client.session.stop()
        client.session.start()
      } else peer.cut()
    }
    expect(names[0]).toMatch(/^[\w-]{8,64}$/)
    expect(names[1]).toBe(names[0])
    expect(names[2]).not.toBe(names[0])
  })

  it('asks for a token once for each dial', async () => {
    const { url } = await startSseServer()
    const token = vi.fn(() => 'ada')
    const client = new SessionClient(sseTransport({ url, token })).start('a')
    await client.untilStatus('live')
    expect(token).toHaveBeenCalledTimes(1)
  })

  it('does not ask for another token with the next dial while the app has not answered', async () => {
    const { url } = await startSseServer()
    const answers: ((token: string) => void)[] = []
    const token = vi.fn(() => new Promise<string>((resolve) => answers.push(resolve)))
    const client = new SessionClient(sseTransport({ url, token }), { connectTimeoutMs: 500 }).start('a')
    await client.until(() => client.errors.length >= 2)
    await client.untilStatus('connecting')
    expect(token).toHaveBeenCalledTimes(1)
    expect(client.errors[0]?.message).toContain('The token provider has not answered.')
    answers[0]!('ada')
    await client.untilStatus('live')
    expect(token).toHaveBeenCalledTimes(1)
  })

  it('renews its token in place when it is about to end', async () => {
    const server = await startBareServer()
    const tokens = ['first', 'second']
    const client = new SessionClient(sseTransport({ url: server.url, token: () => tokens.shift() })).start(
      'a',
    )
    const peer = await server.accept()
    expect(peer.request.headers.authorization).toBe('Bearer first')
    peer.tell({ t: 'welcome', connectionId: '1' })
    await peer.hear()
    peer.tell({ t: 'subscribed', topic: 'a', outcome: 'fresh', position: { epoch: 'e', offset: 0 } })
    await client.untilStatus('live')
    peer.tell({ t: 'token-expires', inMs: 30_000 })
    expect(await peer.hear()).toEqual({ t: 'auth', token: 'second' })
    expect(server.acceptedCount).toBe(1)
  })

  it('ends for good where it is not let in', async () => {
    const { url } = await startSseServer({ authenticate: () => null })
    const client = new SessionClient(sseTransport({ url })).start('a')
    await client.untilStatus('closed')
    expect(client.session.status.reason).toBe('unauthorized')
  })

  it('comes back after a restart, when the server said, and misses nothing', async () => {
    const first = await startSseServer()
    const proxy = await FaultProxy.start(first.port)
    const url = proxy.url.replace('ws:', 'http:')
    const client = new SessionClient(sseTransport({ url })).start('a')
    await client.untilStatus('live')
    await first.server.publish('a', note(1))
    await client.until(() => client.events.length === 1)
    proxy.cut()
    await first.server.publish('a', note(2))
    await client.until(() => client.events.length === 2)
    expect(client.data).toEqual([1, 2])
    expect(client.resyncs.map(({ outcome }) => outcome)).toEqual(['fresh', 'replayed'])

    await first.server.close({ retryAfterMs: 1, graceMs: 0 })
    const second = await startSseServer()
    await second.server.publish('a', note(1))
    proxy.target = second.port
    proxy.cut() // With it the kept-alive connections, as when a process ends.
    await client.until(() => client.resyncs.at(-1)?.outcome === 'reset')
    await client.untilStatus('live')
  })

  it('notices a server that is silent, and connects again', async () => {
    const { port, server } = await startSseServer()
    const proxy = await FaultProxy.start(port)
    const heartbeat = { intervalMs: 200, timeoutMs: 200 }
    const client = new SessionClient(
      sseTransport({ url: proxy.url.replace('ws:', 'http:'), heartbeat }),
    ).start('a')
    await client.untilStatus('live')
    proxy.stall()
    await client.until(() => client.statuses.includes('waiting'))
    await server.publish('a', note(1))
    await client.until(() => client.events.length === 1)
    await client.untilStatus('live')
  })

  it('posts one request at a time, in order, and several messages in one', async () => {
    const server = await startBareServer()
    const held: (() => void)[] = []
    server.intercept = (request, response) => {
      if (request.method !== 'POST') return false
      held.push(() => {
        server.intercept = () => false
        request.resume()
        request.on('end', () => response.writeHead(204).end())
      })
      wake()
      return true
    }
    let wake = () => {}
    const connection = sseTransport({ url: server.url }).connect({
      onOpen: () => {
        connection.send('{"t":"hello"}')
        connection.send('one')
      },
      onMessage: () => {},
      onClose: () => {},
      onError: () => {},
    })
    const peer = await server.accept()
    if (held.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    for (const text of ['two', 'three', 'four']) connection.send(text)
    held[0]!()
    for (const text of ['two', 'three', 'four']) expect(await peer.next()).toBe(text)
    expect(held).toHaveLength(1)
    expect(peer.posts).toHaveLength(1)
    connection.close(1000)
  })

  it('dials again when its stream is not known any more', async () => {
    const server = await startBareServer()
    server.intercept = (request, response) => {
      if (request.method !== 'POST') return false
      server.intercept = () => false
      response.writeHead(410).end('gone')
      return true
    }
    const client = new SessionClient(sseTransport({ url: server.url })).start('a')
    const first = await server.accept()
    first.tell({ t: 'welcome', connectionId: '1' })
    const second = await server.accept()
    second.tell({ t: 'welcome', connectionId: '2' })
    expect(await second.hear()).toMatchObject({ t: 'subscribe' })
    await first.closed
    expect(client.errors[0]).toMatchObject({
      code: 'transport-failed',
      cause: expect.objectContaining({ message: expect.stringContaining('410') }),
    })
  })

  it.each([
    ['a plain stream', 'text/event-stream', 'data: {"hello":1}\n\n'],
    ['another protocol', 'text/event-stream', 'event: connection\ndata: {"protocol":"rqb.v9","id":"1"}\n\n'],
    ['a page', 'text/html', '<!doctype html>'],
  ])('says what is wrong with %s, and tries again', async (_, type, body) => {
    const server = await startBareServer()
    server.intercept = (__, response) => !!response.writeHead(200, { 'Content-Type': type }).end(body)
    const client = new SessionClient(sseTransport({ url: server.url })).start('a')
    await client.until(() => client.errors.length >= 2)
    expect(client.errors[0]).toMatchObject({ code: 'transport-failed' })
    expect(`${client.errors[0]!.message} ${String(client.errors[0]!.cause)}`).toMatch(/decode|text\/html/)
    expect(client.statuses).not.toContain('handshaking')
  })

  it('leaves no stream when it is stopped, at any moment', async () => {
    const { url, open } = await startSseServer()
    for (const status of ['connecting', 'handshaking', 'resyncing', 'live'] as const) {
      const client = new SessionClient(sseTransport({ url })).start('a')
      await client.until(() => client.statuses.includes(status))
      client.session.stop()
    }
    while (open.size > 0) await new Promise((resolve) => setImmediate(resolve))
  })

  it('reports a token provider that fails, and asks again', async () => {
    const { url } = await startSseServer()
    let asked = 0
    const token = () => {
      if (++asked === 1) throw new Error('no token now')
      return 'ada'
    }
    const client = new SessionClient(sseTransport({ url, token })).start('a')
    await client.untilStatus('live')
    expect(client.errors).toMatchObject([{ code: 'transport-failed', cause: { message: 'no token now' } }])
  })

  it('says that bytes are not carried', async () => {
    const server = await startBareServer()
    const connection = sseTransport({ url: server.url }).connect({
      onOpen: () => {},
      onMessage: () => {},
      onClose: () => {},
      onError: () => {},
    })
    expect(() => {
      connection.send(new Uint8Array(1))
    }).toThrow(/text/)
    connection.close()
  })

  it('says what to do where there is no fetch, and where a path means nothing', async () => {
    const path = new SessionClient(sseTransport({ url: '/events' })).start()
    await path.until(() => path.errors.length > 0)
    expect(path.errors[0]).toMatchObject({
      code: 'usage',
      message: expect.stringContaining('https://host/path'),
    })
    vi.stubGlobal('fetch', undefined)
    const client = new SessionClient(sseTransport({ url: 'http://127.0.0.1/events' })).start()
    await client.until(() => client.errors.length > 0)
    expect(client.errors[0]).toMatchObject({ code: 'usage', message: expect.stringContaining('{ fetch }') })
  })
})

describe.each<[string, CutBy, number]>([
  ['every byte', 'FIN', 1],
  ['every fifth byte', 'RST', 5],
])('cut at %s of a short stream, by %s', (_, by, step) => {
  it('misses nothing and gets nothing twice', { timeout: 120_000 }, async () => {
    const { port, server } = await startSseServer()
    const proxy = await FaultProxy.start(port)
    const url = proxy.url.replace('ws:', 'http:')
    let wasCut = true
    let bytes = 0
    for (; wasCut; bytes += step) {
      const topic = `t${bytes}`
      const before = proxy.cuts
      proxy.cutAfter(bytes + 1, by)
      const client = new SessionClient(sseTransport({ url })).start(topic)
      await client.until(() => client.resyncs.length > 0)
      for (const n of [1, 2]) await server.publish(topic, note(n))
      await client.until(() => client.events.length >= 2)
      await server.publish(topic, note(3))
      await client.until(() => client.events.length >= 3)
      expect({ bytes, data: client.data }).toEqual({ bytes, data: [1, 2, 3] })
      wasCut = proxy.cuts > before
      client.session.stop()
      proxy.cancelCut()
      proxy.cut()
    }
    expect(bytes).toBeGreaterThan(500)
  })
})

describe('over a backend that knows nothing of us', () => {
  const plain = (
    url: string,
    options: { heartbeat?: { intervalMs: number; timeoutMs: number } } = {},
  ): Transport =>
    sseTransport({
      url,
      decode: ({ event = 'message', data }) =>
        event === 'hint' ? null : { type: event, data: JSON.parse(data) as unknown },
      ...options,
    })

  it('decodes its events by name and data, skips what is not for us, and reports what it cannot read', async () => {
    const server = await startBareServer({ isPlain: true })
    const client = new SessionClient(plain(server.url)).start()
    const peer = await server.accept()
    peer.response.write(': a comment\nretry: 10\n\n')
    peer.event({ event: 'hint', data: '1' })
    peer.event({ data: '{"id":1}' })
    peer.event({ event: 'task.created', data: 'not JSON' })
    peer.event({ event: 'task.created', data: '{"id":2}' })
    await client.until(() => client.events.length === 2)
    expect(client.session.status.status).toBe('live')
    expect(client.events).toEqual([
      { type: 'message', data: { id: 1 } },
      { type: 'task.created', data: { id: 2 } },
    ])
    expect(client.errors.map(({ code }) => code)).toEqual(['undecodable'])
    expect(peer.posts).toEqual([])
  })

  it('says on the next dial which event was the last, until the session is stopped', async () => {
    const server = await startBareServer({ isPlain: true })
    const client = new SessionClient(plain(server.url)).start()
    const first = await server.accept()
    expect(first.request.headers['last-event-id']).toBeUndefined()
    first.event({ id: '41', data: '1' })
    first.event({ data: '2' })
    first.event({ id: 'a\0b', data: '3' })
    await client.until(() => client.events.length === 3)
    first.cut()
    const second = await server.accept()
    expect(second.request.headers['last-event-id']).toBe('41')
    await client.until(() => client.resyncs.length === 2)
    client.session.stop()
    await second.closed
    client.session.start()
    const third = await server.accept()
    expect(third.request.headers['last-event-id']).toBeUndefined()
    await client.until(() => client.resyncs.length === 3)
    expect(client.resyncs.map(({ outcome }) => outcome)).toEqual(['fresh', 'reset', 'reset'])
  })

  it.each<[string, (client: SessionClient, server: EventStreamServer, peer: StreamPeer) => Promise<void>]>([
    [
      'is stopped while it waits to dial',
      async (client, _, peer) => {
        peer.cut()
        await client.untilStatus('waiting')
        client.session.stop()
      },
    ],
    [
      'has another user while it waits to dial',
      async (client, _, peer) => {
        peer.cut()
        await client.untilStatus('waiting')
        client.session.switchUser()
      },
    ],
    [
      'has another user after the server has ended it',
      async (client, server, peer) => {
        server.intercept = (__, response) => !!response.writeHead(401).end()
        peer.cut()
        await client.untilStatus('closed')
        server.intercept = () => false
        client.session.switchUser()
      },
    ],
  ])('tells nothing of the last event when it %s (L10)', async (_, end) => {
    const server = await startBareServer({ isPlain: true })
    const client = new SessionClient(plain(server.url)).start()
    const first = await server.accept()
    first.event({ id: '41', data: '1' })
    await client.until(() => client.events.length === 1)
    await end(client, server, first)
    client.session.start()
    const second = await server.accept()
    expect(second.request.headers['last-event-id']).toBeUndefined()
  })

  it('lives on comments, and gives up a stream that is silent', async () => {
    const server = await startBareServer({ isPlain: true })
    const client = new SessionClient(
      plain(server.url, { heartbeat: { intervalMs: 100, timeoutMs: 100 } }),
    ).start()
    await server.accept()
    await client.until(() => client.statuses.includes('waiting'))
    expect(client.session.status.reason).toBe('lost')
    const second = await server.accept()
    const beats = setInterval(() => second.response.write(':\n\n'), 20)
    onTestFinished(() => {
      clearInterval(beats)
    })
    await client.untilStatus('live')
    for (let i = 0; i < 30; i++) await new Promise((resolve) => second.response.write(':\n\n', resolve))
    expect(server.acceptedCount).toBe(2)
  })

  it.each([
    [401, 'unauthorized'],
    [403, 'forbidden'],
    [204, 'rejected'],
  ])('ends for good at %i', async (status, reason) => {
    const server = await startBareServer({ isPlain: true })
    server.intercept = (_, response) => !!response.writeHead(status).end()
    const client = new SessionClient(plain(server.url)).start()
    await client.untilStatus('closed')
    expect(client.session.status.reason).toBe(reason)
  })

  it('gives up an event without an end', async () => {
    const server = await startBareServer({ isPlain: true })
    const client = new SessionClient(plain(server.url)).start()
    const peer = await server.accept()
    const chunk = 'x'.repeat(1024 * 1024)
    peer.response.write('data: ')
    for (let i = 0; i < 10 && !peer.response.destroyed; i++) {
      await new Promise<void>((resolve) => peer.response.write(chunk, () => resolve()))
    }
    await client.until(() => client.errors.length > 0)
    expect(String(client.errors[0]!.cause)).toMatch(/max buffer size/)
    await peer.closed
  })
})
