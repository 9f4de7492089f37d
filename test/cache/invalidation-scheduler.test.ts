import { Query, QueryClient, QueryObserver } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { InvalidationScheduler } from '../../src/core/cache/fetches/invalidation-scheduler.ts'
import { systemClock } from '../../src/core/clock.ts'

interface QueryState {
  readonly isObserved?: boolean
  readonly enabled?: boolean
  readonly staleTime?: number | 'static'
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('InvalidationScheduler', () => {
  let client: QueryClient
  let unmounts: (() => void)[]
  /** When each refetch was started, in ms since the test began. */
  let starts: number[]
  let scheduler: InvalidationScheduler

  beforeEach(() => {
    vi.useFakeTimers({ now: 0 })
    client = new QueryClient()
    unmounts = []
    starts = []
    scheduler = new InvalidationScheduler({
      clock: systemClock,
      random: () => 1,
      intervalMs: 200,
      refetch: (query) => {
        starts.push(Date.now())
        scheduler.started(query)
      },
    })
  })

  afterEach(() => {
    scheduler.clear()
    for (const unmount of unmounts) unmount()
    client.clear()
    vi.useRealTimers()
  })

  /** A query with data; observed unless told otherwise. */
  function createQuery({ isObserved = true, enabled = true, staleTime = 0 }: QueryState = {}): Query {
    client.setQueryData(['rows'], [])
    if (isObserved) {
      const observer = new QueryObserver(client, {
        queryKey: ['rows'],
        queryFn: () => [],
        refetchOnMount: false,
        enabled,
        staleTime,
      })
      unmounts.push(observer.subscribe(() => undefined))
    }
    const query = client.getQueryCache().find({ queryKey: ['rows'] })
    if (query === undefined) throw new Error('no query')
    return query
  }

  it('starts the first fetch at once, but not inside the call', async () => {
    const query = createQuery()
    scheduler.request(query, 'active')
    expect(starts).toEqual([])
    await pass(0)
    expect(starts).toEqual([0])
  })

  it('keeps the interval between starts, and makes good at its end what came within it', async () => {
    const query = createQuery()
    scheduler.request(query, 'active')
    await pass(50)
    scheduler.request(query, 'active')
    scheduler.request(query, 'active')
    await pass(1_000)
    expect(starts).toEqual([0, 200])
  })

  it("counts the app's own fetches: one that begins after the request answers it", async () => {
    const query = createQuery()
    scheduler.started(query)
    await pass(50)
    scheduler.request(query, 'active')
    await pass(50)
    scheduler.started(query)
    await pass(1_000)
    expect(starts).toEqual([])
  })

  it('waits as long as it is told, and starts sooner when asked again for sooner', async () => {
    const query = createQuery()
    scheduler.request(query, 'active', 5_000)
    await pass(1_000)
    expect(starts).toEqual([])
    scheduler.request(query, 'active')
    await pass(10_000)
    expect(starts).toEqual([1_000])
  })

  it('tries a failed fetch again, later and later, until it succeeds', async () => {
    const query = createQuery()
    scheduler.request(query, 'active')
    await pass(0)
    for (let failure = 0; failure < 7; failure += 1) {
      scheduler.failed(query)
      await pass(30_000)
    }
    const pauses = starts.slice(1).map((start, index) => start - index * 30_000)
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
    scheduler.succeeded(query)
    scheduler.failed(query)
    await pass(60_000)
    expect(starts).toHaveLength(8)
  })

  it('gives up after two minutes without an event, and begins anew with the next one', async () => {
    const query = createQuery()
    /** Every fetch that starts fails, this often at most. */
    const fail = async (times: number) => {
      for (let ended = starts.length - 1; ended < starts.length && times > 0; times -= 1) {
        ended = starts.length
        scheduler.failed(query)
        await pass(30_000)
      }
    }
    scheduler.request(query, 'active')
    await pass(0)
    await fail(20)
    expect(starts).toHaveLength(1 + 8)
    starts = []
    for (let event = 0; event < 5; event += 1) {
      scheduler.request(query, 'active')
      await pass(0)
      await fail(4)
    }
    // Each was tried at once, and then again and again: many failures in all, none of them the last straw.
    expect(starts).toHaveLength(5 * (1 + 4))
  })

  it('does not repeat the failure of a fetch that nobody wanted from it', async () => {
    const query = createQuery()
    scheduler.started(query)
    scheduler.failed(query)
    await pass(60_000)
    expect(starts).toEqual([])
  })

  it.each<[string, QueryState]>([
    ['is not on screen', { isObserved: false }],
    ['is disabled', { enabled: false }],
    // `staleTime: 'static'` came with query-core 5.80.
    ...('isStatic' in Query.prototype
      ? [['is static', { staleTime: 'static' }] as [string, QueryState]]
      : []),
  ])('does not fetch a query that %s', async (_, options) => {
    scheduler.request(createQuery(options), 'active')
    await pass(1_000)
    expect(starts).toEqual([])
  })

  it('fetches a query that is not on screen when it is asked to', async () => {
    await client.fetchQuery({ queryKey: ['rows'], queryFn: () => [] })
    const query = createQuery({ isObserved: false })
    scheduler.request(query, 'all')
    await pass(0)
    expect(starts).toEqual([0])
  })

  it.each(['forget', 'clear'] as const)('leaves no timer after %s', async (how) => {
    const query = createQuery()
    scheduler.request(query, 'active', 10)
    scheduler[how](query)
    await pass(1_000)
    expect(starts).toEqual([])
  })
})
