import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:http'
import { describe, expect, it, onTestFinished, test, vi } from 'vitest'
import WebSocket from 'ws'
import type { Transport } from '../../src/core/transport.ts'
import { attachWebSocket, createRealtimeServer, nodeListener, sseHandler } from '../../src/server/index.ts'
import { createFakeTransport, type FakeTransport } from '../../src/testing/fake-transport.ts'
import { transportContract } from '../../src/testing/transport-contract.ts'
import { fallback, type FallbackOptions } from '../../src/transports/fallback.ts'
import { sseTransport } from '../../src/transports/sse.ts'
import { webSocketTransport } from '../../src/transports/websocket.ts'
import { manualClock } from '../server/manual.ts'
import { SessionClient } from './session-client.ts'
import { SocketServer } from './socket-server.ts'

describe('the contract', () => {
  transportContract(test, async () => {
    const server = await SocketServer.start({ protocol: 'rqb.v1' })
    let isRunning = true
    const stop = async () => {
      if (isRunning) await server.stop()
      isRunning = false
    }
    const webSocket = webSocketTransport({ url: server.url, WebSocket })
    return {
      transport: fallback([webSocket, sseTransport({ url: 'http://127.0.0.1:1' })]),
      accept: () => server.accept(),
      get acceptedCount() {
        return server.acceptedCount
      },
      refuse: stop,
      dispose: stop,
    }
  })
})

/** Two fake ways, and what is told of them. */
function rig(options: FallbackOptions = {}, ways: Partial<Transport>[] = [{ name: 'one' }, { name: 'two' }]) {
  const time = manualClock()
  const transports = ways.map((way) => createFakeTransport(way))
  const transport = fallback(transports, { clock: time.clock, storage: null, ...options })
  const errors: unknown[] = []
  const told: string[] = []
  const dial = (askToken?: () => Promise<string | undefined>) =>
    transport.connect({
      onOpen: () => told.push('open'),
      onMessage: (raw) => told.push(String(raw)),
      onClose: ({ code }) => told.push(`close ${code}`),
      onError: (error) => errors.push(error),
      ...(askToken && { askToken }),
    })
  const [one, two] = transports as [FakeTransport, FakeTransport]
  const dials = () => transports.map(({ connections }) => connections.length)
  return { time, transports, transport, one, two, dial, dials, errors, told }
}

describe('a way that does not get through', () => {
  it('is left after two dials, and the next one tells what is taken instead', async () => {
    const { dial, dials, one, transport, errors } = rig()
    for (const _ of [1, 2]) {
      dial()
      one.connection.end()
    }
    expect(transport.name).toBe('two')
    dial()
    expect(dials()).toEqual([2, 1])
    expect(errors).toEqual([])
    await Promise.resolve()
    expect(errors.map(String)).toEqual([
      'RealtimeError: [realtime-query-bridge] The one transport does not get through. Going on with two.',
    ])
  })

  it('is left at once when it is silent for as long as the session waits', () => {
    const { time, dial, dials } = rig()
    const connection = dial()
    time.advance(10_000)
    connection.close(4900)
    dial()
    expect(dials()).toEqual([1, 1])
  })

  it('is left when it opens and brings nothing, as through a proxy that swallows frames', () => {
    const { dial, dials, one } = rig()
    for (const _ of [1, 2]) {
      dial()
      one.connection.open()
      one.connection.end()
    }
    dial()
    expect(dials()).toEqual([2, 1])
  })

  it('is left at once when it cannot even begin', () => {
    const broken = {
      name: 'broken',
      connect: () => {
        throw new Error('There is no WebSocket here.')
      },
    }
    const two = createFakeTransport()
    const transport = fallback([{ mode: 'dialled', ...broken }, two], { storage: null })
    const handlers = { onOpen() {}, onMessage() {}, onClose() {}, onError: vi.fn() }
    expect(() => transport.connect(handlers)).toThrow('no WebSocket')
    transport.connect(handlers)
    expect(two.connections).toHaveLength(1)
  })

  it('comes round again when none gets through', () => {
    const { dial, dials, one, two } = rig()
    for (const way of [one, one, two, two, one]) {
      dial()
      way.connection.end()
    }
    expect(dials()).toEqual([3, 2])
  })

  it('is not left by itself when there is no other', () => {
    const { dial, one, errors } = rig({}, [{ name: 'one' }])
    for (const _ of [1, 2, 3]) {
      dial()
      one.connection.end()
    }
    expect(errors).toEqual([])
  })
})

describe('no fault of a way', () => {
  it.each([4401, 4402, 4403, 4429, 1012, 1013, 1008])('is a close by the server: %d', (code) => {
    const { dial, dials, one } = rig()
    for (const _ of [1, 2, 3]) {
      dial()
      one.connection.end({ code })
    }
    expect(dials()).toEqual([3, 0])
  })

  it('is a drop after something has come', () => {
    const { dial, dials, one, told } = rig()
    for (const _ of [1, 2, 3]) {
      dial()
      one.connection.open()
      one.connection.deliver('a word')
      one.connection.end()
    }
    expect(dials()).toEqual([3, 0])
    expect(told.slice(0, 3)).toEqual(['open', 'a word', 'close 1006'])
  })

  it('is what happens while the browser is offline', () => {
    vi.stubGlobal('navigator', { onLine: false })
    const { dial, dials, one } = rig()
    for (const _ of [1, 2, 3]) {
      dial()
      one.connection.end()
    }
    expect(dials()).toEqual([3, 0])
  })

  it('is a connection that the session ends: a stop, a wake, another user', () => {
    const { dial, dials } = rig()
    for (const code of [1000, 1000, 1000, 4900, 4900, 4900]) dial().close(code)
    expect(dials()).toEqual([6, 0])
  })

  it('is a token that does not come', async () => {
    const { dial, dials, one } = rig()
    for (const _ of [1, 2, 3]) {
      dial(() => Promise.reject(new Error('signed out')))
      await expect(one.connection.handlers.askToken?.()).rejects.toThrow('signed out')
      one.connection.end()
    }
    expect(dials()).toEqual([3, 0])
  })
})

describe('what has worked', () => {
  function storage(kept: Record<string, string> = {}) {
    return {
      kept,
      getItem: (key: string) => kept[key] ?? null,
      setItem: (key: string, value: string) => void (kept[key] = value),
    }
  }

  /** The second way works, and the first one does not. */
  function onTheSecond(options: FallbackOptions) {
    const it = rig(options)
    for (const _ of [1, 2]) {
      it.dial()
      it.one.connection.end()
    }
    it.dial()
    it.two.connection.open()
    it.two.connection.deliver('a word')
    return it
  }

  it('is taken again after a drop, and given up for the best one after a while', () => {
    const { time, dial, dials, two } = onTheSecond({ rememberMs: 1_000 })
    two.connection.end()
    dial()
    expect(dials()).toEqual([2, 2])
    two.connection.open()
    two.connection.deliver('a word')
    time.advance(1_000)
    two.connection.end()
    dial()
    expect(dials()).toEqual([3, 2])
  })

  it('is taken first by the next page, until it is too old', () => {
    const kept = storage()
    const { time } = onTheSecond({ storage: kept })
    const next = rig({ storage: kept, clock: time.clock })
    next.dial()
    expect(next.dials()).toEqual([0, 1])
    time.advance(600_000)
    const later = rig({ storage: kept, clock: time.clock })
    later.dial()
    expect(later.dials()).toEqual([1, 0])
  })

  it('is forgotten when the storage holds somebody else’s text, or none is allowed', () => {
    const broken = {
      getItem: () => '{"name":3',
      setItem: () => {
        throw new Error('full')
      },
    }
    const { dials } = onTheSecond({ storage: broken })
    expect(dials()).toEqual([2, 1])
  })

  it('is none of what is forgotten with a user', () => {
    const forget = vi.fn()
    const { transport, dial, dials, one } = rig({}, [
      { name: 'one', forget },
      { name: 'two', forget },
    ])
    for (const _ of [1, 2]) {
      dial()
      one.connection.end()
    }
    transport.forget?.()
    expect(forget).toHaveBeenCalledTimes(2)
    dial()
    expect(dials()).toEqual([2, 1])
  })
})

describe('what it takes', () => {
  const decode = () => null

  it('refuses managed transports, none at all, and backends of two kinds', () => {
    const fake = createFakeTransport()
    expect(() => fallback([])).toThrow('one at least')
    expect(() => fallback([fake, createFakeTransport({ mode: 'managed' })])).toThrow('dialled')
    expect(() => fallback([fake, createFakeTransport({ decode })])).toThrow('`decode`, or none')
  })

  it('reads each frame with the `decode` of its way', () => {
    const { transport, dial, one } = rig({}, [
      { name: 'one', decode: () => ({ type: 'one', data: 1 }) },
      { name: 'two', decode: () => ({ type: 'two', data: 2 }) },
    ])
    expect(transport.decode?.('')).toMatchObject({ type: 'one' })
    for (const _ of [1, 2]) {
      dial()
      one.connection.end()
    }
    expect(transport.decode?.('')).toMatchObject({ type: 'two' })
  })

  it('pings a plain backend only when every way is answered', () => {
    const ping = { ping: () => 'ping' }
    expect(fallback([createFakeTransport({ decode, heartbeat: ping })]).heartbeat).toBe(ping)
    const mixed = [
      createFakeTransport({ decode, heartbeat: ping }),
      createFakeTransport({ decode, heartbeat: false }),
    ]
    expect(fallback(mixed as Transport[]).heartbeat).toBe(false)
  })
})

describe.each([
  ['refused with 403', false],
  ['never answered', true],
])('a server behind a proxy whose upgrades are %s', (_, isSilent) => {
  it('is reached over Server-Sent Events, and events flow', async () => {
    const server = createRealtimeServer({
      authenticate: ({ token }) => ({ user: token ?? 'guest' }),
      authorize: () => true,
    })
    const http = createServer(nodeListener(sseHandler(server)))
    const attachment = attachWebSocket(server, http)
    http.removeAllListeners('upgrade')
    let upgrades = 0
    http.on('upgrade', (request: IncomingMessage) => {
      upgrades++
      if (!isSilent)
        request.socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    })
    await once(http.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(async () => {
      http.closeAllConnections()
      http.close()
      await attachment.close()
    })
    const host = `127.0.0.1:${(http.address() as AddressInfo).port}`
    const token = () => 'ada'
    const transport = fallback(
      [
        webSocketTransport({ url: `ws://${host}/realtime`, token, WebSocket }),
        sseTransport({ url: `http://${host}/realtime/events`, token }),
      ],
      { storage: null },
    )
    const client = new SessionClient(transport, isSilent ? { connectTimeoutMs: 2_500 } : {}).start('a')
    await client.untilStatus('live')
    await server.publish('a', { type: 'noted', data: 1 })
    await client.until(() => client.events.length === 1)
    expect(client.data).toEqual([1])
    expect(upgrades).toBe(isSilent ? 1 : 2)
    expect(client.errors.map(String)).toContain(
      'RealtimeError: [realtime-query-bridge] The websocket transport does not get through. Going on with sse.',
    )
  })
})
