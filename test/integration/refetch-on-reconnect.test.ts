/** TanStack fetches what is on screen when the network is back, and so does the bridge when a history is lost. */
import { onlineManager } from '@tanstack/query-core'
import { afterEach, describe, expect, it } from 'vitest'
import { FaultProxy } from '../support/fault-proxy.ts'
import { seasonedLog } from '../support/live-server.ts'
import { eventually, startClient, startLiveServer, type SocketClient } from '../support/socket-client.ts'

const ROWS = 'GET /a/rows'

describe('refetchOnReconnect', () => {
  afterEach(() => {
    onlineManager.setOnline(true)
  })

  /** A client that has list `a` on screen and is cut off; the server comes back without its history. */
  async function cutOff() {
    const server = await startLiveServer()
    const proxy = await FaultProxy.start(server.port)
    const client = startClient({ url: proxy.url, origin: server.origin })
    // TanStack takes nothing for fresh, so it fetches on every reconnect.
    client.queryClient.setDefaultOptions({ queries: { staleTime: 0, retry: false } })
    client.showRows('a')
    client.witness('a')
    await client.ready()
    onlineManager.setOnline(false)
    proxy.down()
    await eventually(() => {
      expect(client.bridge.status.status).not.toBe('live')
    })
    const { port, database } = server
    await server.kill()
    const next = await startLiveServer({ port, database, log: seasonedLog() })
    return { next, proxy, client }
  }

  const isCurrent = (client: SocketClient, rows: unknown) =>
    eventually(() => {
      expect(client.rows('a')).toEqual(rows)
      expect(client.bridge.isLive(['rows', 'a'])).toBe(true)
      expect(client.isStale('rows', 'a')).toBe(false)
      expect(client.queryClient.isFetching()).toBe(0)
    })

  it('and a reset cost one request together, when nothing has happened since it was sent', async () => {
    const { next, proxy, client } = await cutOff()
    onlineManager.setOnline(true)
    await eventually(() => {
      expect(next.requested(ROWS)).toBe(1)
    })
    proxy.up()
    client.signals.tell('online')
    await isCurrent(client, next.rows('a'))
    await client.hasSeen('a', await next.mark('a'))
    expect(next.requests).toEqual([ROWS])
  })

  it('and a reset cost two, when something may have happened between them: the first may not have it', async () => {
    const { next, proxy, client } = await cutOff()
    onlineManager.setOnline(true)
    await eventually(() => {
      expect(next.requested(ROWS)).toBe(1)
      expect(client.queryClient.isFetching()).toBe(0)
    })
    await next.save('a', { id: 1, title: 'in between' })
    proxy.up()
    await isCurrent(client, next.rows('a'))
    expect(next.requests).toEqual([ROWS, ROWS])
  })

  it('joins the fetch of the bridge when that has begun', async () => {
    const { next, proxy, client } = await cutOff()
    await next.save('a', { id: 1, title: 'while away' })
    proxy.up()
    // TanStack still takes the network for gone: the fetch that the bridge begins waits for it.
    await eventually(() => {
      expect(client.queryClient.getQueryState(['rows', 'a'])?.fetchStatus).toBe('paused')
    })
    onlineManager.setOnline(true)
    await isCurrent(client, next.rows('a'))
    await client.hasSeen('a', await next.mark('a'))
    expect(next.requests).toEqual([ROWS])
  })
})
