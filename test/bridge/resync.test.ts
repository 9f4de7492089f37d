import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { update, upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { createLiveClient, type LiveClient } from '../support/live-client.ts'

const events = defineEvents({
  'row.saved': on(z.object({ id: z.number() }), (row) => upsert(['rows'], row)),
  'row.counted': on(z.unknown(), () => update<number>(['count'], (count) => count + 1)),
})

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('a connection that comes back', () => {
  let live: LiveClient
  /** Fetches by query. */
  let fetches: Record<string, number>

  beforeEach(() => {
    vi.useFakeTimers()
    fetches = {}
    live = createLiveClient(events)
  })
  afterEach(() => {
    live.end()
    vi.useRealTimers()
  })

  const query = (key: string, more: object = {}) => ({
    queryKey: [key],
    staleTime: Infinity,
    queryFn: () => {
      fetches[key] = (fetches[key] ?? 0) + 1
      return []
    },
    ...more,
  })

  it('fetches what is on screen and marks the rest stale: nothing can be replayed by a plain backend (L2)', async () => {
    await pass(0)
    live.observe(query('seen'))
    live.observe(query('disabled', { enabled: false, initialData: [] }))
    await live.queryClient.prefetchQuery(query('unseen'))
    await pass(1_000)
    live.source.drop()
    await pass(1_000)
    live.source.open()
    await pass(1_000)

    expect(fetches).toEqual({ seen: 2, unseen: 1 })
    expect(live.queryClient.getQueryState(['unseen'])?.isInvalidated).toBe(true)
    expect(live.queryClient.getQueryState(['seen'])?.isInvalidated).toBe(false)
  })

  it('fetches once more what was being fetched when it came back', async () => {
    await pass(0)
    live.observe(
      query('seen', {
        queryFn: async () => {
          fetches['seen'] = (fetches['seen'] ?? 0) + 1
          await new Promise((resolve) => setTimeout(resolve, 100))
          return []
        },
      }),
    )
    await pass(1_000)
    live.source.drop()
    void live.queryClient.refetchQueries()
    await pass(50)
    live.source.open()
    await pass(1_000)
    expect(fetches['seen']).toBe(3)
  })
})

describe('an effect that cannot be applied twice', () => {
  let live: LiveClient
  let count: number
  let fetches: number

  beforeEach(() => {
    vi.useFakeTimers()
    count = 0
    fetches = 0
    live = createLiveClient(events)
  })
  afterEach(() => {
    live.end()
    vi.useRealTimers()
  })

  const countQuery = {
    queryKey: ['count'],
    staleTime: Infinity,
    queryFn: async () => {
      fetches += 1
      const read = count
      await new Promise((resolve) => setTimeout(resolve, 50))
      return read
    },
  }

  it('costs no fetch when the response is old enough not to hold it', async () => {
    live.observe(countQuery)
    await pass(10_000)
    fetches = 0
    count += 1
    live.source.push({ type: 'row.counted', data: 0 })
    await pass(60_000)
    expect([live.data(['count']), fetches]).toEqual([1, 0])
  })

  it('is made good by one more fetch when the response may hold it already', async () => {
    live.observe(countQuery)
    await pass(10_000)
    count += 1
    void live.queryClient.refetchQueries()
    await pass(100)
    live.source.push({ type: 'row.counted', data: 0 }) // late: the response was ahead of the stream
    expect(live.data(['count'])).toBe(2)
    await pass(60_000)
    expect(live.data(['count'])).toBe(1)
  })

  it.each([0, 25, 49])(
    'is made good by one more fetch when it arrives during one (at %i ms)',
    async (moment) => {
      live.observe(countQuery)
      await pass(10_000)
      void live.queryClient.refetchQueries()
      await pass(moment)
      count += 1
      live.source.push({ type: 'row.counted', data: 0 })
      await pass(60_000)
      expect(live.data(['count'])).toBe(1)
    },
  )

  it('fetches a busy counter now and then, not at every event', async () => {
    live.observe(countQuery)
    await pass(10_000)
    void live.queryClient.refetchQueries()
    await pass(100)
    fetches = 0
    for (let second = 0; second < 20; second += 1) {
      count += 1
      live.source.push({ type: 'row.counted', data: 0 })
      await pass(1_000)
    }
    await pass(60_000)
    expect(fetches).toBeLessThanOrEqual(10) // of 20 events
    expect(live.data(['count'])).toBe(20)
  })
})
