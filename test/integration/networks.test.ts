/** Networks that lie, and clients with much on screen, over real sockets. */
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocketServer } from 'ws'
import { PROTOCOL } from '../../src/core/protocol/version.ts'
import type { EventLog } from '../../src/server/index.ts'
import { FaultProxy } from '../support/fault-proxy.ts'
import { seasonedLog, topicOf } from '../support/live-server.ts'
import { eventually, startClient, startLiveServer } from '../support/socket-client.ts'

const LOGIN_PAGE = '<!doctype html><title>Sign in to the hotel</title>'

/** What stands between the page and its server, and what it answers a dial with. */
const PORTALS: Record<string, () => Promise<number>> = {
  'answers 200 with its own page': async () => {
    const portal = createHttpServer((_, response) => response.end(LOGIN_PAGE))
    portal.on('upgrade', (_, socket: Socket) => {
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${LOGIN_PAGE.length}\r\n\r\n${LOGIN_PAGE}`)
    })
    await once(portal.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => void portal.close())
    return (portal.address() as AddressInfo).port
  },
  'redirects to its own page': async () => {
    const portal = createHttpServer()
    portal.on('upgrade', (_, socket: Socket) => {
      socket.end('HTTP/1.1 302 Found\r\nLocation: http://hotel.example/\r\nContent-Length: 0\r\n\r\n')
    })
    await once(portal.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => void portal.close())
    return (portal.address() as AddressInfo).port
  },
  'takes the connection and says nothing': async () => {
    const sockets = new Set<Socket>()
    const portal = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
    })
    await once(portal.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
      portal.close()
    })
    return (portal.address() as AddressInfo).port
  },
  'speaks WebSocket, and then its own page': async () => {
    const portal = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => PROTOCOL })
    portal.on('connection', (socket) => {
      socket.on('error', () => {})
      const timer = setInterval(() => {
        socket.send(LOGIN_PAGE)
        socket.send(Buffer.from([0, 255, 1]))
      }, 20)
      socket.on('close', () => {
        clearInterval(timer)
      })
    })
    await once(portal, 'listening')
    onTestFinished(() => {
      for (const socket of portal.clients) socket.terminate()
      portal.close()
    })
    return (portal.address() as AddressInfo).port
  },
}

describe('a captive portal', () => {
  it.each(Object.keys(PORTALS))(
    'that %s is never taken for the server, and left when it opens',
    async (kind) => {
      const server = await startLiveServer()
      const proxy = await FaultProxy.start(await PORTALS[kind]!())
      const client = startClient({ url: proxy.url, origin: server.origin, limits: { connectTimeoutMs: 200 } })
      client.showRows('a')
      client.witness('a')
      await eventually(() => {
        expect(proxy.opened).toBeGreaterThanOrEqual(3)
      })
      expect(client.statuses.map(({ status }) => status)).not.toContain('live')
      expect(client.bridge.isLive(['rows', 'a'])).toBe(false)
      expect(client.statuses.at(-1)?.reason).toBe('unreachable')

      proxy.target = server.port
      await client.ready()
      await server.save('a', { id: 1, title: 'at last' })
      await client.hasSeen('a', await server.mark('a'))
      expect(client.witnessed('a')).toEqual([1, 2])
      expect(client.rows('a')).toEqual(server.rows('a'))
      expect(server.connections.most).toBe(1)
    },
  )
})

describe('a network that flaps', () => {
  it('a hundred times costs no second connection, no event and no request', async () => {
    const server = await startLiveServer()
    const proxy = await FaultProxy.start(server.port)
    const client = startClient({ url: proxy.url, origin: server.origin })
    client.showRows('a')
    client.witness('a')
    await client.ready()
    server.requests.length = 0

    for (let id = 1; id <= 100; id++) {
      const isBack = new Promise<void>((resolve) => (proxy.onLink = resolve))
      client.signals.tell('offline')
      proxy.cut(id % 2 ? 'FIN' : 'RST')
      await server.save('a', { id, title: `flap ${id}` })
      client.signals.tell('online')
      client.signals.tell('woken')
      await isBack
    }
    await client.hasSeen('a', await server.mark('a'))
    expect(client.witnessed('a')).toEqual(Array.from({ length: 101 }, (_, index) => index + 1))
    expect(client.rows('a')).toEqual(server.rows('a'))
    expect(server.connections).toMatchObject({ open: 1, most: 1 })
    expect(proxy.live).toBe(1)
    expect(server.requests).toEqual([])
  })
})

describe('200 queries on screen', () => {
  /** Two logs: what is published to the topic of `lost` is in the second. */
  function split(lost: string, kept: EventLog, own: EventLog): EventLog {
    const of = (topic: string) => (topic === topicOf(lost) ? own : kept)
    return {
      append: (topic, event) => of(topic).append(topic, event),
      read: (topic, after, limit) => of(topic).read(topic, after, limit),
      head: (topic) => of(topic).head(topic),
      quietMs: (topic) => of(topic).quietMs!(topic),
      subscribe(listener) {
        const stops = [kept.subscribe(listener), own.subscribe(listener)]
        return () => {
          for (const stop of stops) stop()
        }
      },
      close: async () => {},
    }
  }

  it('of 100 topics: when one topic is reset, its two are fetched, and no other', async () => {
    const lists = Array.from({ length: 100 }, (_, index) => `list-${index}`)
    const kept = seasonedLog()
    const server = await startLiveServer({ log: split('list-42', kept, seasonedLog()) })
    const proxy = await FaultProxy.start(server.port)
    const client = startClient({ url: proxy.url, origin: server.origin })
    for (const list of lists) {
      client.showRows(list)
      client.showSeq(list)
    }
    client.witness('list-0')
    await client.ready()
    for (const list of lists) await server.save(list, { id: 1, title: 'before' })
    await client.hasSeen('list-0', await server.mark('list-0'))

    proxy.down()
    const { port, database } = server
    await server.kill()
    const next = await startLiveServer({ port, database, log: split('list-42', kept, seasonedLog()) })
    await next.save('list-42', { id: 2, title: 'while away' })
    await next.save('list-7', { id: 2, title: 'while away' })
    proxy.up()
    await client.hasSeen('list-0', await next.mark('list-0'))
    await eventually(() => {
      expect(client.rows('list-42')).toEqual(next.rows('list-42'))
      expect(client.rows('list-7')).toEqual(next.rows('list-7'))
      expect(client.queryClient.isFetching()).toBe(0)
    })
    expect(next.requests.sort()).toEqual(['GET /list-42/rows', 'GET /list-42/seq'])
    for (const list of lists) expect(client.shownSeq(list)).toBe(next.seq(list))
  })
})
