/**
 * Events against responses of a REST API, over real fetch: the network (MSW) answers when the test says so, so each
 * race happens in one order, every time.
 */
import {
  InfiniteQueryObserver,
  notifyManager,
  QueryObserver,
  type InfiniteData,
  type QueryClient,
} from '@tanstack/query-core'
import { http, HttpResponse } from 'msw'
import { setupServer } from 'msw/node'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { invalidate, remove, upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { createLiveClient, type LiveClient } from '../support/live-client.ts'

const Row = z.object({ id: z.number(), title: z.string() })
type Row = z.infer<typeof Row>

const byId = (a: Row, b: Row) => a.id - b.id
const events = defineEvents({
  'row.saved': on(Row, (row) => upsert(['rows'], row, { sort: byId })),
  'row.removed': on(Row.pick({ id: true }), ({ id }) => remove(['rows'], id)),
  'rows.imported': on(z.unknown(), () => invalidate(['rows'])),
})

/** A request that has been read by the server and waits for the test to let its answer go. */
interface HeldRequest {
  readonly url: URL
  readonly signal: AbortSignal
  answer(status?: number): void
}

const PAGE = 2
const ORIGIN = 'http://rest.test'

describe('events against responses', () => {
  let rows: Row[]
  let held: HeldRequest[]
  let onHeld: () => void
  let live: LiveClient

  const network = setupServer(
    http.get(`${ORIGIN}/rows`, ({ request }) => {
      const url = new URL(request.url)
      const after = Number(url.searchParams.get('after') ?? -1)
      const isPaged = url.searchParams.has('after')
      const read = structuredClone(isPaged ? rows.filter((row) => row.id > after).slice(0, PAGE) : rows)
      return new Promise<Response>((resolve) => {
        held.push({
          url,
          signal: request.signal,
          answer: (status = 200) => resolve(HttpResponse.json(read, { status })),
        })
        onHeld()
      })
    }),
  )

  beforeAll(() => {
    network.listen({ onUnhandledRequest: 'error' })
  })
  afterAll(() => {
    network.close()
  })
  beforeEach(async () => {
    rows = [1, 2, 3, 4, 5].map((id) => ({ id, title: `row ${id}` }))
    held = []
    onHeld = () => undefined
    live = createLiveClient(events, { limits: { refetchIntervalMs: 0 } })
    await vi.waitFor(() => {
      expect(live.bridge.status.status).toBe('live')
    })
  })
  afterEach(() => {
    live.end()
    for (const request of held) request.answer()
    network.resetHandlers()
  })

  /** The next request that the server has read. */
  async function nextRequest(): Promise<HeldRequest> {
    if (held.length === 0) await new Promise<void>((resolve) => (onHeld = resolve))
    const request = held.shift()
    if (request === undefined) throw new Error('no request')
    return request
  }

  async function fetchRows({ signal }: { signal?: AbortSignal } = {}, search = ''): Promise<Row[]> {
    const response = await fetch(`${ORIGIN}/rows${search}`, signal ? { signal } : {})
    if (!response.ok) throw new Error(String(response.status))
    return (await response.json()) as Row[]
  }

  function observeRows(client: QueryClient = live.queryClient) {
    const observer = new QueryObserver<Row[]>(client, {
      queryKey: ['rows'],
      queryFn: () => fetchRows(),
      retry: false,
    })
    /** Every list that a component would have rendered. */
    const seen: Row[][] = []
    // As react-query does: it reads the current result once per batch.
    const render = notifyManager.batchCalls(() => {
      const { data } = observer.getCurrentResult()
      if (data !== undefined && seen.at(-1) !== data) seen.push(data)
    })
    const unmount = observer.subscribe(() => {
      render()
    })
    return { observer, seen, unmount }
  }

  const saved = (id: number, title: string) => {
    rows = rows.map((row) => (row.id === id ? { id, title } : row))
    live.source.push({ type: 'row.saved', data: { id, title } })
  }
  const settled = (title: string) =>
    vi.waitFor(() => {
      expect(live.data(['rows'])).toEqual(rows)
      expect(rows.some((row) => row.title === title)).toBe(true)
      expect(live.queryClient.isFetching()).toBe(0)
    })

  it('an event between the read and the answer of the first fetch is shown with the answer', async () => {
    const { seen, unmount } = observeRows()
    const request = await nextRequest()
    saved(2, 'during the first fetch')
    request.answer()
    await settled('during the first fetch')
    expect(seen.map((list) => list[1]?.title)).toEqual(['during the first fetch'])
    unmount()
  })

  it('an event between the read and the answer of a refetch is never taken back', async () => {
    const { seen, unmount } = observeRows()
    ;(await nextRequest()).answer()
    await settled('row 2')
    void live.queryClient.refetchQueries()
    const request = await nextRequest()
    saved(2, 'during the refetch')
    request.answer()
    await settled('during the refetch')
    expect(seen.map((list) => list[1]?.title)).toEqual(['row 2', 'during the refetch'])
    unmount()
  })

  it('a row removed during a refetch does not come back with the answer', async () => {
    const { seen, unmount } = observeRows()
    ;(await nextRequest()).answer()
    await settled('row 2')
    void live.queryClient.refetchQueries()
    const request = await nextRequest()
    rows = rows.filter((row) => row.id !== 2)
    live.source.push({ type: 'row.removed', data: { id: 2 } })
    request.answer()
    await settled('row 3')
    expect(seen.map((list) => list.length)).toEqual([5, 4])
    unmount()
  })

  it.each(['the first fetch', 'a refetch'])(
    'an invalidation during %s costs exactly one more fetch',
    async (which) => {
      const { unmount } = observeRows()
      if (which === 'a refetch') {
        ;(await nextRequest()).answer()
        await settled('row 2')
        void live.queryClient.refetchQueries()
      }
      const request = await nextRequest()
      rows = rows.map((row) => ({ ...row, title: 'imported' }))
      for (let count = 0; count < 5; count += 1) live.source.push({ type: 'rows.imported', data: null })
      request.answer()
      ;(await nextRequest()).answer()
      await settled('imported')
      expect(held).toEqual([])
      unmount()
    },
  )

  it('an event survives a refetch that fails', async () => {
    const { unmount } = observeRows()
    ;(await nextRequest()).answer()
    await settled('row 2')
    void live.queryClient.refetchQueries()
    const request = await nextRequest()
    saved(2, 'despite the 503')
    request.answer(503)
    await settled('despite the 503')
    expect(live.queryClient.getQueryState(['rows'])?.status).toBe('error')
    unmount()
  })

  it('an invalidation during a fetch that fails is made good by a later one', async () => {
    const { unmount } = observeRows()
    ;(await nextRequest()).answer()
    await settled('row 2')
    void live.queryClient.refetchQueries()
    const request = await nextRequest()
    rows = rows.map((row) => ({ ...row, title: 'imported' }))
    live.source.push({ type: 'rows.imported', data: null })
    request.answer(503)
    ;(await nextRequest()).answer()
    await settled('imported')
    unmount()
  })

  it('an event survives a refetch that is cancelled by the unmount of its last observer', async () => {
    const { observer, unmount } = observeRows()
    observer.setOptions({ queryKey: ['rows'], queryFn: (context) => fetchRows(context), retry: false })
    ;(await nextRequest()).answer()
    await settled('row 2')
    void live.queryClient.refetchQueries()
    const request = await nextRequest()
    saved(2, 'before the unmount')
    unmount()
    await vi.waitFor(() => {
      expect(request.signal.aborted).toBe(true)
    })
    await settled('before the unmount')
  })

  it('an event survives the answer of the refetch that replaced another', async () => {
    const { unmount } = observeRows()
    ;(await nextRequest()).answer()
    await settled('row 2')
    void live.queryClient.refetchQueries()
    const first = await nextRequest()
    void live.queryClient.refetchQueries() // cancels the first
    const second = await nextRequest()
    saved(2, 'during the second')
    second.answer()
    first.answer()
    await settled('during the second')
    unmount()
  })

  describe('infinite queries', () => {
    function observePages() {
      const observer = new InfiniteQueryObserver(live.queryClient, {
        queryKey: ['rows'],
        initialPageParam: 0,
        queryFn: ({ pageParam }) => fetchRows({}, `?after=${pageParam}`),
        getNextPageParam: (page: Row[]) => (page.length === PAGE ? page.at(-1)?.id : undefined),
        retry: false,
      })
      const unmount = observer.subscribe(() => undefined)
      return { observer, unmount }
    }
    const titles = () =>
      (live.data(['rows']) as InfiniteData<Row[]>).pages.map((page) => page.map((row) => row.title))

    it('an event while the next page loads is kept in the pages that were there, and in the new one', async () => {
      const { observer, unmount } = observePages()
      ;(await nextRequest()).answer()
      await vi.waitFor(() => {
        expect(titles()).toEqual([['row 1', 'row 2']])
      })
      void observer.fetchNextPage()
      const request = await nextRequest()
      saved(1, 'old page')
      saved(3, 'new page')
      request.answer()
      await vi.waitFor(() => {
        expect(titles()).toEqual([
          ['old page', 'row 2'],
          ['new page', 'row 4'],
        ])
      })
      unmount()
    })

    it('an invalidation while the next page loads is not satisfied by that page', async () => {
      const { observer, unmount } = observePages()
      ;(await nextRequest()).answer()
      await vi.waitFor(() => {
        expect(titles()).toEqual([['row 1', 'row 2']])
      })
      void observer.fetchNextPage()
      const request = await nextRequest()
      rows = rows.map((row) => ({ ...row, title: `imported ${row.id}` }))
      live.source.push({ type: 'rows.imported', data: null })
      request.answer()
      ;(await nextRequest()).answer() // page 1 again
      ;(await nextRequest()).answer() // page 2 again
      await vi.waitFor(() => {
        expect(titles()).toEqual([
          ['imported 1', 'imported 2'],
          ['imported 3', 'imported 4'],
        ])
      })
      unmount()
    })
  })
})
