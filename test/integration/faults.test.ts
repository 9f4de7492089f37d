/**
 * The whole way, over real sockets: REST API and realtime server, a network that fails, bridge and cache. Nothing may
 * be applied twice or be lost (L1), and what cannot be replayed is fetched again, once, and nothing else is (L2).
 */
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { encodeMessage } from '../../src/core/protocol/codec.ts'
import type { EventLog } from '../../src/server/index.ts'
import { memoryEventLog, tokenExpired } from '../../src/server/index.ts'
import { FaultProxy, type CutBy } from '../support/fault-proxy.ts'
import { seasonedLog, topicOf, type LiveServerOptions } from '../support/live-server.ts'
import { seededRandom } from '../support/random.ts'
import {
  eventually,
  startClient,
  startLiveServer,
  type SocketClient,
  type SocketClientOptions,
} from '../support/socket-client.ts'

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

/** Multiples of `step` below `end`, from 0. */
const steps = (step: number, end: number) => upTo(Math.ceil(end / step)).map((index) => (index - 1) * step)

/** A server, a proxy before it, and a client that has list `a` on screen. */
async function connect(
  options: { server?: LiveServerOptions; client?: Partial<SocketClientOptions> } = {},
  show: (client: SocketClient) => void = () => {},
) {
  const server = await startLiveServer(options.server)
  const proxy = await FaultProxy.start(server.port)
  const client = startClient({ url: proxy.url, origin: server.origin, ...options.client })
  client.showRows('a')
  client.witness('a')
  show(client)
  await client.ready()
  server.requests.length = 0
  return { server, proxy, client }
}

describe('a connection that is cut', () => {
  it.each<CutBy>(['FIN', 'RST'])(
    'applies each of 50 events once, wherever a %s cuts the stream',
    async (by) => {
      const server = await startLiveServer()

      /** Streams 50 events, cut after so many bytes. Gives the bytes of the stream. */
      const stream = async (list: string, cutAfter?: number): Promise<number> => {
        const proxy = await FaultProxy.start(server.port)
        const client = startClient({ url: proxy.url, origin: server.origin })
        client.showRows(list)
        client.witness(list)
        await client.ready()
        const { bytesDown } = proxy
        if (cutAfter !== undefined) proxy.cutAfter(cutAfter, by)
        await server.burst(list, 50)
        await client.hasSeen(list, await server.mark(list))
        expect(client.witnessed(list)).toEqual(upTo(51))
        expect(client.rows(list)).toEqual(server.rows(list))
        expect(server.requested(`GET /${list}/rows`)).toBe(1)
        expect(proxy.cuts).toBe(cutAfter === undefined ? 0 : 1)
        return proxy.bytesDown - bytesDown
      }

      const length = await stream('whole')
      await Promise.all(steps(127, length).map((offset) => stream(`cut-${offset}`, offset)))
    },
  )

  it.each<CutBy>(['FIN', 'RST'])(
    'becomes live all the same, wherever a %s cuts the handshake',
    async (by) => {
      const server = await startLiveServer()
      const handshake = async (list: string, cutAfter?: number): Promise<number> => {
        const proxy = await FaultProxy.start(server.port)
        if (cutAfter !== undefined) proxy.cutAfter(cutAfter, by)
        const client = startClient({ url: proxy.url, origin: server.origin })
        client.showRows(list)
        client.witness(list)
        await client.ready()
        const { bytesDown } = proxy
        await server.burst(list, 3)
        await client.hasSeen(list, await server.mark(list))
        expect(client.witnessed(list)).toEqual(upTo(4))
        expect(client.rows(list)).toEqual(server.rows(list))
        return bytesDown
      }
      const length = await handshake('whole')
      await Promise.all(steps(23, length).map((offset) => handshake(`cut-${offset}`, offset)))
    },
  )

  it('is told of 20 events that it has missed, and requests nothing', async () => {
    const { server, proxy, client } = await connect()
    proxy.down()
    await server.burst('a', 20)
    expect(client.witnessed('a')).toEqual([])
    proxy.up()
    await client.hasSeen('a', await server.mark('a'))
    expect(client.witnessed('a')).toEqual(upTo(21))
    expect(client.rows('a')).toEqual(server.rows('a'))
    expect(client.isStale('rows', 'a')).toBe(false)
    expect(server.requests).toEqual([])
  })

  it('has never more than one connection, however often it is cut', async () => {
    const random = seededRandom(7)
    const { server, proxy, client } = await connect({ client: { random } })
    // Each of these makes it dial at once, whatever it is about: they must not make it dial twice.
    client.bridge.subscribe(({ status }) => {
      if (status === 'live') return
      client.signals.tell('woken')
      client.signals.tell('online')
    })
    for (let id = 1; id <= 20; id++) {
      const isBack = new Promise<void>((resolve) => (proxy.onLink = resolve))
      proxy.cut(random() < 0.5 ? 'FIN' : 'RST')
      await server.save('a', { id, title: `cut ${id}` })
      await isBack
      await pause(random() * 8)
    }
    await client.hasSeen('a', await server.mark('a'))
    expect(client.witnessed('a')).toEqual(upTo(21))
    expect(client.rows('a')).toEqual(server.rows('a'))
    expect(server.requests).toEqual([])
    expect(server.connections).toMatchObject({ open: 1, most: 1 })
    expect(proxy.live).toBe(1)
  })
})

describe('history that is lost', () => {
  /** One log of two: what is published to the topics of `lists` is in the first. */
  function splitLog(lists: readonly string[], first: EventLog, second: EventLog): EventLog {
    const topics = new Set(lists.map(topicOf))
    const of = (topic: string) => (topics.has(topic) ? first : second)
    return {
      append: (topic, event) => of(topic).append(topic, event),
      read: (topic, after, limit) => of(topic).read(topic, after, limit),
      head: (topic) => of(topic).head(topic),
      quietMs: (topic) => of(topic).quietMs!(topic),
      subscribe(listener, onMissed) {
        const stops = [first.subscribe(listener, onMissed), second.subscribe(listener, onMissed)]
        return () => {
          for (const stop of stops) stop()
        }
      },
      close: async () => {},
    }
  }

  it('fetches what its topic keeps on screen, once, after a restart, and nothing of other topics', async () => {
    const kept = seasonedLog()
    const { server, proxy, client } = await connect(
      { server: { log: splitLog(['kept'], kept, seasonedLog()) } },
      (client) => {
        client.showRows('kept')
        client.witness('kept')
      },
    )
    const hideSeq = client.showSeq('a')
    await client.ready()
    hideSeq()

    proxy.down()
    const { port, database } = server
    await server.kill()
    const next = await startLiveServer({ port, database, log: splitLog(['kept'], kept, seasonedLog()) })
    await next.save('a', { id: 1, title: 'while away' })
    await next.save('kept', { id: 1, title: 'while away' })
    expect([client.isStale('rows', 'a'), client.isStale('seq', 'a')]).toEqual([false, false])
    proxy.up()

    await eventually(() => {
      expect(client.rows('a')).toEqual(next.rows('a'))
    })
    expect([client.isStale('rows', 'a'), client.isStale('seq', 'a')]).toEqual([false, true])
    await client.hasSeen('a', await next.mark('a'))
    await client.hasSeen('kept', await next.mark('kept'))
    expect(next.requests).toEqual(['GET /a/rows'])
    expect(client.rows('kept')).toEqual(next.rows('kept'))
    expect(client.witnessed('kept')).toEqual([1, 2])
    expect(client.errors).toEqual([])
  })

  /** A log that can lose everything under a server that goes on. */
  function flushableLog() {
    let inner = seasonedLog()
    let begin = () => () => {}
    let stop = () => {}
    let tell = () => {}
    const log: EventLog = {
      append: (topic, event) => inner.append(topic, event),
      read: (topic, after, limit) => inner.read(topic, after, limit),
      head: (topic) => inner.head(topic),
      quietMs: (topic) => inner.quietMs!(topic),
      subscribe(listener, onMissed = () => {}) {
        begin = () => inner.subscribe(listener)
        stop = begin()
        tell = onMissed
        return () => stop()
      },
      close: async () => {},
    }
    const flush = () => {
      stop()
      inner = memoryEventLog()
      stop = begin()
      tell()
    }
    return { log, flush }
  }

  it('while the connection stays costs one fetch of what its topic keeps on screen, and nothing of other topics', async () => {
    const { log, flush } = flushableLog()
    const { server, client } = await connect(
      {
        server: { log: splitLog(['kept'], seasonedLog(), log) },
        client: { limits: { resetSpreadMs: 50 } },
      },
      (client) => {
        client.showRows('kept')
        client.witness('kept')
      },
    )
    await server.save('a', { id: 1, title: 'before' })
    await server.save('kept', { id: 1, title: 'before' })
    await client.hasSeen('a', 1)
    await client.hasSeen('kept', 1)
    flush()
    await eventually(() => {
      expect(server.requests).toEqual(['GET /a/rows'])
    })
    await server.save('a', { id: 2, title: 'after' })
    await client.hasSeen('a', await server.mark('a'))
    await client.hasSeen('kept', await server.mark('kept'))
    expect([client.witnessed('a'), client.witnessed('kept')]).toEqual([upTo(3), upTo(2)])
    expect([client.rows('a'), client.rows('kept')]).toEqual([server.rows('a'), server.rows('kept')])
    expect(server.requests).toEqual(['GET /a/rows'])
    expect(server.connections).toMatchObject({ open: 1, ever: 1 })
  })

  it.each([
    ['replays what the log still has', 5, []],
    ['fetches once when the log has forgotten a part of what was missed', 6, ['GET /a/rows']],
  ])('%s', async (_, missed, requests) => {
    const { server, proxy, client } = await connect({
      server: { log: seasonedLog({ maxEventsPerTopic: 5 }) },
    })
    proxy.down()
    await server.burst('a', missed)
    proxy.up()
    await eventually(() => {
      expect(client.rows('a')).toEqual(server.rows('a'))
    })
    await client.hasSeen('a', await server.mark('a'))
    expect(server.requests).toEqual(requests)
  })
})

describe('a connection that goes silent', () => {
  it('is noticed by the heartbeat, replaced, and what was missed is replayed', async () => {
    const heartbeat = { intervalMs: 1_000, timeoutMs: 1_000 }
    const { server, proxy, client } = await connect({ client: { heartbeat } })
    proxy.stall()
    await server.burst('a', 3)
    await client.hasSeen('a', await server.mark('a'))
    expect(client.statuses.map(({ status }) => status)).toContain('waiting')
    expect(client.witnessed('a')).toEqual(upTo(4))
    expect(client.rows('a')).toEqual(server.rows('a'))
    expect(server.requests).toEqual([])
    expect(proxy.opened).toBe(2)
  })

  it('is believed when it is only slow', async () => {
    const heartbeat = { intervalMs: 100, timeoutMs: 1_000 }
    const { server, proxy, client } = await connect({ client: { heartbeat } })
    proxy.delayMs = () => 150
    await server.burst('a', 3)
    await client.hasSeen('a', await server.mark('a'))
    const { bytesDown } = proxy
    const pong = encodeMessage({ t: 'pong', heads: await server.heads('a') })
    // Two pongs, each later than the next ping would be due.
    await eventually(() => {
      expect(proxy.bytesDown - bytesDown).toBeGreaterThanOrEqual(2 * pong.length)
    })
    expect(client.statuses.at(-1)?.status).toBe('live')
    expect(proxy.opened).toBe(1)
  })
})

describe('a topic for which there is no room', () => {
  it('is not live, and is when others are let go', async () => {
    const { server, client } = await connect({
      server: { limits: { maxTopicsPerConnection: 2 } },
      client: { limits: { gapWaitMs: 10, topicLingerMs: 0 } },
    })
    const hide = client.showRows('b')
    await client.ready()
    client.showRows('c')
    await eventually(() => {
      expect(client.errors.map(({ code }) => code)).toContain('topic-refused')
    })
    expect(client.bridge.isLive(['rows', 'c'])).toBe(false)
    expect([client.bridge.isLive(['rows', 'a']), client.bridge.isLive(['rows', 'b'])]).toEqual([true, true])
    hide()
    await eventually(() => {
      expect(client.bridge.isLive(['rows', 'c'])).toBe(true)
    })
    await server.save('c', { id: 1, title: 'heard' })
    await eventually(() => {
      expect(client.rows('c')).toEqual(server.rows('c'))
    })
    expect(server.connections).toMatchObject({ open: 1, ever: 1 })
  })
})

describe('a stream that is behind the REST API', () => {
  it('is corrected by one more fetch where an event adds to a response that holds it already', async () => {
    const { server, proxy, client } = await connect(
      { client: { limits: { streamLagMs: 1_000 } } },
      (client) => {
        client.showSeq('a')
      },
    )
    proxy.stall()
    await server.save('a', { id: 1, title: 'late' })
    await client.queryClient.refetchQueries({ queryKey: ['seq', 'a'] })
    expect([client.witnessed('a'), client.shownSeq('a')]).toEqual([[], 1])
    proxy.resume()
    await client.hasSeen('a', 1)
    expect([client.shownSeq('a'), client.isStale('seq', 'a')]).toEqual([2, true])
    await eventually(() => {
      expect([client.shownSeq('a'), client.isStale('seq', 'a')]).toEqual([1, false])
    })
    expect(client.rows('a')).toEqual(server.rows('a'))
    expect(server.requests).toEqual(['GET /a/seq', 'GET /a/seq'])
  })
})

describe('a server that ends the connection', () => {
  it('gets a new token when the old one has expired, and goes on', async () => {
    let valid = 'first'
    const tokens = ['first', 'first', 'second']
    const asked: (string | undefined)[] = []
    const { server, proxy, client } = await connect({
      server: { authenticate: ({ token }) => (token === valid ? {} : tokenExpired) },
      client: {
        token: () => {
          asked.push(tokens.shift())
          return asked.at(-1)
        },
      },
    })
    valid = 'second'
    proxy.cut()
    await server.save('a', { id: 1, title: 'while away' })
    await client.hasSeen('a', await server.mark('a'))
    expect(asked).toEqual(['first', 'first', 'second'])
    expect(client.witnessed('a')).toEqual([1, 2])
    expect(server.requests).toEqual([])
    expect(client.errors).toEqual([])
  })

  it('is not dialled again after it has refused the token, until it is started', async () => {
    let isAllowed = true
    const { server, proxy, client } = await connect({
      server: { authenticate: () => (isAllowed ? {} : null) },
    })
    isAllowed = false
    proxy.cut()
    await eventually(() => {
      expect(client.bridge.status).toMatchObject({ status: 'closed', reason: 'unauthorized' })
      expect(server.connections.open).toBe(0)
      expect(proxy.live).toBe(0)
    })
    client.signals.tell('online')
    client.signals.tell('woken')
    // Nothing is left that could dial.
    expect(client.clock.pending).toBe(0)
    expect(client.signals.listeners.size).toBe(0)
    expect(proxy.opened).toBe(2)
    expect(client.errors.map(({ code }) => code)).toEqual(['unauthorized'])

    isAllowed = true
    await server.save('a', { id: 1, title: 'while refused' })
    client.bridge.start()
    await client.hasSeen('a', await server.mark('a'))
    expect(client.witnessed('a')).toEqual([1, 2])
    expect(server.requests).toEqual([])
  })

  it('is left for the next instance when it drains, with one dial', async () => {
    const log = seasonedLog()
    const { server, proxy, client } = await connect({ server: { log } })
    const next = await startLiveServer({ log, database: server.database })
    proxy.target = next.port
    const startedAt = client.clock.now()
    const drained = server.drain({ retryAfterMs: 300, graceMs: 20 })
    await next.save('a', { id: 1, title: 'during the drain' })
    await drained
    await next.save('a', { id: 2, title: 'after the drain' })
    await client.hasSeen('a', await next.mark('a'))
    expect(client.witnessed('a')).toEqual([1, 2, 3])
    expect(client.rows('a')).toEqual(next.rows('a'))
    expect([...server.requests, ...next.requests]).toEqual([])
    const waiting = client.statuses.find(({ status }) => status === 'waiting')
    expect(waiting?.retryAt).toBeGreaterThanOrEqual(startedAt + 300)
    expect(proxy.opened).toBe(2)
    expect(client.errors).toEqual([])
  })
})
