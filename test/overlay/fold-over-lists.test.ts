import { describe, expect, it, vi } from 'vitest'
import { patch, remove, upsert, type UpsertOptions } from '../../src/core/routing/effects.ts'
import { foldEffects } from '../../src/core/overlay/fold-effects.ts'
import { deepFreeze, fold } from '../support/fold.ts'

interface Row {
  id: string
  rank: number
  done?: boolean
  rev?: number
  tags?: string[]
}

const row = (id: string, rank: number, more: Partial<Row> = {}): Row => ({ id, rank, ...more })
const byRank = (a: Row, b: Row) => a.rank - b.rank
const rows = () => [row('a', 10), row('b', 20), row('c', 30)]
/** The ids, in order: what most of these tests are about. */
const ids = (data: unknown) => (data as Row[]).map(({ id }) => id).join('')
const put = (item: Row, options?: UpsertOptions<Row>) => upsert(['tasks'], item, options)

describe('upsert into a list', () => {
  it('replaces the row with its id where it is, and keeps the others', () => {
    const data = rows()
    const result = fold(put(row('b', 25)), data)
    expect(result).toEqual({ data: [row('a', 10), row('b', 25), row('c', 30)], refetch: false, problems: [] })
    expect((result.data as Row[])[0]).toBe(data[0])
    expect((result.data as Row[])[2]).toBe(data[2])
  })

  it('gives the same list for an equal row', () => {
    const data = [row('a', 1, { tags: ['x'] })]
    expect(fold(put(row('a', 1, { tags: ['x'] })), data).data).toBe(data)
  })

  it('keeps the parts of a row that are equal', () => {
    const data = [row('a', 1, { tags: ['x'] })]
    const [changed] = fold(put(row('a', 2, { tags: ['x'] })), data).data as Row[]
    expect(changed).toEqual(row('a', 2, { tags: ['x'] }))
    expect(changed?.tags).toBe(data[0]?.tags)
  })

  it('tells ids of different types apart', () => {
    expect(fold(upsert(['tasks'], { id: 1 }), [{ id: '1' }]).data).toEqual([{ id: '1' }, { id: 1 }])
  })

  it('puts a new row at the end, or at the start', () => {
    expect(ids(fold(put(row('d', 0)), rows()).data)).toBe('abcd')
    expect(ids(fold(put(row('d', 0), { at: 'start' }), rows()).data)).toBe('dabc')
    expect(ids(fold(put(row('d', 0)), []).data)).toBe('d')
  })

  it.each([
    [5, 'dabc'],
    [10, 'adbc'],
    [15, 'adbc'],
    [30, 'abcd'],
    [35, 'abcd'],
  ])('puts a new row of rank %i where it sorts', (rank, expected) => {
    expect(ids(fold(put(row('d', rank), { sort: byRank }), rows()).data)).toBe(expected)
  })

  it.each([
    ['a', 35, 'bca'],
    ['a', 25, 'bac'],
    ['a', 15, 'abc'],
    ['b', 5, 'bac'],
    ['b', 10, 'abc'],
    ['b', 30, 'abc'],
    ['b', 31, 'acb'],
    ['c', 5, 'cab'],
    ['c', 15, 'acb'],
    ['c', 99, 'abc'],
  ])('moves %s of rank %i where it sorts', (id, rank, expected) => {
    const result = fold(put(row(id, rank), { sort: byRank }), rows())
    expect(ids(result.data)).toBe(expected)
    expect(result.data).toContainEqual(row(id, rank))
    expect(result.refetch).toBe(false)
  })

  it('keeps a row among equals in its place', () => {
    const data = [row('a', 1), row('b', 1), row('c', 1)]
    expect(ids(fold(put(row('a', 1, { done: true }), { sort: byRank }), data).data)).toBe('abc')
  })

  it('takes a row out where it does not belong, and does not put it in', () => {
    const open = { where: ({ done }: Row) => !done }
    expect(ids(fold(put(row('b', 20, { done: true }), open), rows()).data)).toBe('ac')
    expect(ids(fold(put(row('b', 21), open), rows()).data)).toBe('abc')
    const data = rows()
    expect(fold(put(row('d', 1, { done: true }), open), data)).toEqual({ data, refetch: false, problems: [] })
  })

  it('asks `where` and `sort` with the key of the query', () => {
    const where = vi.fn(() => true)
    const sort = vi.fn(byRank)
    foldEffects([put(row('d', 1), { where, sort })], rows(), { queryKey: ['tasks', { done: false }] })
    expect(where).toHaveBeenCalledExactlyOnceWith(row('d', 1), ['tasks', { done: false }])
    expect(sort.mock.calls.every((call) => (call as unknown[])[2] !== undefined)).toBe(true)
  })

  it('guesses nothing where `where` cannot know', () => {
    const data = rows()
    for (const id of ['a', 'd']) {
      const result = fold(put(row(id, 99), { where: () => undefined }), data)
      expect(result).toEqual({ data, refetch: true, problems: [] })
      expect(result.data).toBe(data)
    }
  })

  it.each([
    ['numbers', 1, 2],
    ['ISO dates', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'],
    ['dates', new Date(1), new Date(2)],
    ['bigints', 1n, 2n],
  ])('ignores an older item, by versions that are %s', (_, older, newer) => {
    const version = (item: { v?: typeof older | null }) => item.v as number
    const data = [{ id: 'a', v: newer, text: 'cached' }]
    const options = { version, where: () => false }
    expect(fold(upsert(['tasks'], { id: 'a', v: older, text: 'old' }, options), data).data).toBe(data)
    expect(fold(upsert(['tasks'], { id: 'a', v: newer, text: 'same' }, options), data).data).toEqual([])
    expect(
      fold(upsert(['tasks'], { id: 'a', v: newer, text: 'new' }, options), [{ id: 'a', v: older }]).data,
    ).toEqual([])
    expect(fold(upsert(['tasks'], { id: 'a', v: null as never }, options), data).data).toEqual([])
  })

  it('finds rows by an id of its own', () => {
    const data = [{ key: 'x', n: 1 }]
    expect(fold(upsert(['tasks'], { key: 'x', n: 2 }, { id: (item) => item.key }), data).data).toEqual([
      { key: 'x', n: 2 },
    ])
  })

  it('leaves one of several copies', () => {
    expect(ids(fold(put(row('a', 1)), [...rows(), row('a', 10)]).data)).toBe('abc')
  })

  it('reports a list of something else, and asks for a refetch', () => {
    const data = ['a', 'b']
    const result = fold(put(row('c', 1)), data)
    expect(result.data).toBe(data)
    expect(result).toMatchObject({
      refetch: true,
      problems: [{ index: 0, why: expect.stringContaining('no id') as string }],
    })
  })
})

describe('upsert into a window', () => {
  const limited = { sort: byRank, limit: 3 }

  it('pushes the last row out of a full one', () => {
    expect(fold(put(row('d', 15), limited), rows())).toMatchObject({ refetch: false })
    expect(ids(fold(put(row('d', 15), limited), rows()).data)).toBe('adb')
    expect(ids(fold(put(row('d', 15), { at: 'start', limit: 3 }), rows()).data)).toBe('dab')
  })

  it('leaves out what comes after a full one', () => {
    const data = rows()
    expect(fold(put(row('d', 31), limited), data)).toEqual({ data, refetch: false, problems: [] })
    expect(fold(put(row('d', 31), { limit: 3 }), data)).toEqual({ data, refetch: false, problems: [] })
  })

  it('cannot know on which side of the edge an equal row is', () => {
    const data = rows()
    expect(fold(put(row('d', 30), limited), data)).toEqual({ data, refetch: true, problems: [] })
  })

  it('fills one that is not full', () => {
    const result = fold(put(row('d', 31), { ...limited, limit: 4 }), rows())
    expect(ids(result.data)).toBe('abcd')
    expect(result.refetch).toBe(false)
  })

  it('moves rows inside a full one', () => {
    for (const [id, rank, expected] of [
      ['a', 25, 'bac'],
      ['c', 15, 'acb'],
      ['c', 29, 'abc'],
    ] as const) {
      const result = fold(put(row(id, rank), limited), rows())
      expect([ids(result.data), result.refetch]).toEqual([expected, false])
    }
  })

  it('cannot know what moves up when a row moves past the end, or leaves', () => {
    for (const [item, options, expected] of [
      [row('a', 35), limited, 'bca'],
      [row('a', 30), limited, 'bca'],
      [row('c', 31), limited, 'abc'],
      [row('b', 20, { done: true }), { ...limited, where: ({ done }: Row) => !done }, 'ac'],
    ] as const) {
      const result = fold(put(item, options), rows())
      expect([ids(result.data), result.refetch]).toEqual([expected, true])
    }
  })

  it('trims a list that was longer', () => {
    expect(ids(fold(put(row('d', 5), { ...limited, limit: 2 }), rows()).data)).toBe('da')
  })
})

describe('patch in a list', () => {
  it('merges fields into the row with its id', () => {
    const data = [row('a', 1, { done: false }), row('b', 2)]
    const result = fold(patch(['tasks'], 'a', { done: true }), data)
    expect(result).toEqual({ data: [row('a', 1, { done: true }), row('b', 2)], refetch: false, problems: [] })
    expect((result.data as Row[])[1]).toBe(data[1])
  })

  it('gives the same list when nothing changes, or no row has the id', () => {
    const data = rows()
    expect(fold(patch(['tasks'], 'a', { rank: 10 }), data).data).toBe(data)
    expect(fold(patch(['tasks'], 'z', { rank: 11 }), data).data).toBe(data)
  })

  it('reports a patch that would change the id', () => {
    const data = rows()
    const result = fold(patch(['tasks'], 'a', { id: 'z' }), data)
    expect(result.data).toBe(data)
    expect(result.problems).toMatchObject([{ why: expect.stringContaining('id') as string }])
  })

  it('keeps a field named __proto__ a field', () => {
    const fields = JSON.parse('{"__proto__": {"admin": true}}') as object
    const [patched] = fold(patch(['tasks'], 'a', fields), [row('a', 1)]).data as [Row & { admin?: boolean }]
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
    expect(patched).toMatchObject(row('a', 1))
  })
})

describe('remove from a list', () => {
  it('takes out every row with the id', () => {
    expect(fold(remove(['tasks'], 'b'), rows())).toEqual({
      data: [row('a', 10), row('c', 30)],
      refetch: false,
      problems: [],
    })
    expect(fold(remove(['tasks'], 'a'), [...rows(), row('a', 1)]).data).toEqual(rows().slice(1))
  })

  it('gives the same list when no row has the id', () => {
    const data = rows()
    expect(fold(remove(['tasks'], 'z', { limit: 3 }), data)).toEqual({ data, refetch: false, problems: [] })
    expect(fold(remove(['tasks'], 'z'), data).data).toBe(data)
  })

  it('cannot know what moves up into a full window', () => {
    expect(fold(remove(['tasks'], 'a', { limit: 3 }), rows())).toMatchObject({ refetch: true })
    expect(ids(fold(remove(['tasks'], 'a', { limit: 3 }), rows()).data)).toBe('bc')
    expect(fold(remove(['tasks'], 'a', { limit: 4 }), rows())).toMatchObject({ refetch: false })
  })
})

describe('a long list', () => {
  const size = 500
  const long = () => Array.from({ length: size }, (_, n) => ({ id: n, n }))

  it('is copied once for many effects', () => {
    const slice = vi.spyOn(Array.prototype, 'slice')
    const effects = Array.from({ length: 20 }, (_, n) => upsert(['tasks'], { id: n * 20, n: -1 }))
    fold(effects, long())
    expect(slice.mock.contexts.filter((array) => (array as unknown[]).length === size)).toHaveLength(1)
  })

  it('is not searched again for every effect, nor for every burst', () => {
    let reads = 0
    const id = (item: { id: number }) => {
      reads += 1
      return item.id
    }
    let data: unknown = long()
    const burst = (from: number) =>
      Array.from({ length: 20 }, (_, n) => upsert(['tasks'], { id: from + n, n: -1 }, { id }))
    data = foldEffects(burst(0), data, { queryKey: [] }).data
    const effects = burst(100)
    reads = 0
    data = foldEffects(effects, data, { queryKey: [] }).data
    expect(reads).toBeLessThan(100)
    expect((data as { n: number }[]).filter(({ n }) => n === -1)).toHaveLength(40)
  })

  it('finds rows that have moved since they were last looked for', () => {
    const sort = (a: { n: number }, b: { n: number }) => a.n - b.n
    let data: unknown = long()
    let expected = long()
    for (let n = 0; n < 700; n += 1) {
      const item = { id: (n * 7) % size, n: -1 - n }
      expected = [item, ...expected.filter(({ id }) => id !== item.id)]
      data = fold(upsert(['tasks'], item, { sort }), data).data
    }
    expect(data).toEqual(expected)
  })

  it('is hardly read when rows have moved, come and gone', () => {
    let reads = 0
    const id = (item: { id: number }) => {
      reads += 1
      return item.id
    }
    const sort = (a: { n: number }, b: { n: number }) => a.n - b.n
    const step = (data: unknown, n: number) => {
      const effects = [
        upsert(['tasks'], { id: (n * 7) % size, n: -1 - n }, { id, sort }),
        upsert(['tasks'], { id: size + n, n: size + n }, { id, sort }),
        remove(['tasks'], size + n - 3, { id }),
        remove(['tasks'], size + n - 3, { id }), // Gone: nobody has to look for it.
        upsert(['tasks'], { id: size + n - 3, n: 0 }, { id, where: () => false }),
      ]
      return foldEffects(effects, data, { queryKey: [] }).data
    }
    let data: unknown = long()
    for (let n = 0; n < 10; n += 1) data = step(data, n)
    reads = 0
    for (let n = 10; n < 60; n += 1) data = step(data, n)
    expect(reads / 50).toBeLessThan(100)

    reads = 0
    const removals = Array.from({ length: 100 }, (_, n) => remove(['tasks'], 300 + n, { id }))
    foldEffects(removals, long(), { queryKey: [] })
    expect(reads / removals.length).toBeLessThan(size / 2)
  })

  it('is searched for the ids that each effect means', () => {
    interface Item {
      id: number
      key: number
      seen?: boolean
      known?: boolean
    }
    const data = Array.from({ length: size }, (_, n): Item => ({ id: n, key: 1_000 + n }))
    const key = (item: Item) => item.key
    const byId = Array.from({ length: 20 }, (_, n) => patch<Item>(['tasks'], n, { seen: true }))
    const byKey = byId.map((_, n) => patch<Item>(['tasks'], 1_010 + n, { known: true }, { id: key }))
    expect(fold([...byId, ...byKey], data).data).toEqual(
      data.map((item) => ({
        ...item,
        ...(item.id < 20 && { seen: true }),
        ...(item.id >= 10 && item.id < 30 && { known: true }),
      })),
    )
  })

  it('that others have changed in place is searched again', () => {
    const warm = long()
    const data = foldEffects(
      Array.from({ length: 20 }, (_, n) => remove(['tasks'], n)),
      warm,
      { queryKey: [] },
    ).data as {
      id: number
      n: number
    }[]
    data.reverse()
    data[0] = { id: -1, n: -1 }
    const effects = [30, size - 1, -1].map((id) => patch(['tasks'], id, { n: 0 }))
    const result = foldEffects(effects, data, { queryKey: [] }).data
    expect(result).toEqual(data.map((item) => ([30, -1].includes(item.id) ? { ...item, n: 0 } : item)))
  })

  it('that is older than the last one does not lose or double rows', () => {
    const older = foldEffects(
      Array.from({ length: 20 }, (_, n) => patch(['tasks'], n, { n: -1 })),
      long(),
      { queryKey: [] },
    ).data as { id: number; n: number }[]
    deepFreeze(older)
    fold([remove(['tasks'], 3), upsert(['tasks'], { id: 'new', n: 0 })], older)
    expect(fold(upsert(['tasks'], { id: 3, n: 7 }), older).data).toEqual(
      older.map((item) => (item.id === 3 ? { id: 3, n: 7 } : item)),
    )
    expect(fold(upsert(['tasks'], { id: 'new', n: 0 }), older).data).toHaveLength(size + 1)
  })

  it('with two rows of one id shows changes to both', () => {
    const data = [...long(), { id: 3, n: 3 }]
    let result: unknown = data
    for (let n = 0; n < 20; n += 1) result = fold(patch(['tasks'], 3, { n: 100 + n }), result).data
    expect((result as { id: number; n: number }[]).filter(({ id }) => id === 3)).toEqual([
      { id: 3, n: 119 },
      { id: 3, n: 119 },
    ])
    expect(fold(remove(['tasks'], 3), result).data).toHaveLength(size - 1)
  })
})
