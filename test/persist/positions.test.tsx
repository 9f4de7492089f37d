import { dehydrate, hydrate, QueryClient, QueryObserver, type DehydratedState } from '@tanstack/query-core'
import { HydrationBoundary, useQuery } from '@tanstack/react-query'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../src/bridge.ts'
import type { ClientMessage } from '../../src/core/protocol/messages.ts'
import { invalidate, update, upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { positioned } from '../../src/features.ts'
import { dehydrateWithPositions } from '../../src/persist/index.ts'
import { RealtimeQueryProvider } from '../../src/react/index.ts'
import { createFakeTransport } from '../../src/testing/fake-transport.ts'

const TOPIC = 'board:1'
const ROWS = ['rows']
const meta = { topics: [TOPIC] }
const at = (offset: number, epoch = 'e') => ({ epoch, offset })

const events = defineEvents({
  'row.saved': on(z.object({ id: z.number() }), (row) => upsert(['rows'], row)),
  'count.grew': on(z.unknown(), () => update(['count'], (count) => (count as number) + 1)),
  'rows.changed': on(z.unknown(), () => invalidate(['rows'])),
})

function createApp() {
  const queryClient = new QueryClient({ defaultOptions: { queries: { staleTime: 60_000, retry: false } } })
  const transport = createFakeTransport()
  const bridge = new RealtimeQueryBridge({ queryClient, events, transport })
  return { queryClient, transport, bridge }
}

/** What a server that has fetched these queries sends along with its page. */
async function rendered(
  queries: Record<string, { data: unknown; offset?: number }>,
): Promise<DehydratedState> {
  const { queryClient, bridge } = createApp()
  for (const [key, { data, offset }] of Object.entries(queries)) {
    await queryClient.prefetchQuery({
      queryKey: [key],
      meta,
      queryFn: positioned(bridge, ({ received }) => {
        if (offset !== undefined) received({ [TOPIC]: at(offset) })
        return data
      }),
    })
  }
  return JSON.parse(JSON.stringify(dehydrateWithPositions(bridge))) as DehydratedState
}

describe('data that comes with its positions', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  function open() {
    const app = createApp()
    const fetches: string[] = []
    const unmounts: (() => void)[] = []
    return {
      ...app,
      fetches,
      async connect() {
        app.bridge.start()
        app.transport.connection.open()
        await vi.advanceTimersByTimeAsync(0)
        app.transport.connection.deliver({ t: 'welcome', connectionId: 'c' })
      },
      observe(key: string) {
        const queryFn = positioned(app.bridge, () => {
          fetches.push(key)
          return 'fetched'
        })
        const observer = new QueryObserver(app.queryClient, { queryKey: [key], queryFn, meta })
        unmounts.push(observer.subscribe(() => undefined))
      },
      subscribed: () =>
        (app.transport.connection.sent as ClientMessage[]).flatMap((message) =>
          message.t === 'subscribe' ? message.topics : [],
        ),
      data: (key: string) => app.queryClient.getQueryData([key]),
      end() {
        for (const unmount of unmounts) unmount()
        app.bridge.stop()
        app.queryClient.clear()
      },
    }
  }
  const saved = (offset: number, id: number) => ({ type: 'row.saved', data: { id }, offset }) as const

  it.each([
    ['hydrated before the start', ['hydrate', 'connect', 'observe']],
    ['hydrated after the start', ['connect', 'hydrate', 'observe']],
    ['on screen before the start, as a tree is whose provider starts it', ['hydrate', 'observe', 'connect']],
    ['the same with options of a module', ['import', 'hydrate', 'observe', 'connect']],
  ])('is brought up to date by a replay: %s', async (_, steps) => {
    const state = await rendered({ rows: { data: [{ id: 1 }], offset: 5 }, count: { data: 4, offset: 7 } })
    const app = open()
    for (const step of steps) {
      if (step === 'import') positioned(app.bridge, () => undefined)
      if (step === 'hydrate') hydrate(app.queryClient, state)
      if (step === 'connect') await app.connect()
      if (step === 'observe') for (const key of ['rows', 'count']) app.observe(key)
    }
    await vi.advanceTimersByTimeAsync(0)
    expect(app.subscribed()).toEqual([{ topic: TOPIC, position: at(5) }])
    app.transport.connection.deliver({
      t: 'subscribed',
      topic: TOPIC,
      outcome: 'replayed',
      position: at(8),
      events: [
        saved(6, 6),
        { type: 'count.grew', data: null, offset: 7 },
        { type: 'count.grew', data: null, offset: 8 },
      ],
    })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(app.data('rows')).toEqual([{ id: 1 }, { id: 6 }])
    expect(app.data('count')).toBe(5)
    expect(app.fetches).toEqual([])
    expect(app.bridge.inspect(ROWS)).toMatchObject({ positions: { [TOPIC]: at(8) }, isLive: true })
    app.end()
  })

  it('is fetched when the server has no history from there', async () => {
    const app = open()
    hydrate(app.queryClient, await rendered({ rows: { data: [], offset: 5 } }))
    await app.connect()
    app.observe('rows')
    await vi.advanceTimersByTimeAsync(0)
    app.transport.connection.deliver({
      t: 'subscribed',
      topic: TOPIC,
      outcome: 'reset',
      position: at(1, 'new'),
    })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(app.fetches).toEqual(['rows'])
    app.end()
  })

  it('does not vouch for other data of its topic: all is asked for anew', async () => {
    const app = open()
    const state = await rendered({ rows: { data: [], offset: 5 }, count: { data: 4 } })
    hydrate(app.queryClient, state)
    await app.connect()
    app.observe('rows')
    app.observe('count')
    await vi.advanceTimersByTimeAsync(0)
    expect(app.subscribed()).toEqual([{ topic: TOPIC }])
    app.transport.connection.deliver({ t: 'subscribed', topic: TOPIC, outcome: 'fresh', position: at(5) })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(app.fetches).toEqual(['count'])
    app.end()
  })

  it('is fetched when the app has changed it since', async () => {
    const app = open()
    hydrate(app.queryClient, await rendered({ rows: { data: [], offset: 5 } }))
    await vi.advanceTimersByTimeAsync(1)
    app.queryClient.setQueryData(ROWS, [{ id: 9 }])
    await app.connect()
    app.observe('rows')
    await vi.advanceTimersByTimeAsync(0)
    expect(app.subscribed()).toEqual([{ topic: TOPIC }])
    app.end()
  })

  it.each([
    { when: 'before', fetches: [], rows: [{ id: 1 }, { id: 6 }] },
    { when: 'after', fetches: ['rows'], rows: 'fetched' },
  ])(
    'is caught up with what the page has heard already, $when its first query',
    async ({ when, ...then }) => {
      const app = open()
      if (when === 'before') positioned(app.bridge, () => 0)
      await app.connect()
      app.queryClient.setQueryData(['other'], 0)
      const release = app.bridge.holdTopic(TOPIC)
      await vi.advanceTimersByTimeAsync(0)
      app.transport.connection.deliver({ t: 'subscribed', topic: TOPIC, outcome: 'fresh', position: at(5) })
      app.transport.connection.deliver({ t: 'events', topic: TOPIC, epoch: 'e', events: [saved(6, 6)] })
      await vi.advanceTimersByTimeAsync(50)
      hydrate(app.queryClient, await rendered({ rows: { data: [{ id: 1 }], offset: 5 } }))
      app.observe('rows')
      await vi.advanceTimersByTimeAsync(1_000)
      // What was heard while nothing asked for positions is not kept: such data is fetched.
      expect({ rows: app.data('rows'), fetches: app.fetches }).toEqual(then)
      release()
      app.end()
    },
  )

  it('has none any more when a page dehydrates it that has not kept them up to date', async () => {
    const app = open()
    hydrate(app.queryClient, await rendered({ rows: { data: [], offset: 5 } }))
    await app.connect()
    expect(dehydrateWithPositions(app.bridge).queries[0]?.meta).toEqual(meta)
    app.end()
  })

  it.each([
    ['its queryFn comes with the observer', {}],
    ['the QueryClient has a queryFn', { queryFn: () => 'fetched' }],
  ])('that comes by a promise may be older than its fetch: it is fetched again (%s)', async (_, queries) => {
    const server = createApp()
    let read = (_rows: unknown): void => undefined
    const reading = new Promise((resolve) => (read = resolve))
    void server.queryClient.prefetchQuery({ queryKey: ROWS, meta, queryFn: () => reading })
    const state = dehydrateWithPositions(server.bridge, { shouldDehydrateQuery: () => true })
    const app = open()
    app.queryClient.setDefaultOptions({ queries: { ...queries, staleTime: 60_000, retry: false } })
    await app.connect()
    hydrate(app.queryClient, state)
    read([{ id: 1 }])
    await vi.advanceTimersByTimeAsync(0)
    expect(app.data('rows')).toEqual([{ id: 1 }])
    app.observe('rows')
    await vi.advanceTimersByTimeAsync(0)
    const fresh = { t: 'subscribed', topic: TOPIC, outcome: 'fresh', position: at(6), quietMs: 500 } as const
    app.transport.connection.deliver(fresh)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(app.data('rows')).toBe('fetched')
    app.end()
  })

  it('says where it stands when a live page dehydrates it', async () => {
    const app = open()
    positioned(app.bridge, () => 0)
    hydrate(app.queryClient, await rendered({ rows: { data: [], offset: 5 } }))
    await app.connect()
    const [query] = dehydrateWithPositions(app.bridge).queries
    expect(query?.meta).toMatchObject({
      topics: [TOPIC],
      realtimePositions: { positions: { [TOPIC]: at(5) } },
    })
    app.end()
  })

  it('has none where its response has stated none', async () => {
    const state = await rendered({ rows: { data: [] } })
    expect(state.queries[0]?.meta).toEqual(meta)
  })
})

describe('on a server', () => {
  it('renders a page whose data comes with its positions, without a window', async () => {
    expect(typeof window).toBe('undefined')
    const { queryClient, bridge, transport } = createApp()
    const options = {
      queryKey: ROWS,
      meta,
      queryFn: positioned(bridge, ({ received }) => {
        received({ [TOPIC]: at(5) })
        return [{ id: 1 }]
      }),
    }
    await queryClient.prefetchQuery(options)
    const state = dehydrateWithPositions(bridge)
    const Rows = () => <p>{useQuery(options).data?.map(({ id }) => `row ${id}`)}</p>
    const html = renderToString(
      <RealtimeQueryProvider bridge={bridge}>
        <HydrationBoundary state={state}>
          <Rows />
        </HydrationBoundary>
      </RealtimeQueryProvider>,
    )
    expect(html).toContain('row 1')
    expect(state.queries[0]?.meta).toMatchObject({ realtimePositions: { positions: { [TOPIC]: at(5) } } })
    expect(transport.connections).toEqual([])
    expect(dehydrate(queryClient).queries).toHaveLength(1)
  })
})
