/**
 * The page of `browser-network.test.ts` and `cross-tab.test.ts`: one list of rows, kept live by a bridge. Bundled, and run
 * in a browser. With `?shared` its tabs share a connection.
 */
import { QueryClient, QueryObserver } from '@tanstack/query-core'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../../src/bridge.ts'
import { update, upsert } from '../../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../../src/core/routing/event-table.ts'
import { crossTab } from '../../../src/cross-tab/index.ts'
import { webSocketTransport } from '../../../src/transports/websocket.ts'

const Marked = z.object({ seq: z.number() })
const Saved = Marked.extend({ row: z.object({ id: z.number(), title: z.string() }) })

const seen = ({ seq }: z.infer<typeof Marked>) => update<number[]>(['seen'], (all) => [...all, seq])

const transport = webSocketTransport({
  url: '/realtime',
  heartbeat: { intervalMs: 1_000, timeoutMs: 1_000 },
})
const isShared = new URLSearchParams(location.search).has('shared')

const queryClient = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity, retry: false } } })
const bridge = new RealtimeQueryBridge({
  queryClient,
  events: defineEvents({
    'row.saved': on(Saved, (data) => [seen(data), upsert(['rows'], data.row)]),
    marked: on(Marked, seen),
  }),
  transport: isShared ? crossTab(transport, { identity: () => 'everybody' }) : transport,
  limits: { retryBaseMs: 50, retryMaxMs: 200 },
})
const statuses: string[] = []
bridge.subscribe(({ status }) => statuses.push(status))
const shows: boolean[] = []
addEventListener('pageshow', ({ persisted }) => shows.push(persisted))

queryClient.mount()
queryClient.setQueryData(['seen'], [])
bridge.start()
new QueryObserver(queryClient, {
  queryKey: ['rows'],
  meta: { topics: ['list:a'] },
  queryFn: async () => (await fetch('/a/rows')).json() as Promise<unknown>,
}).subscribe(() => undefined)

/** What the test asks. */
const app = {
  status: () => bridge.status.status,
  isLive: () => bridge.isLive(['rows']),
  isConnected: () => bridge.session.isConnected,
  rows: () => queryClient.getQueryData(['rows']),
  seen: () => queryClient.getQueryData(['seen']),
  statuses,
  shows,
}
export type NetworkPage = typeof app
Object.assign(globalThis, { app })
