import type { Query, QueryClient } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../src/bridge.ts'
import { invalidate, patch, remove, setData, update, upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, mergeEvents, on } from '../../src/core/routing/event-table.ts'
import { createFakeTransport } from '../../src/testing/fake-transport.ts'
import { createLiveClient, type LiveClient } from '../support/live-client.ts'
import { createPushSource } from '../support/push-source.ts'

const Row = z.object({ id: z.number(), title: z.string() })

const events = defineEvents({
  'row.saved': on(Row, (row) => [upsert(['rows', 'list'], row), setData(['rows', 'detail', row.id], row)]),
  'row.removed': on(Row.pick({ id: true }), ({ id }) => remove(['rows', 'list'], id)),
  'row.retitled': on(Row, ({ id, title }) => patch(['rows'], id, { title })),
  'rows.imported': on(z.unknown(), () => invalidate(['rows'])),
  broken: on(z.unknown(), () => {
    throw new Error('handler')
  }),
  'updater.broken': on(z.unknown(), () => [
    update(['rows', 'list'], () => {
      throw new Error('updater')
    }),
    invalidate(['other']),
  ]),
})

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

describe('RealtimeQueryBridge', () => {
  let live: LiveClient

  beforeEach(() => {
    vi.useFakeTimers()
    live = createLiveClient(events)
  })
  afterEach(() => {
    live.end()
    vi.useRealTimers()
  })

  it('patches every query that an event concerns, and no other', async () => {
    await pass(0)
    live.queryClient.setQueryData(['rows', 'list', 'a'], [{ id: 1, title: 'old' }])
    live.queryClient.setQueryData(['rows', 'detail', 1], { id: 1, title: 'old' })
    live.queryClient.setQueryData(['other'], [{ id: 1, title: 'old' }])
    live.source.push({ type: 'row.saved', data: { id: 1, title: 'new' } })

    expect(live.data(['rows', 'list', 'a'])).toEqual([{ id: 1, title: 'new' }])
    expect(live.data(['rows', 'detail', 1])).toEqual({ id: 1, title: 'new' })
    expect(live.data(['other'])).toEqual([{ id: 1, title: 'old' }])
  })

  it('invents no entry', async () => {
    await pass(0)
    live.source.push({ type: 'row.saved', data: { id: 1, title: 'new' } })
    expect(live.queryClient.getQueryCache().getAll()).toEqual([])
  })

  it('applies a burst as one write per query', async () => {
    await pass(0)
    live.queryClient.setQueryData(['rows', 'list'], [{ id: 1, title: 'old' }])
    live.source.push({ type: 'row.saved', data: { id: 1, title: 'first' } })
    const writes = vi.fn()
    live.queryClient.getQueryCache().subscribe(writes)
    for (let id = 1; id <= 50; id += 1) live.source.push({ type: 'row.saved', data: { id, title: 'burst' } })
    expect(writes).not.toHaveBeenCalled()
    await pass(16)
    expect(writes).toHaveBeenCalledOnce()
    expect(live.data(['rows', 'list'])).toHaveLength(50)
  })

  it('keeps the order of events within a burst', async () => {
    await pass(0)
    live.queryClient.setQueryData(['rows', 'list'], [])
    live.source.push(
      { type: 'row.saved', data: { id: 1, title: 'a' } },
      { type: 'row.removed', data: { id: 1 } },
      { type: 'row.saved', data: { id: 2, title: 'b' } },
      { type: 'row.retitled', data: { id: 2, title: 'c' } },
    )
    expect(live.data(['rows', 'list'])).toEqual([{ id: 2, title: 'c' }])
  })

  describe('bad input changes nothing, is told, and stops nothing (L8)', () => {
    const good = { type: 'row.saved', data: { id: 1, title: 'new' } }
    it.each([
      ['an unknown type', { type: 'nope', data: 1 }, 'unknown-event'],
      ['a type that every object has', { type: 'constructor', data: 1 }, 'unknown-event'],
      ['data that fails its schema', { type: 'row.saved', data: { id: 'x' } }, 'invalid-data'],
      ['a handler that throws', { type: 'broken', data: 1 }, 'handler-failed'],
      ['an updater that throws', { type: 'updater.broken', data: 1 }, 'effect-failed'],
    ])('%s', async (_, bad, code) => {
      await pass(0)
      live.queryClient.setQueryData(['rows', 'list'], [{ id: 1, title: 'old' }])
      live.source.push(bad)
      expect(live.data(['rows', 'list'])).toEqual([{ id: 1, title: 'old' }])
      live.source.push(bad, good)
      await pass(16)

      expect(live.data(['rows', 'list'])).toEqual([{ id: 1, title: 'new' }])
      expect(live.errors.map((error) => error.code)).toEqual([code, code])
      expect(live.bridge.counts).toEqual({ events: 3, errors: { [code]: 2 } })
    })
  })

  it('goes on with the other effects when one cannot be applied, and refetches the query concerned', async () => {
    await pass(0)
    const fetches = vi.fn(() => [{ id: 1, title: 'fetched' }])
    live.observe({ queryKey: ['rows', 'list'], queryFn: fetches })
    await pass(1_000)
    live.queryClient.setQueryData(['other'], 'other')
    live.source.push({ type: 'updater.broken', data: 1 })
    await pass(1_000)

    expect(live.queryClient.getQueryState(['other'])?.isInvalidated).toBe(true)
    expect(fetches).toHaveBeenCalledTimes(2)
    expect(live.errors[0]?.message).toContain('the event "updater.broken"')
  })

  it('calls handlers after the cache holds the event, and the others when one throws', async () => {
    await pass(0)
    live.queryClient.setQueryData(['rows', 'list'], [])
    const heard: unknown[] = []
    live.bridge.on('row.saved', () => {
      throw new Error('listener')
    })
    const off = live.bridge.on('row.saved', (row) => heard.push(row, live.data(['rows', 'list'])))
    live.source.push({ type: 'row.saved', data: { id: 1, title: 'a' } })
    off()
    live.source.push({ type: 'row.saved', data: { id: 2, title: 'b' } })
    await pass(16)

    expect(heard).toEqual([{ id: 1, title: 'a' }, [{ id: 1, title: 'a' }]])
    expect(live.errors.map((error) => error.code)).toEqual(['listener-failed', 'listener-failed'])
  })

  it('explains an event without applying it', async () => {
    await pass(0)
    live.observe({ queryKey: ['rows', 'list'], queryFn: () => [{ id: 1, title: 'old' }] })
    live.queryClient.setQueryData(['rows', 'detail', 1], { id: 1, title: 'new' })
    live.queryClient.setQueryData(['rows', 'list', 'off screen'], [])
    await pass(1_000)

    expect(live.bridge.explain({ type: 'row.saved', data: { id: 1, title: 'new' } })).toMatchObject({
      ok: true,
      effects: [
        {
          description: 'upsert 1 in ["rows","list"]',
          queries: [
            { queryKey: ['rows', 'list'], action: 'patch' },
            { queryKey: ['rows', 'list', 'off screen'], action: 'patch' },
          ],
        },
        { queries: [{ queryKey: ['rows', 'detail', 1], action: 'unchanged' }] },
      ],
    })
    expect(live.bridge.explain({ type: 'rows.imported', data: 0 }).effects[0]?.queries).toMatchObject([
      { queryKey: ['rows', 'list'], action: 'refetch' },
      { queryKey: ['rows', 'detail', 1], action: 'mark-stale' },
      { queryKey: ['rows', 'list', 'off screen'], action: 'mark-stale' },
    ])
    expect(live.bridge.explain({ type: 'nope', data: 0 })).toMatchObject({
      ok: false,
      error: { code: 'unknown-event' },
    })
    expect(live.data(['rows', 'list'])).toEqual([{ id: 1, title: 'old' }])
  })

  it('several bridges share a client, each with its source and its table', async () => {
    const other = createPushSource()
    const tables = mergeEvents(
      defineEvents({ 'note.saved': on(Row, (note) => upsert(['notes'], note)) }),
      defineEvents({ 'tag.saved': on(Row, (tag) => upsert(['tags'], tag)) }),
    )
    const second = new RealtimeQueryBridge({
      queryClient: live.queryClient,
      events: tables,
      transport: other.transport,
    })
    second.start()
    await pass(0)
    for (const key of [['rows', 'list'], ['notes'], ['tags']]) live.queryClient.setQueryData(key, [])
    live.source.push({ type: 'row.saved', data: { id: 1, title: 'row' } })
    other.push(
      { type: 'note.saved', data: { id: 2, title: 'note' } },
      { type: 'tag.saved', data: { id: 3, title: 'tag' } },
    )

    expect([live.data(['rows', 'list']), live.data(['notes']), live.data(['tags'])]).toEqual([
      [{ id: 1, title: 'row' }],
      [{ id: 2, title: 'note' }],
      [{ id: 3, title: 'tag' }],
    ])
    second.stop()
  })

  it('two bridges that patch one query during its fetch lose neither event', async () => {
    const other = createPushSource()
    const second = new RealtimeQueryBridge({
      queryClient: live.queryClient,
      events,
      transport: other.transport,
    })
    second.start()
    live.observe({
      queryKey: ['rows', 'list'],
      staleTime: Infinity,
      queryFn: () =>
        new Promise((resolve) =>
          setTimeout(
            () =>
              resolve([
                { id: 1, title: 'a' },
                { id: 2, title: 'b' },
              ]),
            50,
          ),
        ),
    })
    await pass(10_000)
    void live.queryClient.refetchQueries()
    await pass(10)
    live.source.push({ type: 'row.saved', data: { id: 1, title: 'first bridge' } })
    other.push({ type: 'row.saved', data: { id: 2, title: 'second bridge' } })
    await pass(1_000)

    expect(live.data(['rows', 'list'])).toEqual([
      { id: 1, title: 'first bridge' },
      { id: 2, title: 'second bridge' },
    ])
    second.stop()
  })

  it('stop applies what it has received, then leaves nothing; start works again (L9)', async () => {
    await pass(0)
    live.queryClient.setQueryData(['rows', 'list'], [])
    live.source.push({ type: 'row.saved', data: { id: 1, title: 'a' } })
    live.source.push({ type: 'row.saved', data: { id: 2, title: 'b' } })
    live.bridge.stop()
    expect(live.data(['rows', 'list'])).toHaveLength(2)
    live.queryClient.unmount()
    expect(live.queryClient.getQueryCache().hasListeners()).toBe(false)
    expect(live.queryClient.getMutationCache().hasListeners()).toBe(false)

    live.bridge.start()
    live.bridge.start()
    await pass(0)
    live.source.push({ type: 'row.saved', data: { id: 3, title: 'c' } })
    expect(live.data(['rows', 'list'])).toHaveLength(3)
  })

  it('leaves a query alone that another listener removes as soon as it is added', async () => {
    const cache = live.queryClient.getQueryCache()
    live.bridge.stop()
    let removed: Query | undefined
    const detach = cache.subscribe((event) => {
      if (event.type !== 'added') return
      removed = event.query
      cache.remove(event.query)
    })
    live.bridge.start()
    live.queryClient.setQueryData(['rows', 'list'], [])
    detach()
    await pass(0)
    live.source.push({ type: 'row.saved', data: { id: 1, title: 'a' } })
    expect(removed?.state.data).toEqual([])
  })

  it('tries again when it is started after the server has closed it for good', async () => {
    const transport = createFakeTransport()
    const bridge = new RealtimeQueryBridge({
      queryClient: live.queryClient,
      events,
      transport,
      onError: () => undefined,
    })
    bridge.start()
    transport.connection.open()
    transport.connection.end({ code: 4401 })
    expect(bridge.status).toMatchObject({ status: 'closed', reason: 'unauthorized' })
    await pass(600_000)
    expect(transport.connections).toHaveLength(1)
    bridge.start()
    bridge.start()
    expect(transport.connections).toHaveLength(2)
    bridge.stop()
  })

  it.each([
    [
      'a QueryClient of another copy of query-core',
      { queryClient: { getQueryCache() {} } as unknown as QueryClient },
      /npm ls @tanstack\/query-core/,
    ],
    ['a type that is not in the table', undefined, /No event "nope" in the table/],
  ])('refuses %s, and tells the remedy', (_, wrong, message) => {
    const act = () => {
      if (wrong) new RealtimeQueryBridge({ ...wrong, events, transport: live.source.transport })
      else live.bridge.on('nope', () => undefined)
    }
    expect(act).toThrow(message)
  })
})
