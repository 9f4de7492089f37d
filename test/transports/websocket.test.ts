import { afterEach, describe, expect, it, test, vi } from 'vitest'
import WebSocket from 'ws'
import { Reporter } from '../../src/core/session/reporter.ts'
import type { RealtimeError } from '../../src/core/errors.ts'
import type { RealtimeEvent } from '../../src/core/event.ts'
import { CloseCode } from '../../src/core/protocol/close-codes.ts'
import {
  Session,
  type BridgeStatus,
  type SessionLimits,
  type TopicResync,
} from '../../src/core/session/session.ts'
import type { Transport } from '../../src/core/transport.ts'
import { transportContract } from '../../src/testing/transport-contract.ts'
import { webSocketTransport, type WebSocketTransportOptions } from '../../src/transports/websocket.ts'
import { SocketServer, type Peer } from './socket-server.ts'

/** Ends what a test has begun, last first. */
const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function startServer(options: { protocol?: string; port?: number } = {}): Promise<SocketServer> {
  const server = await SocketServer.start(options)
  cleanUps.push(() => server.stop())
  return server
}

const rqbServer = (port = 0) => startServer({ protocol: 'rqb.v1', port })

const overWs = (options: WebSocketTransportOptions) => webSocketTransport({ WebSocket, ...options })

/** A session whose handlers can be waited for. */
class Client {
  readonly session: Session
  readonly events: RealtimeEvent[] = []
  readonly resyncs: TopicResync[] = []
  readonly errors: RealtimeError[] = []
  readonly statuses: BridgeStatus['status'][] = []
  readonly #waiting = new Set<() => void>()

  constructor(transport: Transport, limits?: Partial<SessionLimits>) {
    const changed = () => {
      for (const check of this.#waiting) check()
    }
    this.session = new Session({
      transport,
      limits: { retryBaseMs: 20, ...limits },
      handlers: {
        onEvents: (events) => {
          this.events.push(...events)
          changed()
        },
        onResync: (resync) => {
          this.resyncs.push(resync)
          changed()
        },
        onStatus: ({ status }) => {
          this.statuses.push(status)
          changed()
        },
      },
      reporter: new Reporter((error) => {
        this.errors.push(error)
        changed()
      }),
    })
    cleanUps.push(() => this.session.stop())
  }

  /** Resolves as soon as something that was told makes it true. */
  until(isTrue: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!isTrue()) return
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
      check()
    })
  }

  untilStatus(status: BridgeStatus['status']): Promise<void> {
    return this.until(() => this.session.status.status === status)
  }
}

/** The server's side of a connection that asks for the topic `t`, up to its question. */
async function greet(server: SocketServer): Promise<{ peer: Peer; hello: unknown; subscribe: unknown }> {
  const peer = await server.accept()
  const hello = await peer.hear()
  peer.tell({ t: 'welcome', connectionId: '1' })
  return { peer, hello, subscribe: await peer.hear() }
}

const position = (offset: number) => ({ epoch: 'a', offset })
const freshAt = (offset: number) => ({
  t: 'subscribed',
  topic: 't',
  outcome: 'fresh',
  position: position(offset),
})
const eventsAt = (...offsets: number[]) => ({
  t: 'events',
  topic: 't',
  epoch: 'a',
  events: offsets.map((offset) => ({ type: 'e', data: offset, offset })),
})

describe.each([
  ['rqb.v1', 'rqb.v1', undefined],
  ['a plain backend', undefined, () => null],
])('the contract, with %s', (_, protocol, decode) => {
  transportContract(test, async () => {
    const server = await SocketServer.start(protocol ? { protocol } : {})
    let isRunning = true
    const stop = async () => {
      if (isRunning) await server.stop()
      isRunning = false
    }
    return {
      transport: overWs({ url: server.url, decode }),
      accept: () => server.accept(),
      get acceptedCount() {
        return server.acceptedCount
      },
      refuse: stop,
      dispose: stop,
    }
  })
})

describe('over rqb.v1', () => {
  it('says hello with the token, subscribes, and receives', async () => {
    const server = await rqbServer()
    const client = new Client(overWs({ url: server.url, token: async () => 'secret' }))
    client.session.setTopics(['t'])
    client.session.start()
    const { peer, hello, subscribe } = await greet(server)
    expect(peer.socket.protocol).toBe('rqb.v1')
    expect(peer.socket.url ?? '').not.toContain('secret')
    expect(hello).toEqual({ t: 'hello', token: 'secret', clientId: expect.any(String) as string })
    expect(subscribe).toEqual({ t: 'subscribe', topics: [{ topic: 't' }] })
    peer.tell(freshAt(0))
    peer.tell(eventsAt(1, 2))
    await client.until(() => client.events.length === 2)
    expect(client.session.status.status).toBe('live')
    expect(client.events.map(({ data }) => data)).toEqual([1, 2])
    expect(client.errors).toEqual([])
  })

  it('survives a restart of the server, with a new token, and misses nothing', async () => {
    const server = await rqbServer()
    let tokens = 0
    const client = new Client(overWs({ url: server.url, token: () => `token ${++tokens}` }))
    client.session.setTopics(['t'])
    client.session.start()
    const first = await greet(server)
    first.peer.tell(freshAt(0))
    first.peer.tell(eventsAt(1))
    await client.until(() => client.events.length === 1)

    await server.stop()
    await client.untilStatus('waiting')
    await client.until(() => client.errors.length > 0) // Nobody is there yet.
    const second = await greet(await rqbServer(server.port))
    expect(second.hello).toMatchObject({ t: 'hello', token: `token ${tokens}` })
    expect(tokens).toBeGreaterThan(1)
    expect(second.subscribe).toEqual({ t: 'subscribe', topics: [{ topic: 't', position: position(1) }] })
    const { events } = eventsAt(2, 3)
    second.peer.tell({ t: 'subscribed', topic: 't', outcome: 'replayed', position: position(3), events })
    await client.untilStatus('live')
    expect(client.events.map(({ data }) => data)).toEqual([1, 2, 3])
    expect(client.resyncs.map(({ outcome }) => outcome)).toEqual(['fresh', 'replayed'])
  })

  it('notices a server that has stopped to answer, and connects again', async () => {
    const server = await rqbServer()
    const heartbeat = { intervalMs: 1_000, timeoutMs: 1_000 }
    const client = new Client(overWs({ url: server.url, heartbeat }))
    client.session.setTopics(['t'])
    client.session.start()
    const { peer } = await greet(server)
    peer.tell(freshAt(0))
    await client.untilStatus('live')
    // From here on the server reads nothing and says nothing, and its socket stays open.
    peer.socket.pause()
    await client.untilStatus('waiting')
    expect(client.session.status.reason).toBe('lost')
    const again = await greet(server)
    expect(again.subscribe).toEqual({ t: 'subscribe', topics: [{ topic: 't', position: position(0) }] })
    peer.socket.resume()
    expect((await peer.closed).code).toBe(CloseCode.HeartbeatTimeout)
  })

  it('stays live while the server answers pings', async () => {
    const server = await rqbServer()
    const client = new Client(overWs({ url: server.url, heartbeat: { intervalMs: 50, timeoutMs: 1_000 } }))
    client.session.start()
    const peer = await server.accept()
    await peer.hear()
    peer.tell({ t: 'welcome', connectionId: '1' })
    for (let i = 0; i < 3; i++) {
      expect(await peer.hear()).toEqual({ t: 'ping' })
      peer.tell({ t: 'pong' })
    }
    expect(client.session.status.status).toBe('live')
  })

  it('ends for good when the server does not accept the token', async () => {
    const server = await rqbServer()
    const client = new Client(overWs({ url: server.url, token: () => 'wrong' }))
    client.session.start()
    const peer = await server.accept()
    peer.end(CloseCode.Unauthorized, 'no')
    await client.untilStatus('closed')
    expect(client.session.status.reason).toBe('unauthorized')
    expect(server.acceptedCount).toBe(1)
  })

  it('does not take a server for one that speaks rqb.v1 when it does not say so', async () => {
    const server = await startServer({ protocol: 'other' })
    const client = new Client(overWs({ url: server.url, protocols: 'spare' }))
    client.session.start()
    await client.until(() => client.errors.length > 0)
    expect(client.errors[0]).toMatchObject({ code: 'transport-failed' })
    expect(client.statuses).not.toContain('handshaking')
  })

  it('makes one connection of start, stop, start, as in StrictMode', async () => {
    const server = await rqbServer()
    const url = vi.fn(() => server.url)
    const client = new Client(overWs({ url }))
    client.session.start()
    client.session.stop()
    client.session.start()
    const peer = await server.accept()
    await peer.hear()
    peer.tell({ t: 'welcome', connectionId: '1' })
    await client.untilStatus('live')
    expect(server.acceptedCount).toBe(1)
    expect(url).toHaveBeenCalledTimes(1)
  })
})

describe('over a backend that knows nothing of us', () => {
  const decode = (raw: unknown): RealtimeEvent | null => {
    const { kind, payload } = JSON.parse(raw as string) as { kind: string; payload: unknown }
    return kind === 'welcome' ? null : { type: kind, data: payload }
  }

  it('is live when it is open, and sends nothing', async () => {
    const server = await startServer()
    const client = new Client(overWs({ url: server.url, decode }))
    client.session.setTopics(['t'])
    client.session.start()
    const peer = await server.accept()
    expect(peer.socket.protocol).toBe('')
    peer.tell({ kind: 'welcome' })
    peer.tell({ kind: 'task.created', payload: { id: 1 } })
    await client.until(() => client.events.length === 1)
    expect(client.events).toEqual([{ type: 'task.created', data: { id: 1 } }])
    expect(client.resyncs).toEqual([{ topic: undefined, outcome: 'fresh', position: undefined }])
    client.session.stop()
    expect((await peer.closed).code).toBe(1000)
    await expect(Promise.race([peer.next(), Promise.resolve('nothing')])).resolves.toBe('nothing')
  })

  it('is reset after a break', async () => {
    const server = await startServer()
    const client = new Client(overWs({ url: server.url, decode }))
    client.session.start()
    ;(await server.accept()).cut()
    await server.accept()
    await client.until(() => client.resyncs.length === 2)
    expect(client.resyncs.map(({ outcome }) => outcome)).toEqual(['fresh', 'reset'])
  })

  it('is pinged in its own words', async () => {
    const server = await startServer()
    const heartbeat = { intervalMs: 50, timeoutMs: 1_000, ping: () => '{"kind":"are you there"}' }
    new Client(overWs({ url: server.url, decode, heartbeat })).session.start()
    const peer = await server.accept()
    expect(await peer.hear()).toEqual({ kind: 'are you there' })
  })

  it('receives bytes as they are', async () => {
    const server = await startServer()
    const bytes = (raw: unknown) => ({ type: 'bytes', data: [...new Uint8Array(raw as ArrayBuffer)] })
    const client = new Client(overWs({ url: server.url, decode: bytes }))
    client.session.start()
    ;(await server.accept()).send(new Uint8Array([1, 2, 255]))
    await client.until(() => client.events.length === 1)
    expect(client.events[0]!.data).toEqual([1, 2, 255])
  })

  it('is offered the protocols that the app gives, asked for on every dial', async () => {
    const server = await startServer({ protocol: 'v2' })
    let dials = 0
    const protocols = async () => ['v2', `ticket-${++dials}`]
    const client = new Client(overWs({ url: server.url, decode, protocols }))
    client.session.start()
    const first = await server.accept()
    expect(first.socket.protocol).toBe('v2')
    first.cut()
    await server.accept()
    await client.until(() => client.resyncs.length === 2)
    expect(dials).toBe(2)
  })
})

describe('the URL', () => {
  it('is asked for on every dial, and what it throws is told and tried again', async () => {
    const server = await startServer()
    const cause = new Error('no ticket')
    let dials = 0
    const url = async () => {
      if (++dials === 1) throw cause
      return `${server.url}/?ticket=${dials}`
    }
    const client = new Client(overWs({ url, decode: () => null }))
    client.session.start()
    await server.accept()
    await client.untilStatus('live')
    expect(dials).toBe(2)
    expect(client.errors).toMatchObject([{ code: 'transport-failed', cause }])
  })

  it('may reject with nothing', async () => {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- an app may do just that
    const client = new Client(overWs({ url: () => Promise.reject(), decode: () => null }))
    client.session.start()
    await client.until(() => client.errors.length > 0)
    expect(client.session.status.status).toBe('waiting')
  })

  it('may be a path on the origin of the page', async () => {
    const server = await startServer()
    vi.stubGlobal('location', { href: `http://127.0.0.1:${server.port}/tasks/1?x#y` })
    const seen: string[] = []
    class Watched extends WebSocket {
      constructor(url: string, protocols?: string[]) {
        super(url, protocols)
        seen.push(url)
      }
    }
    const client = new Client(overWs({ url: '/realtime', decode: () => null, WebSocket: Watched }))
    client.session.start()
    await client.untilStatus('live')
    expect(seen).toEqual([`ws://127.0.0.1:${server.port}/realtime`])
  })

  it('has to be whole where there is no page', async () => {
    const client = new Client(overWs({ url: '/realtime' }))
    client.session.start()
    await client.until(() => client.errors.length > 0)
    expect(client.errors[0]).toMatchObject({ code: 'usage' })
    expect(client.errors[0]!.message).toContain('wss://')
  })
})

describe('partysocket', () => {
  /** A WebSocket of the platform, worked by hand. */
  class FakeWebSocket extends EventTarget {
    static readonly made: FakeWebSocket[] = []
    readyState = 0
    binaryType = 'blob'
    readonly sent: unknown[] = []

    constructor() {
      super()
      FakeWebSocket.made.push(this)
    }

    tell(type: 'open' | 'close' | 'error'): void {
      this.readyState = type === 'open' ? 1 : 3
      this.dispatchEvent(Object.assign(new Event(type), type === 'close' && { code: 1001, reason: 'bye' }))
    }

    send(data: unknown): void {
      this.sent.push(data)
    }

    close(): void {
      this.readyState = 2
    }
  }

  async function connect() {
    FakeWebSocket.made.length = 0
    vi.useFakeTimers()
    cleanUps.push(() => vi.useRealTimers())
    const handlers = { onOpen: vi.fn(), onMessage: vi.fn(), onClose: vi.fn(), onError: vi.fn() }
    const connection = webSocketTransport({ url: 'ws://x', WebSocket: FakeWebSocket }).connect(handlers)
    await vi.advanceTimersByTimeAsync(0)
    return { connection, handlers, socket: FakeWebSocket.made[0]! }
  }

  it.each(['close', 'error'] as const)('does not dial again after %s, ever', async (type) => {
    const { handlers, socket } = await connect()
    socket.tell('open')
    socket.tell(type)
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(FakeWebSocket.made).toHaveLength(1)
    expect(handlers.onClose).toHaveBeenCalledExactlyOnceWith(
      type === 'close' ? { code: 1001, reason: 'bye' } : expect.objectContaining({ code: 1006 }),
    )
    expect(handlers.onError).toHaveBeenCalledTimes(type === 'close' ? 0 : 1)
  })

  it('gives up a dial that nobody answers', async () => {
    const { handlers, socket } = await connect()
    await vi.advanceTimersByTimeAsync(9_999)
    expect(handlers.onClose).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(handlers.onClose).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 1006 }))
    expect(socket.readyState).toBe(2)
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(FakeWebSocket.made).toHaveLength(1)
  })

  it('keeps nothing back to send it later', async () => {
    const { connection, socket } = await connect()
    connection.send('too early')
    socket.tell('open')
    connection.send('in time')
    expect(socket.sent).toEqual(['in time'])
  })

  it('leaves no timer after close', async () => {
    const { connection, handlers, socket } = await connect()
    socket.tell('open')
    connection.close(4900)
    expect(vi.getTimerCount()).toBe(0)
    socket.tell('close')
    expect(handlers.onClose).not.toHaveBeenCalled()
  })
})

describe('mistakes', () => {
  it('throws when a token is given to a backend that would never see it', () => {
    expect(() => overWs({ url: 'ws://x', token: () => 'a', decode: () => null })).toThrow(/cookie/)
  })

  it('says what to do where there is no WebSocket', async () => {
    vi.stubGlobal('WebSocket', undefined)
    const transport = webSocketTransport({ url: 'ws://x' })
    const client = new Client(transport)
    client.session.start()
    await client.until(() => client.errors.length > 0)
    expect(client.errors[0]).toMatchObject({ code: 'usage' })
    expect(client.errors[0]!.message).toContain("import WebSocket from 'ws'")
  })
})
