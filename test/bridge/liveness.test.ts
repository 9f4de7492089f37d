// @vitest-environment jsdom
/** Down means polling, live means none: per topic, with real observers, whose timers start and stop. */
import { onlineManager, QueryClient, QueryObserver } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RealtimeQueryBridge } from '../../src/bridge.ts'
import { invalidate } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import type { ServerMessage } from '../../src/core/protocol/messages.ts'
import { createFakeTransport, type FakeTransportOptions } from '../../src/testing/fake-transport.ts'
import { PLAIN, settled } from '../session/rig.ts'
import { z } from 'zod'

const events = defineEvents({ changed: on(z.unknown(), () => invalidate(['other'])) })

const POLL_MS = 5_000

class Screen {
  readonly transport
  readonly queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  readonly bridge
  readonly fetches: Record<string, number> = {}
  readonly #unmounts: (() => void)[] = []

  constructor(options: FakeTransportOptions = {}, topics?: readonly string[]) {
    this.transport = createFakeTransport({ heartbeat: false, ...options })
    this.bridge = new RealtimeQueryBridge({
      queryClient: this.queryClient,
      events,
      transport: this.transport,
      topics,
      random: () => 0,
      limits: { connectTimeoutMs: 600_000 },
      onError: () => {},
    })
    this.queryClient.mount()
    this.bridge.start()
  }

  get server() {
    return this.transport.connection
  }

  options(key: string, topics?: readonly string[]) {
    return {
      queryKey: [key],
      ...(topics && { meta: { topics } }),
      queryFn: () => {
        this.fetches[key] = (this.fetches[key] ?? 0) + 1
        return key
      },
      staleTime: this.bridge.staleTime(1_000),
      refetchInterval: this.bridge.pollWhenDown(POLL_MS),
    }
  }

  observe(key: string, topics?: readonly string[]) {
    const observer = new QueryObserver(this.queryClient, this.options(key, topics))
    this.#unmounts.push(observer.subscribe(() => undefined))
    return observer
  }

  /** Connects. The server answers for these topics, in which nothing has happened for long. */
  async connect(...topics: string[]) {
    this.server.open()
    await settled()
    this.server.deliver({ t: 'welcome', connectionId: '1' }, ...topics.map(fresh))
    await settled()
  }

  end() {
    for (const unmount of this.#unmounts) unmount()
    this.bridge.stop()
    this.queryClient.unmount()
    this.queryClient.clear()
  }
}

const position = { epoch: 'e', offset: 0 }
const fresh = (topic: string): ServerMessage => ({
  t: 'subscribed',
  topic,
  outcome: 'fresh',
  position,
  quietMs: 600_000,
})

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('liveness', () => {
  let screen: Screen
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    screen.end()
    vi.useRealTimers()
  })

  it('polls while down, and begins and ends with the connection', async () => {
    screen = new Screen()
    screen.observe('a', ['x'])
    await pass(2 * POLL_MS)
    expect(screen.fetches, 'not connected yet').toEqual({ a: 3 })
    await screen.connect('x')
    await pass(10 * POLL_MS)
    expect(screen.fetches, 'live').toEqual({ a: 3 })

    screen.bridge.stop()
    await pass(2 * POLL_MS)
    expect(screen.fetches, 'stopped').toEqual({ a: 5 })
    screen.bridge.start()
    await screen.connect()
    screen.server.deliver({ t: 'subscribed', topic: 'x', outcome: 'replayed', position, events: [] })
    await pass(10 * POLL_MS)
    expect(screen.fetches, 'live again').toEqual({ a: 5 })
  })

  it('is a matter of each topic: a refused one is polled, and so is a query that needs two and has one', async () => {
    screen = new Screen()
    screen.observe('live', ['x'])
    screen.observe('refused', ['y'])
    screen.observe('both', ['x', 'y'])
    screen.observe('none', [])
    await pass(0)
    await screen.connect('x')
    screen.server.deliver({ t: 'refused', topic: 'y', code: 'unavailable', message: '' })
    await pass(POLL_MS)
    expect(screen.fetches).toEqual({ live: 1, refused: 2, both: 2, none: 2 })
    const isLive = (key: string) => screen.bridge.isLive([key])
    expect(['live', 'refused', 'both', 'none', 'absent'].map(isLive)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ])
  })

  it('keeps data fresh for as long as the query is live, and for the time of the app when not', async () => {
    screen = new Screen()
    const observer = screen.observe('a', ['x'])
    const told: boolean[] = []
    observer.subscribe(({ isStale }) => told.push(isStale))
    await pass(0)
    await screen.connect('x')
    await pass(60_000)
    expect(observer.getCurrentResult().isStale).toBe(false)
    screen.server.end()
    await pass(0)
    expect(observer.getCurrentResult().isStale, 'older than a second').toBe(true)
    expect(told.at(-1), 'the observer is told, nobody renders for it').toBe(true)
  })

  it('fetches when a query is mounted again after its topic was let go, and not before', async () => {
    screen = new Screen()
    const mount = () => {
      const observer = new QueryObserver(screen.queryClient, screen.options('a', ['x']))
      return observer.subscribe(() => undefined)
    }
    const unmount = mount()
    await pass(0)
    await screen.connect('x')
    unmount()
    await pass(9_000)
    mount()()
    await pass(0)
    expect(screen.fetches, 'it lingers, and is live').toEqual({ a: 1 })
    await pass(10_000)
    mount()()
    await pass(0)
    expect(screen.fetches).toEqual({ a: 2 })
  })

  it('follows the default topics where a query names none', async () => {
    screen = new Screen({}, ['all'])
    screen.observe('a')
    await pass(0)
    await screen.connect()
    expect(screen.bridge.isLive(['a'])).toBe(false)
    screen.server.deliver(fresh('all'))
    expect(screen.bridge.isLive(['a'])).toBe(true)
  })

  it('follows the connection of a plain backend, save for queries that say that nothing keeps them live', async () => {
    screen = new Screen(PLAIN)
    screen.observe('any')
    screen.observe('named', ['x'])
    screen.observe('none', [])
    await pass(0)
    screen.server.open()
    await pass(0)
    expect(['any', 'named', 'none'].map((key) => screen.bridge.isLive([key]))).toEqual([true, true, false])
    screen.server.end()
    expect(screen.bridge.isLive(['any'])).toBe(false)
  })

  it('tells once of a frame that changes many topics, and nothing of a gap that its own frame closes', async () => {
    screen = new Screen()
    const topics = ['x', 'y', 'z']
    topics.forEach((topic) => screen.observe(topic, [topic]))
    await pass(0)
    await screen.connect()
    const told = vi.fn()
    screen.bridge.onLiveChange(told)
    screen.server.deliver(...topics.map(fresh))
    await pass(0)
    expect(told).toHaveBeenCalledTimes(1)
    const wire = (offset: number) => ({ type: 'changed', data: null, offset })
    screen.server.deliver({ t: 'events', topic: 'x', epoch: 'e', events: [wire(2), wire(1)] })
    await pass(0)
    expect(told).toHaveBeenCalledTimes(1)
  })

  it.each([
    ['once when TanStack leaves reconnects to the bridge', { refetchOnReconnect: false }, 2],
    ['twice when both look after them', {}, 3],
  ])('fetches after a lost history %s', async (_, options, fetches) => {
    screen = new Screen()
    const observer = new QueryObserver(screen.queryClient, { ...screen.options('a', ['x']), ...options })
    observer.subscribe(() => undefined)
    await pass(0)
    await screen.connect('x')
    await pass(2_000)
    screen.server.end()
    onlineManager.setOnline(false)
    await pass(2_000)
    onlineManager.setOnline(true)
    await pass(1_000)
    await screen.connect()
    const position = { epoch: 'another', offset: 3 }
    screen.server.deliver({ t: 'subscribed', topic: 'x', outcome: 'reset', position })
    await pass(1_000)
    expect(screen.fetches).toEqual({ a: fetches })
    observer.destroy()
  })

  it('spreads the polls of many clients', () => {
    const interval = (random: number) =>
      new RealtimeQueryBridge({
        queryClient: new QueryClient(),
        events,
        transport: createFakeTransport(),
        random: () => random,
      }).pollWhenDown(10_000)({ queryHash: '' })
    screen = new Screen()
    expect([0, 0.5, 0.999].map(interval)).toEqual([10_000, 10_500, 10_999])
  })
})
