/** What clients send, who is there, and credentials that end, over real sockets and the server kit. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { presenceOf, signalsOf } from '../../src/features.ts'
import type { RealtimeServerOptions, SentMessage } from '../../src/server/index.ts'
import { attachWebSocket, createRealtimeServer, memoryEventLog, SendError } from '../../src/server/index.ts'
import { FaultProxy } from '../support/fault-proxy.ts'
import { topicOf } from '../support/live-server.ts'
import { eventually, startClient, type SocketClientOptions } from '../support/socket-client.ts'

interface User {
  readonly id: string
  readonly expiresAt?: number
}

async function startServer(options: Partial<RealtimeServerOptions<User>> = {}) {
  const http = createServer()
  await once(http.listen(0, '127.0.0.1'), 'listening')
  const server = createRealtimeServer<User>({
    log: memoryEventLog(),
    authenticate: ({ token }) => ({ id: token ?? 'nobody' }),
    authorize: () => true,
    onError: () => {},
    ...options,
  })
  const attachment = attachWebSocket(server, http)
  onTestFinished(async () => {
    http.close()
    http.closeAllConnections()
    await Promise.all([attachment.close(), server.close({ graceMs: 0 })])
  })
  const proxy = await FaultProxy.start((http.address() as AddressInfo).port)
  const start = async (token: string, more: Partial<SocketClientOptions> = {}) => {
    const client = startClient({ url: proxy.url, origin: '', token: () => token, ...more })
    client.witness('a')
    await client.ready()
    return client
  }
  return { server, proxy, start }
}

describe('sends', () => {
  it('reach the handler in order though a limit puts some of them off, over a slow connection', async () => {
    const order: unknown[] = []
    let asked = 0
    const { proxy, start } = await startServer({
      onSend: ({ data }) => {
        // Every third is too many, and may come again sooner than the client hears of it.
        if (++asked % 3 === 2) throw new SendError('limit', 'Slowly.', { retryAfterMs: 1 })
        order.push(data)
      },
    })
    const client = await start('ada')
    proxy.delayMs = () => 20
    const acks = Array.from({ length: 30 }, (_, n) => client.bridge.send('count', n))
    expect(await Promise.all(acks)).toEqual(acks.map(() => ({ fate: 'acked', data: undefined })))
    expect(order).toEqual(acks.map((_, n) => n))
  })

  it('reach the handler of the server in order, once each, over a connection that is cut again and again', async () => {
    const taken = new Map<string, unknown>()
    const order: unknown[] = []
    const { proxy, start } = await startServer({
      onSend: ({ id, data }: SentMessage<User>) => {
        // What an app does with the id: the second time it answers, and does nothing.
        if (!taken.has(id)) order.push(data)
        taken.set(id, data)
        return data
      },
    })
    const client = await start('ada')
    const acks = []
    for (let n = 0; n < 60; n++) {
      acks.push(client.bridge.send('count', n))
      if (n % 10 !== 5) continue
      const isBack = new Promise<void>((resolve) => (proxy.onLink = resolve))
      proxy.cut(n % 20 === 5 ? 'FIN' : 'RST')
      await isBack
    }
    const results = await Promise.all(acks)
    expect(results).toEqual(Array.from({ length: 60 }, (_, n) => ({ fate: 'acked', data: n })))
    expect(order).toEqual(Array.from({ length: 60 }, (_, n) => n))
    expect(proxy.cuts).toBeGreaterThanOrEqual(6)
    expect(client.bridge.status.queued).toBe(0)
  })

  it('wait while the server is away: a hundred go out in order when it is back, and no more are taken', async () => {
    const order: unknown[] = []
    const { proxy, start } = await startServer({ onSend: ({ data }) => void order.push(data) })
    const client = await start('ada')
    proxy.down()
    await eventually(() => {
      expect(client.bridge.status.status).not.toBe('live')
    })
    const acks = Array.from({ length: 101 }, (_, n) => client.bridge.send('count', n))
    expect(await acks[100]).toEqual({ fate: 'full' })
    expect(client.bridge.status.queued).toBe(100)
    proxy.up()
    await Promise.all(acks)
    expect(order).toEqual(Array.from({ length: 100 }, (_, n) => n))
  })

  it('are refused with what the handler says', async () => {
    const { start } = await startServer({
      onSend: () => {
        throw new SendError('conflict', 'Too late.')
      },
    })
    const client = await start('ada')
    expect(await client.bridge.send('move', 1)).toEqual({
      fate: 'refused',
      code: 'conflict',
      message: 'Too late.',
    })
    expect(client.errors.map(({ code }) => code)).toEqual(['send-failed'])
  })
})

describe('a token that ends', () => {
  it('is renewed on the open connection, which loses nothing', async () => {
    let asked = 0
    const { server, proxy, start } = await startServer({
      authenticate: ({ token }) => ({ id: 'ada', expiresAt: Number(token) }),
      expiresAt: ({ expiresAt }) => expiresAt,
    })
    // The first is about to end: the server warns at once.
    const client = await start('', {
      token: () => String(Date.now() + (++asked === 1 ? 20_000 : 3_600_000)),
    })
    await eventually(() => {
      expect(asked).toBe(2)
    })
    await server.publish(topicOf('a'), { type: 'marked', data: { list: 'a', seq: 1 } })
    await client.hasSeen('a', 1)
    expect(proxy.opened).toBe(1)
    expect(client.errors).toEqual([])
  })
})

describe('presence', () => {
  it('knows who is there, over a short drop that nobody notices, until they leave', async () => {
    const { proxy, start } = await startServer()
    const ada = await start('ada')
    const bob = await start('bob')
    const seen: string[][] = []
    const users = () =>
      presenceOf(ada.bridge)
        .of('room')
        .members.map(({ user }) => user ?? '')
    presenceOf(ada.bridge).subscribe('room', () => seen.push(users().sort()))
    presenceOf(ada.bridge).join('room', { at: 1 })
    const bobs = presenceOf(bob.bridge).join('room', { at: 2 })
    await eventually(() => {
      expect(users().sort()).toEqual(['ada', 'bob'])
      expect(presenceOf(bob.bridge).of('room')).toMatchObject({ isCurrent: true })
    })
    bobs.update({ at: 3 })
    await eventually(() => {
      expect(presenceOf(ada.bridge).of('room').members).toContainEqual(
        expect.objectContaining({ user: 'bob', state: { at: 3 } }),
      )
    })
    seen.length = 0
    proxy.cut()
    await eventually(() => {
      expect(proxy.opened).toBe(4)
      expect(presenceOf(ada.bridge).of('room').isCurrent).toBe(true)
      expect(presenceOf(bob.bridge).of('room').isCurrent).toBe(true)
    })
    expect(seen.flat().filter((user) => user === 'bob')).toHaveLength(seen.length)
    bobs.leave()
    await eventually(() => {
      expect(users()).toEqual(['ada'])
    })
  })

  it('carries signals to everybody else who is there', async () => {
    const { start } = await startServer()
    const ada = await start('ada')
    const bob = await start('bob')
    const heard: unknown[] = []
    signalsOf(bob.bridge).listen(topicOf('a'), ({ type, data, user }) => heard.push([type, data, user]))
    signalsOf(ada.bridge).listen(topicOf('a'), () => heard.push('own'))
    signalsOf(ada.bridge).send(topicOf('a'), 'wave', 1)
    await eventually(() => {
      expect(heard).toEqual([['wave', 1, 'ada']])
    })
  })
})

describe('another user of the same page', () => {
  it('is another one for the server, gets no event of the last one, and leaves no second connection', async () => {
    let user = 'ada'
    const names: string[] = []
    const { server, proxy, start } = await startServer({
      authenticate: ({ token }) => {
        names.push(token ?? '')
        return { id: token ?? '' }
      },
      authorize: ({ identity, topic }) => topic !== 'list:secret' || identity.id === 'ada',
    })
    const client = await start('', { token: () => user })
    client.witness('secret')
    await eventually(() => {
      expect(client.bridge.topicState('list:secret')).toBe('live')
    })
    user = 'bob'
    client.bridge.setIdentity('bob')
    await server.publish('list:secret', { type: 'marked', data: { list: 'secret', seq: 1 } })
    await server.publish(topicOf('a'), { type: 'marked', data: { list: 'a', seq: 1 } })
    client.queryClient.setQueryData(['witness', 'a'], [])
    client.queryClient.setQueryData(['witness', 'secret'], [])
    await eventually(() => {
      expect(client.bridge.topicState('list:secret')).toBe('refused')
      expect(client.bridge.topicState(topicOf('a'))).toBe('live')
    })
    await server.publish(topicOf('a'), { type: 'marked', data: { list: 'a', seq: 2 } })
    await eventually(() => {
      expect(client.witnessed('a').at(-1)).toBe(2)
    })
    expect(client.witnessed('secret')).toEqual([])
    expect(names).toEqual(['ada', 'bob'])
    expect([proxy.opened, proxy.live]).toEqual([2, 1])
  })
})
