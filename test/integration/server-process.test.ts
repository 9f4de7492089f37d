/** A server that freezes, or is killed: in a process of its own, since both happen to processes. */
import { describe, expect, it } from 'vitest'
import { ServerProcess } from '../support/server-process.ts'
import { eventually, startClient, type SocketClientOptions } from '../support/socket-client.ts'

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

async function connect(options: Partial<SocketClientOptions> = {}) {
  const server = await ServerProcess.start()
  const client = startClient({ url: server.url, origin: server.origin, ...options })
  client.showRows('a')
  client.witness('a')
  await client.ready()
  return { server, client }
}

describe('a server process', () => {
  it('that freezes is noticed by the heartbeat, and found again when it thaws', async () => {
    const { server, client } = await connect({
      heartbeat: { intervalMs: 1_000, timeoutMs: 1_000 },
      limits: { connectTimeoutMs: 200 },
    })
    await server.save('a', { id: 1, title: 'before' })
    await client.hasSeen('a', await server.mark('a'))

    server.freeze()
    await eventually(() => {
      expect(client.bridge.status).toMatchObject({ status: 'waiting', reason: 'lost' })
    })
    // The kernel accepts for it: the next dial is neither refused nor answered, and given up.
    await eventually(() => {
      expect(client.bridge.status).toMatchObject({ status: 'waiting', reason: 'unreachable' })
    })
    server.thaw()

    await server.save('a', { id: 2, title: 'after' })
    await client.hasSeen('a', await server.mark('a'))
    expect(client.witnessed('a')).toEqual(upTo(4))
    expect(client.rows('a')).toEqual(await server.rows('a'))
    expect(client.bridge.status.status).toBe('live')
  })

  it('that is killed in the middle of 500 events is found again on its port, and the cache is what it has', async () => {
    const { server, client } = await connect()
    const burst = server.burst('a', 500, 1).then(
      () => 'finished',
      () => 'killed',
    )
    await eventually(() => {
      expect(client.witnessed('a').length).toBeGreaterThan(100)
    })
    await server.kill()
    expect(await burst).toBe('killed')
    await eventually(() => {
      expect(client.bridge.status.status).not.toBe('live')
    })

    const next = await ServerProcess.start(server.port)
    for (const id of [1, 2, 3]) await next.save('a', { id, title: `saved ${id}` })
    await client.ready()
    await client.hasSeen('a', await next.mark('a'))
    expect(client.rows('a')).toEqual(await next.rows('a'))

    // Of each history what it has seen has no hole; of the second, it may have been back in time for the saves.
    const seen = client.witnessed('a')
    const known = seen.findIndex((seq, index) => seq !== index + 1)
    expect(seen.slice(known)).toEqual(upTo(4).slice(known - seen.length))
  })
})
