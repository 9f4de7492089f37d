/** What a reset fetches: in which order, how many at a time, how far apart, and what not at all. */
import {
  InfiniteQueryObserver,
  QueryClient,
  QueryObserver,
  type QueryFunctionContext,
} from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RealtimeQueryBridge } from '../../src/bridge.ts'
import { invalidate } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { positioned } from '../../src/features.ts'
import { createFakeTransport } from '../../src/testing/fake-transport.ts'

const TOPIC = 'board:1'
const meta = { topics: [TOPIC] }
const events = defineEvents({ 'all.changed': on(anything(), () => invalidate([])) })
const at = (offset: number, epoch = 'e') => ({ epoch, offset })
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

/** A schema that takes everything. */
function anything() {
  return { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } } as const
}

describe('a reset', () => {
  let queryClient: QueryClient
  let transport: ReturnType<typeof createFakeTransport>
  let bridge: RealtimeQueryBridge
  let unmounts: Map<string, () => void>
  /** Requests since the last `clear`, and when each began. */
  let requests: { name: string; at: number }[]
  let running: number
  let mostAtOnce: number
  /** How long a request takes, in ms. */
  let takesMs: number
  /** Requests of this name never end. */
  let hangs: string | undefined

  beforeEach(async () => {
    vi.useFakeTimers()
    let seed = 0
    queryClient = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity, retry: false } } })
    transport = createFakeTransport()
    bridge = new RealtimeQueryBridge({
      queryClient,
      events,
      transport,
      onError: () => undefined, // The server of this test answers no ping.
      random: () => (seed = (seed * 16_807 + 11) % 2_147_483_647) / 2_147_483_647,
    })
    unmounts = new Map()
    takesMs = 0
    hangs = undefined
    clear()
    bridge.start()
    await connect()
    const release = bridge.holdTopic(TOPIC)
    unmounts.set('topic', release)
    await pass(0)
    subscribed('fresh', at(5))
  })
  afterEach(() => {
    for (const unmount of unmounts.values()) unmount()
    bridge.stop()
    queryClient.clear()
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  async function connect() {
    transport.connection.open()
    await pass(0)
    transport.connection.deliver({ t: 'welcome', connectionId: 'c' })
  }
  const subscribed = (
    outcome: 'fresh' | 'reset',
    position: { epoch: string; offset: number },
    quietMs?: number,
  ) => {
    transport.connection.deliver({ t: 'subscribed', topic: TOPIC, outcome, position, quietMs })
  }
  /** The connection is lost, and the next one finds that the history is. */
  async function reconnect() {
    transport.connection.end()
    await pass(2_500)
    await connect()
    clear()
    subscribed('reset', at(0, 'f'))
  }
  function clear() {
    requests = []
    running = mostAtOnce = 0
  }
  async function request(name: string) {
    requests.push({ name, at: Date.now() })
    mostAtOnce = Math.max(mostAtOnce, ++running)
    await new Promise((resolve) => name === hangs || setTimeout(resolve, takesMs))
    running--
    return name
  }
  const names = () => requests.map(({ name }) => name)
  function observe(...keys: string[]) {
    for (const key of keys) {
      const observer = new QueryObserver(queryClient, { queryKey: [key], meta, queryFn: () => request(key) })
      unmounts.set(
        key,
        observer.subscribe(() => undefined),
      )
    }
  }
  async function observePages(key: string, count: number) {
    const observer = new InfiniteQueryObserver(queryClient, {
      queryKey: [key],
      meta,
      queryFn: ({ pageParam }: QueryFunctionContext<string[], unknown>) =>
        request(`${key}/${String(pageParam)}`),
      initialPageParam: 0,
      getNextPageParam: (_page: string, _pages: string[], last: unknown) => (last as number) + 1,
    })
    unmounts.set(
      key,
      observer.subscribe(() => undefined),
    )
    await pass(0)
    for (let page = 1; page < count; page++) {
      void observer.fetchNextPage()
      await pass(0)
    }
  }
  const many = (count: number) => Array.from({ length: count }, (_, index) => `q${index}`)

  it('after a reconnect fetches at once, six at a time', async () => {
    observe(...many(40))
    await pass(1_000)
    takesMs = 100
    await reconnect()
    await pass(0)
    expect(names()).toHaveLength(6)
    await pass(1_000)
    expect(names().sort()).toEqual(many(40).sort())
    expect(mostAtOnce).toBe(6)
  })

  it('on a live connection spreads the fetches over a second: all clients hear of it at the same moment', async () => {
    observe(...many(40))
    await pass(1_000)
    clear()
    const before = Date.now()
    subscribed('reset', at(0, 'f'))
    await pass(10)
    expect(names().length).toBeLessThan(10)
    await pass(990)
    expect(names().sort()).toEqual(many(40).sort())
    const quarters = requests.map((one) => Math.floor((one.at - before) / 250))
    expect(new Set(quarters)).toEqual(new Set([0, 1, 2, 3]))
  })

  it('fetches infinite queries last, the shorter one first, each by its head page', async () => {
    takesMs = 0
    await observePages('long', 4)
    await observePages('short', 2)
    observe('a', 'b')
    await pass(1_000)
    await reconnect()
    await pass(1_000)
    const order = names()
    expect(order.slice(0, 4)).toEqual(['a', 'b', 'short/0', 'long/0'])
    expect(order.filter((name) => name.startsWith('long'))).toEqual(['long/0', 'long/1', 'long/2', 'long/3'])
  })

  it('shows the pages of an infinite query together: those of two moments do not fit', async () => {
    await observePages('pages', 3)
    takesMs = 50
    await reconnect()
    await pass(60)
    expect(names()).toEqual(['pages/0', 'pages/1'])
    expect(queryClient.getQueryState(['pages'])).toMatchObject({
      fetchStatus: 'fetching',
      isInvalidated: true,
    })
    await pass(100)
    expect(queryClient.getQueryState(['pages'])).toMatchObject({ fetchStatus: 'idle', isInvalidated: false })
  })

  it('does not fetch what the app has fetched since, while it waited for its turn', async () => {
    observe(...many(8))
    await pass(1_000)
    takesMs = 100
    await reconnect()
    await pass(10)
    void queryClient.refetchQueries({ queryKey: ['q7'] })
    await pass(1_000)
    expect(names().filter((name) => name === 'q7')).toEqual(['q7'])
  })

  it('does not fetch what was fetched within the time in which nothing has happened', async () => {
    observe('before', 'since')
    await pass(1_000)
    transport.connection.end()
    await pass(20_000)
    clear()
    void queryClient.refetchQueries({ queryKey: ['since'] })
    await pass(100)
    await connect()
    subscribed('reset', at(0, 'f'), 200)
    await pass(1_000)
    expect(names()).toEqual(['since', 'before'])
  })

  it('does not fetch what says that it was read at the new position, or after it', async () => {
    let position = at(5)
    const reads: string[] = []
    const observer = new QueryObserver(queryClient, {
      queryKey: ['placed'],
      meta,
      queryFn: positioned(bridge, async ({ received }) => {
        const now = position
        reads.push(`${now.epoch}${now.offset}`)
        await new Promise((resolve) => setTimeout(resolve, 100))
        received({ [TOPIC]: now })
        return now
      }),
    })
    unmounts.set(
      'placed',
      observer.subscribe(() => undefined),
    )
    await pass(1_000)
    transport.connection.end()
    position = at(3, 'f')
    void queryClient.refetchQueries({ queryKey: ['placed'] }) // Still on its way when the reset comes.
    await pass(50)
    await pass(2_500)
    await connect()
    subscribed('reset', at(3, 'f'))
    await pass(2_000)
    expect(reads).toEqual(['e5', 'f3'])
    position = at(3, 'g')
    void queryClient.refetchQueries({ queryKey: ['placed'] })
    await pass(50)
    subscribed('reset', at(3, 'g'))
    await pass(2_000)
    expect(reads).toEqual(['e5', 'f3', 'g3'])
    position = at(4, 'h')
    subscribed('reset', at(4, 'h'))
    await pass(2_000)
    expect(reads).toEqual(['e5', 'f3', 'g3', 'h4'])
  })

  it('goes on when a fetch hangs, fails, is cancelled, or its query is removed', async () => {
    observe(...many(20))
    await pass(1_000)
    takesMs = 100
    hangs = 'q0'
    await reconnect()
    await pass(10)
    void queryClient.cancelQueries({ queryKey: ['q1'] })
    queryClient.removeQueries({ queryKey: ['q2'] })
    unmounts.get('q3')?.()
    queryClient.setQueryDefaults(['q4'], { queryFn: () => Promise.reject(new Error('down')) })
    await pass(5_000)
    expect([...new Set(names())].sort()).toEqual(many(20).sort())
  })

  it('does not wait for ever for fetches that hang', async () => {
    observe(...many(7))
    await pass(1_000)
    takesMs = 100_000
    await reconnect()
    await pass(9_000)
    expect(names()).toHaveLength(6)
    await pass(2_000)
    expect(names()).toHaveLength(7)
    await pass(200_000)
  })

  it('leaves what has gone from the screen while it waited stale, and unfetched', async () => {
    observe(...many(8))
    await pass(1_000)
    takesMs = 100
    await reconnect()
    await pass(10)
    unmounts.get('q7')?.()
    await pass(1_000)
    expect(names()).not.toContain('q7')
    expect(queryClient.getQueryState(['q7'])?.isInvalidated).toBe(true)
  })

  it('fetches after stop and start what was waiting when it was stopped', async () => {
    observe(...many(12))
    await pass(1_000)
    takesMs = 100
    await reconnect()
    await pass(10)
    bridge.stop()
    await pass(1_000)
    expect(names()).toHaveLength(6)
    bridge.start()
    await pass(1_000)
    expect([...new Set(names())].sort()).toEqual(many(12).sort())
  })

  it('keeps the same limit for another user: the fetches of the last one count no more', async () => {
    observe(...many(12))
    await pass(1_000)
    takesMs = 10_000
    await reconnect()
    await pass(10)
    takesMs = 100
    bridge.setIdentity('somebody else') // Resets what is on screen: TanStack fetches all of it.
    await pass(1_000)
    await connect()
    clear()
    subscribed('fresh', at(7))
    await pass(10)
    expect(names()).toHaveLength(6)
    await pass(1_000)
    expect([...new Set(names())].sort()).toEqual(many(12).sort())
    await pass(10_000) // The requests of the last one end.
  })

  it('limits what an event invalidates in the same way', async () => {
    observe(...many(20))
    await pass(1_000)
    takesMs = 100
    clear()
    transport.connection.deliver({
      t: 'events',
      topic: TOPIC,
      epoch: 'e',
      events: [{ type: 'all.changed', data: null, offset: 6 }],
    })
    await pass(1_000)
    expect(names().sort()).toEqual(many(20).sort())
    expect(mostAtOnce).toBe(6)
  })
})
