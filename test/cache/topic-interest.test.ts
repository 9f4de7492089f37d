import { QueryClient, QueryObserver, type QueryObserverOptions } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { TopicInterest, type TopicsOfQuery } from '../../src/core/cache/topics/topic-interest.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { RealtimeError } from '../../src/core/errors.ts'

const namedInMeta: TopicsOfQuery = (query) => query.meta?.['topics']
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('TopicInterest', () => {
  let client: QueryClient
  let changes: string[][]
  let errors: RealtimeError[]

  beforeEach(() => {
    vi.useFakeTimers()
    client = new QueryClient()
    changes = []
    errors = []
  })
  afterEach(() => {
    client.clear()
    vi.useRealTimers()
  })

  function createInterest({
    defaultTopics = [] as readonly string[],
    topicsOf = namedInMeta,
    isPlain = false,
  } = {}) {
    const interest = new TopicInterest({
      clock: systemClock,
      lingerMs: 10_000,
      defaultTopics,
      topicsOf,
      isPlain,
      onError: (error) => errors.push(error),
      onChange: (topics) => changes.push([...topics]),
    })
    interest.attach(client.getQueryCache())
    return interest
  }

  function createObserver(
    key: string,
    topics: string[] | undefined,
    more: Partial<QueryObserverOptions> = {},
  ) {
    const meta = topics === undefined ? {} : { meta: { topics } }
    return new QueryObserver(client, { queryKey: [key], queryFn: () => key, ...meta, ...more })
  }
  const observe = (observer: QueryObserver) => observer.subscribe(() => undefined)

  it('wants the topics of mounted queries, told once for all that mount in one turn', async () => {
    const interest = createInterest()
    await pass(0)
    const unmounts = [observe(createObserver('a', ['x', 'y'])), observe(createObserver('b', ['y', 'z']))]
    await pass(0)
    expect(changes).toEqual([[], ['x', 'y', 'z']])
    for (const unmount of unmounts) unmount()
    interest.detach()
  })

  it('keeps a topic for as long as one query needs it, and a while longer', async () => {
    const interest = createInterest()
    const first = observe(createObserver('a', ['x']))
    const second = observe(createObserver('b', ['x']))
    first()
    await pass(60_000)
    expect([...interest.wanted()]).toEqual(['x'])
    second()
    await pass(9_999)
    expect([...interest.wanted()]).toEqual(['x'])
    await pass(1)
    expect([...interest.wanted()]).toEqual([])
    expect(changes.at(-1)).toEqual([])
    interest.detach()
  })

  it('says nothing when a topic is needed again while it lingers', async () => {
    const interest = createInterest()
    observe(createObserver('a', ['x']))()
    await pass(5_000)
    const unmount = observe(createObserver('a', ['x']))
    await pass(60_000)
    expect(changes).toEqual([['x']])
    unmount()
    interest.detach()
  })

  it('does not want the topics of a disabled query until it is enabled', async () => {
    const interest = createInterest()
    const observer = createObserver('a', ['x'], { enabled: false })
    const unmount = observe(observer)
    await pass(0)
    expect([...interest.wanted()]).toEqual([])
    observer.setOptions({ queryKey: ['a'], queryFn: () => 'a', meta: { topics: ['x'] }, enabled: true })
    await pass(0)
    expect([...interest.wanted()]).toEqual(['x'])
    unmount()
    interest.detach()
  })

  it('follows an observer to its next key', async () => {
    const interest = createInterest()
    const observer = createObserver('a', ['x'])
    const unmount = observe(observer)
    observer.setOptions({ queryKey: ['b'], queryFn: () => 'b', meta: { topics: ['y'] } })
    await pass(20_000)
    expect([...interest.wanted()]).toEqual(['y'])
    unmount()
    interest.detach()
  })

  it('gives a query without topics the default ones, and always wants those', () => {
    const interest = createInterest({ defaultTopics: ['all'] })
    const unmount = observe(createObserver('a', undefined))
    const query = client.getQueryCache().getAll()[0]
    expect(query && ['all', 'x', undefined].map((topic) => interest.keepsLive(query, topic))).toEqual([
      true,
      false,
      true,
    ])
    unmount()
    expect([...interest.wanted()]).toEqual(['all'])
    interest.detach()
  })

  it('lets a query that names no topic at all out of what a source without topics keeps live', () => {
    const interest = createInterest()
    const unmount = observe(createObserver('a', []))
    const query = client.getQueryCache().getAll()[0]
    expect(query && interest.keepsLive(query, undefined)).toBe(false)
    unmount()
    interest.detach()
  })

  it('lets each topic of a plain source keep every query live that names none', () => {
    const interest = createInterest({ isPlain: true })
    const unmounts = [observe(createObserver('a', undefined)), observe(createObserver('b', ['y']))]
    const [a, b] = client.getQueryCache().getAll()
    expect(a && b && [interest.keepsLive(a, 'x'), interest.keepsLive(b, 'x')]).toEqual([true, false])
    for (const unmount of unmounts) unmount()
    interest.detach()
  })

  it('gives a query on which the function throws the default topics, and tells', () => {
    const interest = createInterest({
      defaultTopics: ['all'],
      topicsOf: (query) => [(query.queryKey[1] as { topic: string }).topic],
    })
    const unmount = observe(createObserver('a', undefined))
    expect([...interest.wanted()]).toEqual(['all'])
    expect(errors.map((error) => error.code)).toContain('listener-failed')
    unmount()
    interest.detach()
  })

  it('names what lingers last', async () => {
    const interest = createInterest()
    interest.acquire('left')()
    interest.acquire('here')
    await pass(0)
    expect([...interest.wanted()]).toEqual(['here', 'left'])
    interest.detach()
  })

  it('leaves no timer for a topic that is released after the end', () => {
    const interest = createInterest()
    const release = interest.acquire('x')
    interest.detach()
    release()
    expect(vi.getTimerCount()).toBe(0)
    expect([...interest.wanted()]).toEqual([])
  })

  it('asks a function for the topics of a query', () => {
    const interest = createInterest({ topicsOf: (query) => [`key:${String(query.queryKey[0])}`] })
    const unmount = observe(createObserver('a', undefined))
    expect([...interest.wanted()]).toEqual(['key:a'])
    unmount()
    interest.detach()
  })

  it('holds what hooks ask for, however often they release it', async () => {
    const interest = createInterest()
    const release = interest.acquire('x')
    interest.acquire('x')
    release()
    release()
    await pass(60_000)
    expect([...interest.wanted()]).toEqual(['x'])
    interest.detach()
  })

  it('knows queries that were mounted before it was attached', () => {
    const unmount = observe(createObserver('a', ['x']))
    const interest = createInterest()
    expect([...interest.wanted()]).toEqual(['x'])
    unmount()
    interest.detach()
  })

  it('leaves no timer and no listener after detach, and keeps what hooks hold', () => {
    const interest = createInterest()
    interest.acquire('held')
    observe(createObserver('a', ['x'], { gcTime: Infinity }))()
    interest.detach()
    expect(vi.getTimerCount()).toBe(0)
    expect(client.getQueryCache().hasListeners()).toBe(false)
    expect([...interest.wanted()]).toEqual(['held'])
  })
})
