/** Tabs over real transports and a real server. */
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import type { Transport } from '../../src/core/transport.ts'
import { crossTab } from '../../src/cross-tab/index.ts'
import { fallback } from '../../src/transports/fallback.ts'
import { sseTransport } from '../../src/transports/sse.ts'
import { webSocketTransport } from '../../src/transports/websocket.ts'
import { startSseServer } from '../server/sse-support.ts'
import { SessionClient } from '../transports/session-client.ts'
import { FakeBrowser } from './fake-browser.ts'

describe.each<[string, (url: string) => Transport]>([
  ['Server-Sent Events', (url) => sseTransport({ url, token: () => 'ada' })],
  [
    'what is fallen back to',
    (url) =>
      fallback(
        [
          // Nobody answers an upgrade here.
          webSocketTransport({ url: url.replace(/^http/, 'ws'), token: () => 'ada' }),
          sseTransport({ url, token: () => 'ada' }),
        ],
        { storage: null },
      ),
  ],
])('eight tabs over %s', (_, transportTo) => {
  it('take one stream of the six that HTTP/1.1 has, and lose nothing when it changes hands', async () => {
    const { url, server, open } = await startSseServer()
    const browser = new FakeBrowser(systemClock, { random: () => 0, latency: () => 0 })
    const clients = Array.from({ length: 8 }, () => {
      const { platform } = browser.openPage()
      return new SessionClient(crossTab(transportTo(url), { platform })).start('a')
    })
    await Promise.all(clients.map((client) => client.untilStatus('live')))
    expect(open.size).toBe(1)
    await server.publish('a', { type: 'e', data: 1 })
    await Promise.all(clients.map((client) => client.until(() => client.events.length === 1)))
    const [first, ...rest] = clients
    first!.session.stop()
    await server.publish('a', { type: 'e', data: 2 })
    await Promise.all(rest.map((client) => client.until(() => client.events.length === 2)))
    expect(rest.map(({ data }) => data)).toEqual(rest.map(() => [1, 2]))
    expect(rest.flatMap(({ resyncs }) => resyncs.filter(({ outcome }) => outcome === 'reset'))).toEqual([])
  })
})
