/** Defects that a review has found, each with the scenario that showed it. */
import {
  dehydrate,
  hydrate,
  MutationObserver,
  QueryClient,
  QueryObserver,
  type Query,
} from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../src/bridge.ts'
import { drop, invalidate, update, upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { createFakeTransport } from '../../src/testing/fake-transport.ts'
import { createPushSource } from '../support/push-source.ts'

const Key = z.array(z.union([z.string(), z.number()]))
const events = defineEvents({
  invalidated: on(Key, (key) => invalidate(key)),
  'invalidated everywhere': on(Key, (queryKey) => invalidate({ queryKey, refetchType: 'all' })),
  'invalidated off screen': on(Key, (queryKey) => invalidate({ queryKey, refetchType: 'inactive' })),
  'invalidated by predicate': on(z.unknown(), () =>
    invalidate({ predicate: ({ queryKey }) => (queryKey[1] as { board: number }).board === 1 }),
  ),
  dropped: on(Key, (key) => drop(key)),
  saved: on(z.object({ id: z.number(), title: z.string() }), (row) => upsert(['list'], row)),
  broken: on(z.unknown(), () => [
    update(['broken'], () => {
      throw new Error('updater')
    }),
    invalidate(['list']),
  ]),
})

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
const after = <T>(ms: number, value: () => T) =>
  new Promise<T>((resolve) => {
    setTimeout(() => {
      resolve(value())
    }, ms)
  })

type Options = Partial<ConstructorParameters<typeof RealtimeQueryBridge<typeof events>>[0]>

describe('edge cases', () => {
  const ends: (() => void)[] = []

  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    for (const end of ends.splice(0)) end()
    vi.useRealTimers()
  })

  function connect(options: Options = {}) {
    const queryClient = new QueryClient({
      defaultOptions: { queries: { retry: false, staleTime: Infinity } },
    })
    const source = createPushSource()
    const errors: string[] = []
    const bridge = new RealtimeQueryBridge({
      queryClient,
      events,
      transport: source.transport,
      onError: (error) => errors.push(error.code),
      ...options,
    })
    ends.push(() => {
      bridge.stop()
      queryClient.clear()
    })
    return { queryClient, source, bridge, errors }
  }

  /** Mounts a query that counts its fetches. */
  function observe(queryClient: QueryClient, queryKey: readonly unknown[], answer: () => unknown = () => []) {
    const counter = { fetches: 0 }
    const observer = new QueryObserver(queryClient, {
      queryKey,
      queryFn: () => {
        counter.fetches += 1
        return answer()
      },
    })
    ends.push(observer.subscribe(() => undefined))
    return counter
  }

  it('applies events where there are frames and no document (React Native, workers)', async () => {
    vi.stubGlobal('requestAnimationFrame', (callback: () => void) => setTimeout(callback, 16))
    vi.stubGlobal('cancelAnimationFrame', clearTimeout)
    const { queryClient, source, bridge, errors } = connect()
    bridge.start()
    await pass(0)
    queryClient.setQueryData(['list'], [])
    source.push({ type: 'saved', data: { id: 1, title: 'a' } })
    expect(queryClient.getQueryData(['list'])).toHaveLength(1)
    expect(errors).toEqual([])
  })

  it.each(['an event', 'a reconnect'])(
    'does not lose %s during a prefetch whose query is then mounted',
    async (what) => {
      const { queryClient, source, bridge } = connect()
      bridge.start()
      await pass(1_000)
      let fetches = 0
      const options = { queryKey: ['list'], queryFn: () => after(100, () => ++fetches) }
      void queryClient.prefetchQuery(options)
      await pass(10)
      if (what === 'an event') source.push({ type: 'invalidated', data: ['list'] })
      else {
        source.drop()
        source.open()
      }
      await pass(40)
      ends.push(new QueryObserver(queryClient, options).subscribe(() => undefined))
      await pass(60_000)
      expect(fetches).toBe(2)
    },
  )

  describe('data restored while events are coming is fetched (its place in the stream is not known)', () => {
    it('by a persister with slow storage', async () => {
      const stored = new QueryClient()
      stored.setQueryData(['list'], ['yesterday'], { updatedAt: Date.now() - 86_400_000 })
      const { queryClient, bridge } = connect()
      bridge.start()
      await pass(100)
      hydrate(queryClient, dehydrate(stored))
      const counter = observe(queryClient, ['list'])
      await pass(60_000)
      expect(counter.fetches).toBe(1)
    })

    it('by hydration over a query that an event has changed', async () => {
      const { queryClient, bridge, source } = connect()
      bridge.start()
      await pass(100)
      let title = 'old'
      const counter = observe(queryClient, ['list'], () => [{ id: 1, title }])
      await pass(5_000)
      const rendered = new QueryClient()
      rendered.setQueryData(['list'], [{ id: 1, title: 'old' }])
      const state = dehydrate(rendered)
      title = 'new'
      source.push({ type: 'saved', data: { id: 1, title } })
      await pass(50)
      hydrate(queryClient, state)
      await pass(60_000)
      expect(queryClient.getQueryData(['list'])).toEqual([{ id: 1, title: 'new' }])
      expect(counter.fetches).toBe(2)
    })
  })

  it('stops fetching a query that goes on failing, and lets it be collected', async () => {
    const { queryClient, bridge, source } = connect()
    bridge.start()
    await pass(1_000)
    let fetches = 0
    await queryClient.prefetchQuery({
      queryKey: ['x'],
      gcTime: 300_000,
      queryFn: () => {
        fetches += 1
        if (fetches > 1) throw new Error('410')
        return 1
      },
    })
    source.push({ type: 'invalidated everywhere', data: ['x'] })
    await pass(3_600_000)
    expect(fetches).toBe(2)
    expect(queryClient.getQueryCache().getAll()).toEqual([])
  })

  it('does not flicker between loading and error for a dropped query that the server no longer has', async () => {
    const { queryClient, bridge, source } = connect()
    bridge.start()
    await pass(1_000)
    let isThere = true
    const counter = observe(queryClient, ['detail', 1], () => {
      if (!isThere) throw new Error('404')
      return { id: 1 }
    })
    await pass(1_000)
    isThere = false
    source.push({ type: 'dropped', data: ['detail', 1] })
    await pass(600_000)
    expect(counter.fetches).toBe(2)
    expect(queryClient.getQueryState(['detail', 1])?.status).toBe('error')
  })

  describe('a `topics` function that throws on one query', () => {
    const topics = (query: Query) => [`board:${(query.queryKey[1] as { board: number }).board}`]

    it('breaks neither the app nor the start', async () => {
      const { queryClient, bridge, errors } = connect({ topics })
      expect(() => observe(queryClient, ['me'])).not.toThrow()
      bridge.start()
      await pass(0)
      expect(() => observe(queryClient, ['you'])).not.toThrow()
      expect(bridge.status.status).toBe('live')
      expect(errors).toContain('listener-failed')
    })

    it('does not keep the others from being resynced', async () => {
      const { queryClient, bridge, source } = connect({ topics })
      bridge.start()
      await pass(0)
      queryClient.setQueryData(['me'], 1)
      const counter = observe(queryClient, ['list', { board: 1 }])
      await pass(1_000)
      source.drop()
      await pass(10)
      source.open()
      await pass(1_000)
      expect(counter.fetches).toBe(2)
    })
  })

  describe('a quiet topic', () => {
    const position = { epoch: 'e', offset: 7 }

    it('does not vouch for a fetch that failed', async () => {
      const transport = createFakeTransport()
      const { queryClient, bridge } = connect({ transport, topics: ['t'] })
      queryClient.setQueryData(['list'], ['old'], { updatedAt: Date.now() - 3_600_000 })
      queryClient
        .getQueryCache()
        .find({ queryKey: ['list'] })
        ?.invalidate()
      bridge.start()
      const counter = observe(queryClient, ['list'], () => {
        if (counter.fetches === 1) throw new Error('503')
        return ['new']
      })
      await pass(100)
      expect(counter.fetches).toBe(1)
      transport.connection.open()
      await pass(0)
      transport.connection.deliver({ t: 'welcome', connectionId: 'c' })
      transport.connection.deliver({
        t: 'subscribed',
        topic: 't',
        outcome: 'fresh',
        position,
        quietMs: 60_000,
      })
      await pass(30_000)
      expect(queryClient.getQueryData(['list'])).toEqual(['new'])
    })
  })

  it('a gap of a plain source in a topic that no query names fetches what is on screen', async () => {
    const { queryClient, bridge, source } = connect()
    bridge.start()
    await pass(1_000)
    const counter = observe(queryClient, ['list'])
    await pass(1_000)
    const at = (offset: number) => ({
      type: 'saved',
      data: { id: offset, title: '' },
      topic: 'rows',
      position: { epoch: 'e', offset },
    })
    source.push(at(1))
    await pass(1_000)
    expect(counter.fetches).toBe(1)
    source.push(at(3))
    await pass(1_000)
    expect(counter.fetches).toBe(2)
  })

  it('a predicate that throws on one query does not lose the others', async () => {
    const { queryClient, bridge, source, errors } = connect()
    bridge.start()
    await pass(1_000)
    const counter = observe(queryClient, ['list', { board: 1 }])
    queryClient.setQueryData(['me'], 1)
    await pass(1_000)
    source.push({ type: 'invalidated by predicate', data: 0 })
    await pass(1_000)
    expect(counter.fetches).toBe(2)
    expect(errors).toEqual(['effect-failed'])
  })

  it('a refetch that onMutate cancels does not come back over the guess', async () => {
    const { queryClient, bridge, source } = connect()
    bridge.start()
    await pass(1_000)
    let stored = 'old'
    const observer = new QueryObserver(queryClient, {
      queryKey: ['list'],
      queryFn: ({ signal }) => {
        signal.throwIfAborted()
        return after(100, () => stored)
      },
    })
    ends.push(observer.subscribe(() => undefined))
    await pass(1_000)
    source.push({ type: 'invalidated', data: ['list'] })
    await pass(20)
    const seen: unknown[] = []
    ends.push(
      queryClient.getQueryCache().subscribe(() => {
        const data = queryClient.getQueryData(['list'])
        if (seen.at(-1) !== data) seen.push(data)
      }),
    )
    const mutation = new MutationObserver(queryClient, {
      onMutate: async () => {
        await queryClient.cancelQueries({ queryKey: ['list'] })
        queryClient.setQueryData(['list'], 'guess')
      },
      mutationFn: () =>
        after(4_000, () => {
          stored = 'guess'
        }),
    })
    void mutation.mutate()
    await pass(10_000)
    expect(seen).toEqual(['old', 'guess'])
    expect(queryClient.getQueryState(['list'])).toMatchObject({ isInvalidated: false, data: 'guess' })
  })

  it('a clock that is set back does not hold up a fetch', async () => {
    const { queryClient, bridge, source } = connect()
    bridge.start()
    await pass(1_000)
    const counter = observe(queryClient, ['list'])
    await pass(1_000)
    vi.setSystemTime(Date.now() - 3_600_000)
    source.push({ type: 'invalidated', data: ['list'] })
    await pass(60_000)
    expect(counter.fetches).toBe(2)
  })

  it('a reset during a fetch is not undone', async () => {
    const { queryClient, bridge, source } = connect()
    bridge.start()
    await pass(1_000)
    const observer = new QueryObserver(queryClient, {
      queryKey: ['list'],
      initialData: [{ id: 0, title: 'initial' }],
      queryFn: () => after(1_000, () => [{ id: 9, title: 'fetched' }]),
    })
    const unmount = observer.subscribe(() => undefined)
    void observer.refetch()
    await pass(10)
    source.push({ type: 'saved', data: { id: 1, title: 'of the last user' } })
    unmount()
    queryClient
      .getQueryCache()
      .find({ queryKey: ['list'] })
      ?.reset()
    expect(queryClient.getQueryData(['list'])).toEqual([{ id: 0, title: 'initial' }])
  })

  it('an error handler that stops the bridge stops it there; what was left is done when it starts again', async () => {
    const { queryClient, source, bridge } = connect({
      onError: () => {
        bridge.stop()
      },
    })
    bridge.start()
    await pass(1_000)
    queryClient.setQueryData(['broken'], 1)
    const counter = observe(queryClient, ['list'])
    await pass(1_000)
    source.push({ type: 'broken', data: 0 })
    await pass(60_000)
    expect(counter.fetches).toBe(1)
    bridge.start()
    await pass(1_000)
    expect(counter.fetches).toBeGreaterThan(1)
    expect(queryClient.getQueryState(['list'])?.isInvalidated).toBe(false)
  })

  it('explains a refetch as it would be carried out', async () => {
    const { queryClient, bridge } = connect()
    await queryClient.prefetchQuery({ queryKey: ['off screen'], queryFn: () => 1 })
    observe(queryClient, ['on screen'])
    await pass(10)
    const action = (type: string, key: string) =>
      bridge.explain({ type, data: [key] }).effects[0]?.queries[0]?.action
    expect(action('invalidated everywhere', 'off screen')).toBe('refetch')
    expect(action('invalidated off screen', 'on screen')).toBe('mark-stale')
    expect(() => bridge.explain({ type: 'invalidated by predicate', data: 0 })).not.toThrow()
  })

  it('a limit that is undefined keeps its default', async () => {
    const { queryClient, bridge, source } = connect({
      limits: { refetchIntervalMs: undefined } as unknown as Options['limits'],
    })
    bridge.start()
    await pass(1_000)
    const counter = observe(queryClient, ['list'])
    await pass(1_000)
    for (let count = 0; count < 5; count += 1) {
      source.push({ type: 'invalidated', data: ['list'] })
      await pass(20)
    }
    expect(counter.fetches).toBe(2)
  })
})
