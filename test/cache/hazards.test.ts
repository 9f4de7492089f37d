/**
 * The ways in which a hand-written `socket.on(…) → setQueryData` or `invalidateQueries` goes wrong, measured on
 * query-core. Each is run with the event at every moment of the fetch, and with the server read at every moment
 * of the request.
 */
import { MutationObserver } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { defineEvents } from '../../src/core/routing/event-table.ts'
import { on } from '../../src/core/routing/event-table.ts'
import { invalidate, patch, setData, upsert } from '../../src/core/routing/effects.ts'
import { createLiveClient, type LiveClient } from '../support/live-client.ts'

interface Row {
  readonly id: number
  readonly title: string
  readonly rev: number
}

const Row = z.object({ id: z.number(), title: z.string(), rev: z.number() })

const events = defineEvents({
  'rows.changed': on(z.unknown(), () => invalidate(['rows'])),
  'row.saved': on(Row, (row) => upsert(['rows'], row)),
  'row.retitled': on(Row.pick({ id: true, title: true }), ({ id, title }) => patch(['rows'], id, { title })),
  'rows.replaced': on(z.array(Row), (rows) => setData(['rows'], rows, { replace: true })),
})

const LATENCY_MS = 60
/** Moments of a fetch, from just before it starts to just after its response. */
const MOMENTS = [-10, 0, 15, 30, 45, 59, 60, 70]
/** When, after the request leaves, the server reads its state. */
const READS = [0, 30, 60]

/** A REST endpoint over one list, with a latency and a moment at which it reads. */
function createServer(readAfterMs: number) {
  let rows: readonly Row[] = [
    { id: 1, title: 'a', rev: 1 },
    { id: 2, title: 'b', rev: 1 },
  ]
  const server = {
    fetches: 0,
    get rows() {
      return rows
    },
    save(row: Row) {
      rows = rows.map((old) => (old.id === row.id ? row : old))
      return row
    },
    queryFn: async () => {
      server.fetches += 1
      await wait(readAfterMs)
      const response = structuredClone(rows)
      await wait(LATENCY_MS - readAfterMs)
      return response
    },
  }
  return server
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
const rowsQuery = { queryKey: ['rows'], staleTime: Infinity, retry: false } as const

describe('hazards of hand-written realtime', () => {
  let live: LiveClient

  beforeEach(() => {
    vi.useFakeTimers()
    live = createLiveClient(events)
  })

  afterEach(() => {
    live.end()
    vi.useRealTimers()
  })

  for (const read of READS) {
    for (const moment of MOMENTS) {
      const at = `event at ${moment} ms of a ${LATENCY_MS} ms fetch, server read at ${read} ms`

      it(`A: a push is not lost to a refetch in flight (${at})`, async () => {
        const server = createServer(read)
        live.observe({ ...rowsQuery, queryFn: server.queryFn })
        await pass(1_000)
        const seen: unknown[] = []
        live.queryClient.getQueryCache().subscribe(() => seen.push(live.data(['rows'])))

        setTimeout(() => void live.queryClient.refetchQueries({ queryKey: ['rows'] }), 10)
        setTimeout(
          () =>
            live.source.push({ type: 'row.saved', data: server.save({ id: 1, title: 'pushed', rev: 2 }) }),
          10 + moment,
        )
        await pass(10_000)

        expect(live.data(['rows'])).toEqual(server.rows)
      })

      it(`B: an invalidation during the first fetch is not lost (${at})`, async () => {
        const server = createServer(read)
        setTimeout(() => live.observe({ ...rowsQuery, queryFn: server.queryFn }), 10)
        setTimeout(() => {
          server.save({ id: 1, title: 'changed', rev: 2 })
          live.source.push({ type: 'rows.changed', data: null })
        }, 10 + moment)
        await pass(10_000)

        expect(live.data(['rows'])).toEqual(server.rows)
        expect(live.queryClient.getQueryState(['rows'])?.isInvalidated).toBe(false)
      })

      it(`C: an invalidation during a refetch is not lost (${at})`, async () => {
        const server = createServer(read)
        live.observe({ ...rowsQuery, queryFn: server.queryFn })
        await pass(1_000)
        setTimeout(
          () => void live.queryClient.refetchQueries({ queryKey: ['rows'] }, { cancelRefetch: false }),
          10,
        )
        setTimeout(() => {
          server.save({ id: 1, title: 'changed', rev: 2 })
          live.source.push({ type: 'rows.changed', data: null })
        }, 10 + moment)
        await pass(10_000)

        expect(live.data(['rows'])).toEqual(server.rows)
        expect(live.queryClient.getQueryState(['rows'])?.isInvalidated).toBe(false)
      })

      it(`H: a push survives cancelQueries (${at})`, async () => {
        const server = createServer(read)
        live.observe({ ...rowsQuery, queryFn: server.queryFn })
        await pass(1_000)
        setTimeout(() => void live.queryClient.refetchQueries({ queryKey: ['rows'] }), 10)
        setTimeout(
          () =>
            live.source.push({ type: 'row.saved', data: server.save({ id: 1, title: 'pushed', rev: 2 }) }),
          10 + moment,
        )
        setTimeout(() => void live.queryClient.cancelQueries({ queryKey: ['rows'] }), 10 + moment + 5)
        await pass(10_000)

        expect(live.data(['rows'])).toEqual(server.rows)
      })
    }
  }

  for (const gapMs of [0, 1, 20]) {
    it(`D: 10 invalidations ${gapMs} ms apart start few fetches and abort none`, async () => {
      const server = createServer(0)
      const aborts = vi.fn()
      live.observe({
        ...rowsQuery,
        queryFn: ({ signal }) => {
          signal.addEventListener('abort', aborts)
          return server.queryFn()
        },
      })
      await pass(1_000)
      server.fetches = 0
      for (let count = 0; count < 10; count += 1) {
        live.source.push({ type: 'rows.changed', data: null })
        await pass(gapMs)
      }
      await pass(10_000)

      // One at once, one at the end for what came since.
      expect(server.fetches).toBeLessThanOrEqual(2)
      expect(aborts).not.toHaveBeenCalled()
      expect(live.data(['rows'])).toEqual(server.rows)
    })
  }

  it('E: events faster than the response do not starve the screen', async () => {
    const server = createServer(0)
    live.observe({ ...rowsQuery, queryFn: server.queryFn })
    await pass(1_000)
    server.fetches = 0
    const revisions = new Set<number | undefined>()
    for (let rev = 2; rev < 42; rev += 1) {
      server.save({ id: 1, title: 'busy', rev })
      live.source.push({ type: 'rows.changed', data: null })
      await pass(25)
      revisions.add((live.data(['rows']) as Row[])[0]?.rev)
    }

    expect(revisions.size).toBeGreaterThan(3) // updates arrive during the burst, not after it
    expect(server.fetches).toBeLessThanOrEqual(10)
    await pass(10_000)
    expect(live.data(['rows'])).toEqual(server.rows)
  })

  it('E: a thousand events in a second cost at most ten fetches', async () => {
    const server = createServer(0)
    live.observe({ ...rowsQuery, queryFn: server.queryFn })
    await pass(1_000)
    server.fetches = 0
    for (let rev = 2; rev < 1_002; rev += 1) {
      server.save({ id: 1, title: 'busy', rev })
      live.source.push({ type: 'rows.changed', data: null })
      await pass(1)
    }
    await pass(10_000)

    expect(server.fetches).toBeLessThanOrEqual(10)
    expect(live.data(['rows'])).toEqual(server.rows)
  })

  it('F: a patch leaves an invalidated query invalidated, and its age as it was', async () => {
    const server = createServer(0)
    await live.queryClient.fetchQuery({ queryKey: ['rows'], queryFn: () => server.rows })
    await pass(1_000)
    await live.queryClient.invalidateQueries({ queryKey: ['rows'] })
    const before = live.queryClient.getQueryState(['rows'])
    live.source.push({ type: 'row.retitled', data: { id: 1, title: 'patched' } })

    const after = live.queryClient.getQueryState(['rows'])
    expect((after?.data as Row[])[0]?.title).toBe('patched')
    expect(after).toMatchObject({ isInvalidated: true, dataUpdatedAt: before?.dataUpdatedAt })
  })

  for (const moment of [0, 30, 59]) {
    it(`F: also with a refetch in flight (event at ${moment} ms)`, async () => {
      const server = createServer(0)
      live.observe({ ...rowsQuery, queryFn: server.queryFn })
      await pass(1_000)
      live.queryClient
        .getQueryCache()
        .find({ queryKey: ['rows'] })
        ?.invalidate()
      const before = live.queryClient.getQueryState(['rows'])
      void live.queryClient.refetchQueries({ queryKey: ['rows'] })
      await pass(moment)
      live.source.push({ type: 'row.retitled', data: { id: 1, title: 'patched' } })

      expect(live.queryClient.getQueryState(['rows'])).toMatchObject({
        isInvalidated: true,
        dataUpdatedAt: before?.dataUpdatedAt,
        fetchStatus: 'fetching',
      })
    })
  }

  it('F: a declared full replacement makes a query fresh', async () => {
    const server = createServer(0)
    await live.queryClient.fetchQuery({ queryKey: ['rows'], queryFn: () => server.rows })
    await pass(1_000)
    await live.queryClient.invalidateQueries({ queryKey: ['rows'] })
    live.source.push({ type: 'rows.replaced', data: [{ id: 3, title: 'c', rev: 1 }] })

    expect(live.queryClient.getQueryState(['rows'])).toMatchObject({
      isInvalidated: false,
      dataUpdatedAt: Date.now(),
    })
    expect(live.data(['rows'])).toEqual([{ id: 3, title: 'c', rev: 1 }])
  })

  for (const isFetching of [false, true]) {
    it(`G: a patch leaves a failed query failed (${isFetching ? 'retrying' : 'idle'})`, async () => {
      const server = createServer(0)
      let isBroken = false
      const queryFn = async () => {
        const rows = await server.queryFn()
        if (isBroken) throw new Error('503')
        return rows
      }
      live.observe({ ...rowsQuery, queryFn })
      await pass(1_000)
      isBroken = true
      await Promise.all([live.queryClient.refetchQueries({ queryKey: ['rows'] }), pass(100)])
      if (isFetching) void live.queryClient.refetchQueries({ queryKey: ['rows'] })
      await pass(10)
      live.source.push({ type: 'row.retitled', data: { id: 1, title: 'patched' } })

      const state = live.queryClient.getQueryState(['rows'])
      expect((state?.data as Row[])[0]?.title).toBe('patched')
      expect(state).toMatchObject({ status: 'error', error: new Error('503') })
    })
  }

  for (const moment of [0, 20, 40, 59]) {
    it(`I: a snapshot put back by onError does not undo a push for good (event at ${moment} ms of the mutation)`, async () => {
      const server = createServer(0)
      live.observe({ ...rowsQuery, queryFn: server.queryFn })
      await pass(10_000)
      const mutation = new MutationObserver<void, Error, Row, { snapshot: unknown }>(live.queryClient, {
        mutationFn: async () => {
          await wait(LATENCY_MS)
          throw new Error('409')
        },
        onMutate: (row) => {
          const snapshot = live.data(['rows'])
          live.queryClient.setQueryData<Row[]>(['rows'], (rows) =>
            rows?.map((old) => (old.id === row.id ? row : old)),
          )
          return { snapshot }
        },
        onError: (_error, _row, context) => live.queryClient.setQueryData(['rows'], context?.snapshot),
      })
      mutation.mutate({ id: 1, title: 'guess', rev: 2 }).catch(() => undefined)
      await pass(moment)
      live.source.push({ type: 'row.saved', data: server.save({ id: 2, title: 'pushed', rev: 2 }) })
      await pass(10_000)

      expect(live.data(['rows'])).toEqual(server.rows)
    })
  }
})
