import { InfiniteQueryObserver, QueryClient } from '@tanstack/query-core'
import { describe, expect, it, vi } from 'vitest'
import { foldEffects } from '../../src/core/overlay/fold-effects.ts'
import type { ListLens } from '../../src/core/routing/effect.ts'
import { patch, remove, upsert, type UpsertOptions } from '../../src/core/routing/effects.ts'
import { fold, pagesBeyond } from '../support/fold.ts'

interface Row {
  id: string
  rank: number
  done?: boolean
}

interface Page {
  items: readonly Row[]
  total: number
}

const row = (id: string, rank: number, more: Partial<Row> = {}): Row => ({ id, rank, ...more })
const byRank = (a: Row, b: Row) => a.rank - b.rank
const put = (item: Row, options?: UpsertOptions<Row>) => upsert(['tasks'], item, options)

/** ab | cd | e, of rank 10 to 50. */
const feed = () => ({
  pages: [[row('a', 10), row('b', 20)], [row('c', 30), row('d', 40)], [row('e', 50)]],
  pageParams: [0, 1, 2],
})
const shown = (data: unknown) =>
  (data as { pages: Row[][] }).pages.map((page) => page.map(({ id }) => id).join('')).join('|')

const WHOLE = pagesBeyond()
const NEXT = pagesBeyond({ next: true })
const MIDDLE = pagesBeyond({ next: true, previous: true })

describe('an infinite list', () => {
  it('keeps pages that do not change, their number, and the page params', () => {
    const data = feed()
    const result = fold(put(row('c', 31)), data, NEXT).data as ReturnType<typeof feed>
    expect(result.pages).toEqual([data.pages[0], [row('c', 31), row('d', 40)], data.pages[2]])
    expect(result.pages[0]).toBe(data.pages[0])
    expect(result.pages[2]).toBe(data.pages[2])
    expect(result.pageParams).toBe(data.pageParams)
  })

  it('gives the same data when nothing changes', () => {
    const data = feed()
    for (const effect of [put(row('c', 30)), patch(['tasks'], 'z', { rank: 1 }), remove(['tasks'], 'z')]) {
      expect(fold(effect, data, NEXT)).toEqual({ data, refetch: false, problems: [] })
      expect(fold(effect, data, NEXT).data).toBe(data)
    }
  })

  it('keeps what else stands beside the pages', () => {
    expect(fold(remove(['tasks'], 'a'), { ...feed(), note: 1 }).data).toMatchObject({
      note: 1,
      pageParams: [0, 1, 2],
    })
  })

  it.each([
    [5, 'xab|cd|e'],
    [15, 'axb|cd|e'],
    [20, 'abx|cd|e'],
    [25, 'abx|cd|e'],
    [35, 'ab|cxd|e'],
    [49, 'ab|cdx|e'],
    [51, 'ab|cd|ex'],
  ])('takes a new row of rank %i to the page where it sorts', (rank, expected) => {
    const result = fold(put(row('x', rank), { sort: byRank }), feed(), WHOLE)
    expect([shown(result.data), result.refetch]).toEqual([expected, false])
  })

  it.each([
    ['a', 45, 'b|cda|e'],
    ['e', 5, 'eab|cd|'],
    ['c', 25, 'ab|cd|e'],
    ['b', 60, 'a|cd|eb'],
    ['e', 60, 'ab|cd|e'],
  ])('moves %s of rank %i between pages', (id, rank, expected) => {
    const result = fold(put(row(id, rank), { sort: byRank }), feed(), WHOLE)
    expect([shown(result.data), result.refetch]).toEqual([expected, false])
  })

  it('holds an item against every copy of its row: pages may overlap', () => {
    const version = ({ rank }: Row) => rank
    const data = { pages: [[row('a', 1), row('b', 2)], [row('b', 4)]], pageParams: [0, 1] }
    expect(fold(put(row('b', 3), { version }), data, NEXT).data).toBe(data)
    const newest = fold(put(row('b', 5), { version }), data, NEXT).data as typeof data
    expect(newest.pages).toEqual([[row('a', 1), row('b', 5)], []])
  })

  it('leaves out what lies beyond the loaded pages', () => {
    const data = feed()
    expect(fold(put(row('x', 51), { sort: byRank }), data, NEXT)).toEqual({
      data,
      refetch: false,
      problems: [],
    })
    expect(fold(put(row('x', 5), { sort: byRank }), data, MIDDLE)).toEqual({
      data,
      refetch: false,
      problems: [],
    })
    expect(shown(fold(put(row('x', 5), { sort: byRank }), data, NEXT).data)).toBe('xab|cd|e')
  })

  it('takes out a row that moves beyond the loaded pages', () => {
    for (const [item, options, expected] of [
      [row('a', 51), NEXT, 'b|cd|e'],
      [row('c', 5), MIDDLE, 'ab|d|e'],
    ] as const) {
      const result = fold(put(item, { sort: byRank }), feed(), options)
      expect([shown(result.data), result.refetch]).toEqual([expected, false])
    }
  })

  it('refetches when the row at an open edge goes: the next page begins where it stood', () => {
    for (const [effect, options, expected] of [
      [put(row('e', 51), { sort: byRank }), NEXT, 'ab|cd|'],
      [put(row('e', 45), { sort: byRank }), NEXT, 'ab|cd|e'],
      [put(row('e', 5), { sort: byRank }), NEXT, 'eab|cd|'],
      [put(row('e', 50), { where: () => false }), NEXT, 'ab|cd|'],
      [remove(['tasks'], 'e'), NEXT, 'ab|cd|'],
      [put(row('a', 9), { sort: byRank }), MIDDLE, 'b|cd|e'],
      [put(row('a', 15), { sort: byRank }), MIDDLE, 'ab|cd|e'],
      [remove(['tasks'], 'a'), MIDDLE, 'b|cd|e'],
    ] as const) {
      const result = fold(effect, feed(), options)
      expect([shown(result.data), result.refetch]).toEqual([expected, true])
    }
    for (const id of ['a', 'd', 'e']) expect(fold(remove(['tasks'], id), feed(), WHOLE).refetch).toBe(false)
    for (const id of ['a', 'd']) expect(fold(remove(['tasks'], id), feed(), NEXT).refetch).toBe(false)
  })

  it('keeps the rows at its edges that stay where they are', () => {
    for (const [item, expected] of [
      [row('e', 50, { done: true }), 'ab|cd|e'],
      [row('a', 10, { done: true }), 'ab|cd|e'],
    ] as const) {
      const result = fold(put(item, { sort: byRank }), feed(), MIDDLE)
      expect([shown(result.data), result.refetch]).toEqual([expected, false])
      expect((result.data as ReturnType<typeof feed>).pages.flat()).toContainEqual(item)
    }
  })

  it('cannot know on which side of its edges an equal row is', () => {
    const data = feed()
    for (const rank of [10, 50]) {
      expect(fold(put(row('x', rank), { sort: byRank }), data, MIDDLE)).toEqual({
        data,
        refetch: true,
        problems: [],
      })
    }
    expect(fold(put(row('c', 50), { sort: byRank }), data, NEXT).refetch).toBe(true)
  })

  it('without an order takes a new row at the end that is loaded', () => {
    const data = feed()
    expect(shown(fold(put(row('x', 0)), data, WHOLE).data)).toBe('ab|cd|ex')
    expect(fold(put(row('x', 0)), data, NEXT)).toEqual({ data, refetch: false, problems: [] })
    expect(shown(fold(put(row('x', 0), { at: 'start' }), data, NEXT).data)).toBe('xab|cd|e')
    expect(fold(put(row('x', 0), { at: 'start' }), data, MIDDLE)).toEqual({
      data,
      refetch: false,
      problems: [],
    })
  })

  it('guesses nothing when it is not known whether there are more pages', () => {
    const data = feed()
    for (const options of [{}, { sort: byRank }, { at: 'start' as const }]) {
      expect(fold(put(row('x', 99), options), data)).toEqual({ data, refetch: true, problems: [] })
    }
    expect(shown(fold(put(row('c', 45), { sort: byRank }), data).data)).toBe('ab|dc|e')
    expect(shown(fold(put(row('x', 45), { sort: byRank }), data).data)).toBe('ab|cdx|e')
  })

  it('has no previous page when its options name none, as TanStack says', () => {
    const options = { getNextPageParam: () => 1 }
    expect(shown(fold(put(row('x', 0), { at: 'start' }), feed(), options).data)).toBe('xab|cd|e')
  })

  it('asks for page params with the pages as TanStack does', () => {
    const data = feed()
    const getNextPageParam = (...args: unknown[]) => {
      expect(args).toEqual([data.pages[2], data.pages, 2, data.pageParams])
      return null
    }
    const getPreviousPageParam = (...args: unknown[]) => {
      expect(args).toEqual([data.pages[0], data.pages, 0, data.pageParams])
      return undefined
    }
    const options = { getNextPageParam, getPreviousPageParam }
    expect(fold(put(row('x', 60), { sort: byRank }), data, options)).toMatchObject({
      refetch: false,
      problems: [],
    })
  })

  it('learns of more pages from the options of a real query', async () => {
    const client = new QueryClient()
    const { pages } = feed()
    const observer = new InfiniteQueryObserver(client, {
      queryKey: ['tasks'],
      queryFn: ({ pageParam }) => Promise.resolve(pages[pageParam] ?? []),
      initialPageParam: 0,
      getNextPageParam: (_, all) => (all.length < 2 ? all.length : undefined),
    })
    const query = observer.getCurrentQuery()
    const unsubscribe = observer.subscribe(() => undefined)
    await vi.waitFor(() => {
      expect(observer.getCurrentResult().isSuccess).toBe(true)
    })
    const add = put(row('x', 99), { sort: byRank })
    expect(shown(foldEffects([add], query.state.data, query).data)).toBe('ab')
    await observer.fetchNextPage()
    expect(shown(foldEffects([add], query.state.data, query).data)).toBe('ab|cdx')
    unsubscribe()
    client.clear()
  })

  it('takes rows out where they do not belong, wherever they are', () => {
    const effect = put(row('d', 40, { done: true }), { where: ({ done }) => !done })
    expect(shown(fold(effect, feed(), NEXT).data)).toBe('ab|c|e')
    expect(shown(fold(remove(['tasks'], 'e'), feed(), NEXT).data)).toBe('ab|cd|')
    expect(shown(fold(patch(['tasks'], 'e', { rank: 1 }), feed(), NEXT).data)).toBe('ab|cd|e')
  })

  it('leaves one copy of a row that overlapping pages have twice', () => {
    const data = {
      pages: [
        [row('a', 1), row('b', 2)],
        [row('b', 2), row('c', 3)],
      ],
      pageParams: [0, 1],
    }
    expect(shown(fold(put(row('b', 2, { done: true })), data, NEXT).data)).toBe('ab|c')
  })

  it('ignores a limit: its pages say how far it goes', () => {
    const result = fold(put(row('x', 15), { sort: byRank, limit: 2 }), feed(), WHOLE)
    expect([shown(result.data), result.refetch]).toEqual(['axb|cd|e', false])
  })

  it('may be empty', () => {
    const empty = { pages: [[]], pageParams: [0] }
    expect(shown(fold(put(row('x', 1)), empty, WHOLE).data)).toBe('x')
    expect(shown(fold(put(row('x', 1), { sort: byRank }), empty, WHOLE).data)).toBe('x')
    expect(fold(put(row('x', 1), { sort: byRank }), empty, NEXT)).toEqual({
      data: empty,
      refetch: true,
      problems: [],
    })
    const none = { pages: [], pageParams: [] }
    expect(fold(put(row('x', 1)), none, WHOLE)).toEqual({ data: none, refetch: true, problems: [] })
  })

  it('reports pages that are no lists', () => {
    const data = { pages: [{ items: [row('a', 1)] }], pageParams: [0] }
    const result = fold(put(row('a', 2)), data, WHOLE)
    expect(result.data).toBe(data)
    expect(result).toMatchObject({
      refetch: true,
      problems: [{ why: expect.stringContaining("{ list: 'items' }") as string }],
    })
  })

  it('reports page params that cannot be had', () => {
    const getNextPageParam = () => {
      throw new Error('no cursor')
    }
    const data = feed()
    const result = fold(put(row('x', 60)), data, { getNextPageParam })
    expect(result).toMatchObject({ data, refetch: true, problems: [{ why: 'no cursor' }] })
  })
})

describe('an envelope', () => {
  const page = (): Page => ({ items: [row('a', 10), row('b', 20)], total: 7 })
  const counting: ListLens = {
    get: (data: Page) => data.items,
    set: (data: Page, items: Row[]) => ({ items, total: data.total + items.length - data.items.length }),
  }

  it('shows its rows by the name of a property', () => {
    expect(fold(put(row('c', 30), { list: 'items' }), page()).data).toEqual({
      items: [row('a', 10), row('b', 20), row('c', 30)],
      total: 7,
    })
    expect(fold(patch(['tasks'], 'a', { rank: 1 }, { list: 'items' }), page()).data).toMatchObject({
      items: [row('a', 1), row('b', 20)],
    })
  })

  it('shows its rows by a lens', () => {
    expect(fold(put(row('c', 30), { list: counting }), page()).data).toMatchObject({ total: 8 })
    expect(fold(remove(['tasks'], 'a', { list: counting }), page()).data).toEqual({
      items: [row('b', 20)],
      total: 6,
    })
  })

  it('is the same when its rows are', () => {
    const data = page()
    expect(fold(put(row('a', 10), { list: counting }), data).data).toBe(data)
    expect(fold(put(row('a', 10), { list: 'items' }), data).data).toBe(data)
  })

  it('may be each page of an infinite list', () => {
    const data = { pages: [page(), { items: [row('c', 30)], total: 7 }], pageParams: [0, 1] }
    const result = fold(put(row('x', 25), { list: counting, sort: byRank }), data, WHOLE).data as typeof data
    expect(result.pages).toEqual([
      { items: [row('a', 10), row('b', 20), row('x', 25)], total: 8 },
      data.pages[1],
    ])
    expect(result.pages[1]).toBe(data.pages[1])
  })

  it('may stand beside plain lists and details under one prefix', () => {
    for (const list of ['items', counting]) {
      expect(fold(put(row('a', 11), { list }), [row('a', 10)]).data).toEqual([row('a', 11)])
      expect(fold(put(row('a', 11), { list }), row('a', 10)).data).toEqual(row('a', 11))
    }
  })

  it('has windows', () => {
    const result = fold(remove(['tasks'], 'a', { list: 'items', limit: 2 }), page())
    expect(result).toMatchObject({ data: { items: [row('b', 20)] }, refetch: true })
  })

  it('is reported when `list` is forgotten, or names nothing', () => {
    for (const list of [undefined, 'rows'] as const) {
      for (const effect of [
        put(row('a', 1), { list }),
        patch(['tasks'], 'a', {}, { list }),
        remove(['tasks'], 'a', { list }),
      ]) {
        const data = page()
        const result = fold(effect, data)
        expect(result.data).toBe(data)
        expect(result).toMatchObject({
          refetch: true,
          problems: [{ index: 0, why: expect.stringContaining("{ list: 'items' }") as string }],
        })
      }
    }
  })

  it('is left as it was when its lens throws', () => {
    const data = page()
    const broken: ListLens = {
      get: (envelope: Page) => envelope.items,
      set: () => {
        throw new Error('no way back')
      },
    }
    const result = fold(put(row('c', 1), { list: broken }), data)
    expect(result.data).toBe(data)
    expect(result).toMatchObject({ refetch: true, problems: [{ why: 'no way back' }] })
  })
})
