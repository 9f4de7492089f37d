// @vitest-environment jsdom
/** A React tree over the whole way: what a person sees, with a real server behind it. */
import { useQuery } from '@tanstack/react-query'
import { cleanup, render, screen } from '@testing-library/react'
import { StrictMode } from 'react'
import { afterEach, describe, expect, it } from 'vitest'
import { RealtimeQueryProvider, useRealtimeStatus } from '../../src/react/index.ts'
import { FaultProxy } from '../support/fault-proxy.ts'
import { topicOf, type Row } from '../support/live-server.ts'
import { noteOpenHandles } from '../support/open-handles.ts'
import { eventually, SocketClient, startLiveServer } from '../support/socket-client.ts'

afterEach(cleanup)

function Rows({ origin }: { origin: string }) {
  const { status } = useRealtimeStatus()
  const { data = [] } = useQuery({
    queryKey: ['rows', 'a'],
    meta: { topics: [topicOf('a')] },
    queryFn: async () => (await fetch(`${origin}/a/rows`)).json() as Promise<Row[]>,
  })
  return <p role="status">{[status, ...data.map(({ title }) => title)].join(', ')}</p>
}

async function mount() {
  const server = await startLiveServer()
  const proxy = await FaultProxy.start(server.port)
  const haveClosed = await noteOpenHandles()
  const client = new SocketClient({ url: proxy.url, origin: server.origin })
  const { unmount } = render(
    <StrictMode>
      <RealtimeQueryProvider bridge={client.bridge}>
        <Rows origin={server.origin} />
      </RealtimeQueryProvider>
    </StrictMode>,
  )
  const shows = (text: string) =>
    eventually(() => {
      expect(screen.getByRole('status').textContent).toBe(text)
    })
  return { server, proxy, client, haveClosed, unmount, shows }
}

describe('RealtimeQueryProvider', () => {
  it('shows what happens on the server, and what it has missed', async () => {
    const { server, proxy, shows } = await mount()
    await shows('live')
    await server.save('a', { id: 1, title: 'one' })
    await shows('live, one')
    proxy.down()
    await shows('waiting, one')
    await server.save('a', { id: 2, title: 'two' })
    proxy.up()
    await shows('live, one, two')
    expect(server.requests).toEqual(['GET /a/rows'])
    expect(server.connections.most).toBe(1)
  })

  it.each(['connecting', 'live'])('leaves nothing when it unmounts while it is %s', async (status) => {
    const { server, proxy, client, haveClosed, unmount, shows } = await mount()
    if (status === 'live') await shows('live')
    expect(client.bridge.status.status).toBe(status)
    unmount()
    await eventually(() => {
      expect(client.bridge.status.status).toBe('closed')
      expect(server.sockets).toBe(0)
      expect(proxy.live).toBe(0)
    })
    client.queryClient.clear()
    expect(client.clock.pending).toBe(0)
    expect(client.signals.listeners.size).toBe(0)
    await haveClosed()
  })
})
