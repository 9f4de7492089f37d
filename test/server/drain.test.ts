import { describe, expect, it } from 'vitest'
import { memoryEventLog } from '../../src/server/index.ts'
import { startManual } from './manual.ts'
import { startServer, TestClient } from './support.ts'

describe('close', () => {
  it('announces the end to everybody, then closes with 1012, and resolves when all are gone', async () => {
    const { server, url } = await startServer()
    const clients = [await TestClient.ready(url), await TestClient.ready(url), await TestClient.open(url)]
    const closing = server.close({ retryAfterMs: 300, graceMs: 10 })
    for (const client of clients) {
      expect(await client.next('going-away')).toEqual({ t: 'going-away', retryAfterMs: 300 })
      expect(await client.closed).toEqual({ code: 1012, reason: 'server is restarting' })
    }
    await closing
  })

  it('spreads the return of clients', async () => {
    let rolls: number[] = []
    const { server, url } = await startServer({ platform: { random: () => rolls.shift() ?? 0 } })
    const clients = [await TestClient.ready(url), await TestClient.ready(url), await TestClient.ready(url)]
    rolls = [0, 0.5, 0.999]
    void server.close({ retryAfterMs: 100, spreadMs: 1_000, graceMs: 0 })
    const hints = await Promise.all(
      clients.map(async (client) => (await client.next('going-away')).retryAfterMs),
    )
    expect(hints).toEqual([100, 600, 1_099])
  })

  it('spreads many clients by itself: 2 ms for each of them', async () => {
    const node = startManual({ limits: { maxConnectionsPerUser: 200 } })
    const clients = []
    for (let n = 0; n < 150; n++) clients.push(await node.connect('ada'))
    const closing = node.server.close({ retryAfterMs: 1_000 })
    expect(await clients[7]!.take()).toEqual([{ t: 'going-away', retryAfterMs: 1_150 }])
    node.time.advance(250)
    await closing
    expect(clients.every(({ socket }) => socket.closedWith?.code === 1012)).toBe(true)
  })

  it('closes with 1001 when the server goes away for good', async () => {
    const { server, url } = await startServer()
    const client = await TestClient.ready(url)
    void server.close({ code: 1001, graceMs: 0 })
    expect(await client.closed).toEqual({ code: 1001, reason: 'server is going away' })
  })

  it('sends what was published before it, and rejects what comes after it', async () => {
    const { server, url } = await startServer()
    const client = await TestClient.ready(url)
    client.subscribe('t')
    await client.next('subscribed')
    const last = server.publish('t', { type: 'last' })
    const closing = server.close({ graceMs: 0 })
    await expect(server.publish('t', { type: 'late' })).rejects.toThrow(
      "'late' was not published. Close it after",
    )
    await last
    expect(await client.events(1)).toMatchObject([{ type: 'last' }])
    await client.next('going-away')
    await closing
  })

  it('sends a client that comes while it drains away at once, with the hint', async () => {
    const { server, url } = await startServer()
    await TestClient.ready(url)
    const closing = server.close({ retryAfterMs: 700, graceMs: 50 })
    const late = new TestClient(url)
    expect(await late.next('going-away')).toEqual({ t: 'going-away', retryAfterMs: 700 })
    expect(await late.closed).toMatchObject({ code: 1012 })
    await closing
  })

  it('happens once, however often it is asked for', async () => {
    const { server } = await startServer()
    expect(server.close()).toBe(server.close())
    await server.close()
  })

  it('leaves a log that it was given open, and stops hearing it', async () => {
    const inner = memoryEventLog()
    let listening = 0
    const log: typeof inner = {
      ...inner,
      subscribe(listener) {
        listening++
        const stop = inner.subscribe(listener)
        return () => {
          listening--
          stop()
        }
      },
    }
    const { server } = await startServer({ log })
    expect(listening).toBe(1)
    await server.close()
    expect(listening).toBe(0)
    expect(await log.append('t', { type: 'a', json: '1' })).toMatchObject({ offset: 1 })
  })
})
