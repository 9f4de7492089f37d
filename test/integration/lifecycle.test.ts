/** Stop leaves nothing (L9), whatever was going on: no timer, listener or socket, on either side. */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { SessionStatus } from '../../src/core/session/connection/session-state.ts'
import { FaultProxy } from '../support/fault-proxy.ts'
import { noteOpenHandles } from '../support/open-handles.ts'
import {
  eventually,
  SocketClient,
  startLiveServer,
  type SocketClientOptions,
} from '../support/socket-client.ts'

/** A client that has not started, and what its QueryClient is listened to by. */
function createClient(options: SocketClientOptions) {
  const client = new SocketClient(options)
  onTestFinished(() => {
    client.end()
  })
  return client
}

function expectNothingLeft({ clock, signals, queryClient, bridge }: SocketClient) {
  expect(bridge.status).toMatchObject({ status: 'closed', reason: 'stopped' })
  expect(clock.pending).toBe(0)
  expect(signals.listeners.size).toBe(0)
  expect(queryClient.getQueryCache().hasListeners()).toBe(false)
  expect(queryClient.getMutationCache().hasListeners()).toBe(false)
}

describe('stop', () => {
  it('leaves nothing behind, 50 times, at every stage of a connection, and start works again', async () => {
    const server = await startLiveServer()
    const proxy = await FaultProxy.start(server.port)
    const haveClosed = await noteOpenHandles()
    const client = createClient({ url: proxy.url, origin: server.origin })
    const { bridge } = client
    client.witness('a')

    const stopAt = (wanted: SessionStatus) =>
      new Promise<void>((resolve) => {
        const unsubscribe = bridge.subscribe(({ status }) => {
          if (status !== wanted) return
          unsubscribe()
          bridge.stop()
          queueMicrotask(resolve) // Stopped from within, it stops when the listener has returned.
        })
        bridge.start()
      })
    const stopAfter = async (moment: () => Promise<unknown>) => {
      bridge.start()
      await moment()
      bridge.stop()
    }
    const stages = [
      () => stopAfter(async () => {}),
      () => stopAfter(() => turn()),
      () => stopAfter(() => new Promise<void>((resolve) => (proxy.onLink = resolve))),
      () => stopAt('connecting'),
      () => stopAt('handshaking'),
      () => stopAt('resyncing'),
      () => stopAt('live'),
    ]
    for (let round = 0; round < 50; round++) {
      await stages[round % stages.length]!()
      expectNothingLeft(client)
    }

    bridge.start()
    await client.ready()
    await client.hasSeen('a', await server.mark('a'))
    expect(client.witnessed('a')).toEqual([1])
    bridge.stop()

    expectNothingLeft(client)
    await eventually(() => {
      expect(server.connections.open).toBe(0)
      expect(server.sockets).toBe(0)
      expect(proxy.live).toBe(0)
    })
    client.end()
    await haveClosed()
    expect(client.errors).toEqual([])
    // Those that were stopped later than while connecting have reached the server.
    expect(server.connections.ever).toBeGreaterThan((50 * 3) / stages.length)
  })

  it('keeps what has arrived, and what came meanwhile is replayed after start', async () => {
    const server = await startLiveServer()
    const client = createClient({ url: `ws://127.0.0.1:${server.port}/realtime`, origin: server.origin })
    client.bridge.start()
    client.showRows('a')
    client.witness('a')
    await client.ready()
    await server.burst('a', 5)
    await client.hasSeen('a', await server.mark('a'))
    client.bridge.stop()
    await server.burst('a', 5)
    expect(client.witnessed('a')).toEqual([1, 2, 3, 4, 5, 6])
    client.bridge.start()
    await client.hasSeen('a', await server.mark('a'))
    expect(client.witnessed('a')).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    expect(client.rows('a')).toEqual(server.rows('a'))
    expect(server.requested('GET /a/rows')).toBe(1)
  })

  describe('while the dial is under way', () => {
    /** Accepts, and never says a word. */
    async function startMute() {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.resume().on('error', () => {})
        socket.on('close', () => sockets.delete(socket))
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      onTestFinished(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
      return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
    }

    it('hangs up on a server that has not answered', async () => {
      const mute = await startMute()
      const haveClosed = await noteOpenHandles()
      const client = createClient({ url: mute.url, origin: '' })
      client.bridge.start()
      await eventually(() => {
        expect(mute.sockets.size).toBe(1)
      })
      expect(client.bridge.status.status).toBe('connecting')
      client.end()
      expectNothingLeft(client)
      await eventually(() => {
        expect(mute.sockets.size).toBe(0)
      })
      await haveClosed()
      expect(client.errors).toEqual([])
    })

    it.each(['url', 'token'] as const)('forgets a %s that comes later', async (what) => {
      const server = await startLiveServer()
      const url = `ws://127.0.0.1:${server.port}/realtime`
      const haveClosed = await noteOpenHandles()
      let give: (value: string) => void = () => {}
      let onAsked = () => {}
      const isAsked = new Promise<void>((resolve) => (onAsked = resolve))
      const provide = () => {
        onAsked()
        return new Promise<string>((resolve) => (give = resolve))
      }
      const client = createClient({ url, origin: server.origin, [what]: provide })
      client.bridge.start()
      await isAsked
      client.end()
      expectNothingLeft(client)
      give(url)
      await turn() // What it would do with it, it has begun now.
      await haveClosed()
      await eventually(() => {
        expect(server.sockets).toBe(0)
      })
      expect(server.connections.ever).toBe(what === 'url' ? 0 : 1)
    })
  })
})
