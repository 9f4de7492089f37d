/**
 * Lists patched by events against lists made anew from the server's rows. Wherever the outcome says that it is
 * known, they must be the same.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ListLens, PatchingEffect } from '../../src/core/routing/effect.ts'
import { patch, remove, upsert, type UpsertOptions } from '../../src/core/routing/effects.ts'
import { fold, pagesBeyond } from '../support/fold.ts'

interface Row {
  readonly id: number
  readonly rank: number
  readonly done: boolean
}

interface Envelope {
  readonly items: readonly Row[]
  readonly total: number
}

/** What happens on the server. */
type Change =
  { readonly save: Row } | { readonly patch: Pick<Row, 'id' | 'done'> } | { readonly remove: number }

/** A total order, as a server has one. */
const byRank = (a: Row, b: Row) => a.rank - b.rank || a.id - b.id
/** One that leaves the order of many rows open. */
const byRankAlone = (a: Row, b: Row) => a.rank - b.rank
const isOpen = (row: Row) => !row.done

const id = fc.integer({ min: 0, max: 30 })
const row: fc.Arbitrary<Row> = fc.record({ id, rank: fc.integer({ min: 0, max: 12 }), done: fc.boolean() })
const rows = fc.uniqueArray(row, { selector: (one) => one.id, maxLength: 25 })
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ save: row }) },
  { weight: 1, arbitrary: fc.record({ patch: fc.record({ id, done: fc.boolean() }) }) },
  { weight: 2, arbitrary: fc.record({ remove: id }) },
)
/** Changes, in the bursts in which they arrive. */
const bursts = fc.array(fc.array(change, { minLength: 1, maxLength: 6 }), { maxLength: 12 })

class Server {
  readonly #rows: Map<number, Row>

  constructor(initial: readonly Row[]) {
    this.#rows = new Map(initial.map((one) => [one.id, one]))
  }

  /** All rows, in order. */
  get rows(): Row[] {
    return [...this.#rows.values()].sort(byRank)
  }

  /** Carries out a change. Gives the event's effect. */
  take(change: Change, options: UpsertOptions<Row>): PatchingEffect {
    const { id, list, limit } = options
    if ('remove' in change) {
      this.#rows.delete(change.remove)
      return remove<Row>(['tasks'], change.remove, { id, list, limit })
    }
    if ('patch' in change) {
      const old = this.#rows.get(change.patch.id)
      if (old) this.#rows.set(old.id, { ...old, ...change.patch })
      // A filtered list has to be told of the whole row.
      if (old && options.where) return upsert(['tasks'], { ...old, ...change.patch }, options)
      return patch<Row>(['tasks'], change.patch.id, { done: change.patch.done }, { id, list })
    }
    this.#rows.set(change.save.id, change.save)
    return upsert(['tasks'], change.save, options)
  }
}

const sorted = (data: unknown, order: (a: Row, b: Row) => number) => [...(data as Row[])].sort(order)

describe('a patched list equals one made anew', () => {
  it('filtered and sorted', () => {
    fc.assert(
      fc.property(rows, bursts, (initial, bursts) => {
        const server = new Server(initial)
        const options = { sort: byRank, where: isOpen }
        let data: unknown = server.rows.filter(isOpen)
        for (const burst of bursts) {
          const result = fold(
            burst.map((one) => server.take(one, options)),
            data,
          )
          expect(result).toEqual({ data: server.rows.filter(isOpen), refetch: false, problems: [] })
          data = result.data
        }
      }),
    )
  })

  it('in the order of arrival, when it has no other', () => {
    fc.assert(
      fc.property(rows, bursts, fc.constantFrom('start', 'end'), (initial, bursts, at) => {
        const server = new Server(initial)
        let data: unknown = initial
        let expected = [...initial]
        for (const one of bursts.flat()) {
          const known = new Set(expected.map((old) => old.id))
          const result = fold(server.take(one, { at }), data)
          const now = new Map(server.rows.map((each) => [each.id, each]))
          const added = server.rows.filter((each) => !known.has(each.id))
          expected = expected.flatMap((old) => now.get(old.id) ?? [])
          expected = at === 'start' ? [...added, ...expected] : [...expected, ...added]
          expect(result).toEqual({ data: expected, refetch: false, problems: [] })
          data = result.data
        }
      }),
    )
  })

  it('with an order that leaves the place of equals open', () => {
    fc.assert(
      fc.property(rows, bursts, (initial, bursts) => {
        const server = new Server(initial)
        let data: unknown = server.rows
        for (const burst of bursts) {
          const result = fold(
            burst.map((one) => server.take(one, { sort: byRankAlone })),
            data,
          )
          expect(result.refetch).toBe(false)
          expect(sorted(result.data, byRank)).toEqual(server.rows)
          expect(sorted(result.data, byRankAlone)).toEqual(result.data)
          data = result.data
        }
      }),
    )
  })

  it('inside an envelope, which counts', () => {
    const list: ListLens = {
      get: (data: Envelope) => data.items,
      set: (_: Envelope, items: Row[]) => ({ items, total: items.length }),
    }
    const envelope = (items: Row[]): Envelope => ({ items, total: items.length })
    fc.assert(
      fc.property(rows, bursts, (initial, bursts) => {
        const server = new Server(initial)
        let data: unknown = envelope(server.rows)
        for (const burst of bursts) {
          const result = fold(
            burst.map((one) => server.take(one, { sort: byRank, list })),
            data,
          )
          expect(result).toEqual({ data: envelope(server.rows), refetch: false, problems: [] })
          data = result.data
        }
      }),
    )
  })

  it('showing a window, or says that it cannot know', () => {
    let known = 0
    let unknown = 0
    fc.assert(
      fc.property(rows, bursts, fc.integer({ min: 1, max: 12 }), (initial, bursts, limit) => {
        const server = new Server(initial)
        const options = { sort: byRank, where: isOpen, limit }
        const window = () => server.rows.filter(isOpen).slice(0, limit)
        let data: unknown = window()
        for (const burst of bursts) {
          const before = window()
          const result = fold(
            burst.map((one) => server.take(one, options)),
            data,
          )
          expect(result.problems).toEqual([])
          if (result.refetch) unknown += 1
          else {
            known += 1
            expect(result.data).toEqual(window())
          }
          // Not by crying wolf: a window that no row has left or entered from below is known.
          if (burst.length === 1 && before.length < limit) expect(result.refetch).toBe(false)
          data = result.refetch ? window() : result.data
        }
      }),
    )
    expect(known).toBeGreaterThan(unknown)
  })
})

describe('a patched infinite list shows a gapless part of the whole', () => {
  const cut = (items: readonly Row[], size: number) => {
    const pages = Array.from({ length: Math.ceil(items.length / size) }, (_, n) =>
      items.slice(n * size, n * size + size),
    )
    if (pages.length === 0) pages.push([])
    return { pages, pageParams: pages.map((_, n) => n) }
  }

  for (const [name, list] of [
    ['pages of rows', undefined],
    ['pages of envelopes', 'items'],
  ] as const) {
    it(`with ${name}`, () => {
      let shows = 0
      fc.assert(
        fc.property(
          rows,
          bursts,
          fc.record({ skip: fc.nat(8), take: fc.nat(25), size: fc.integer({ min: 1, max: 6 }) }),
          (initial, bursts, { skip, take, size }) => {
            const server = new Server(initial)
            const whole = server.rows.filter(isOpen)
            const loaded = whole.slice(skip, skip + take)
            const hasPrevious = skip > 0 && whole.length > 0
            const hasNext = skip + take < whole.length
            const options = pagesBeyond({ next: hasNext, previous: hasPrevious })
            const { pages, pageParams } = cut(loaded, size)
            let data: unknown = list
              ? { pages: pages.map((items) => ({ items })), pageParams }
              : { pages, pageParams }
            let before = loaded

            for (const one of bursts.flat()) {
              const effect = server.take(one, { sort: byRank, where: isOpen, list })
              const result = fold(effect, data, options)
              expect(result.problems).toEqual([])
              const after = (result.data as { pages: readonly unknown[] }).pages
              expect(after).toHaveLength(pages.length)
              expect((result.data as { pageParams: unknown }).pageParams).toBe(pageParams)
              const shown = after.flatMap((page) => (list ? (page as Envelope).items : (page as Row[])))

              // All rows from the first to the last shown, up to the ends where there are no more pages.
              const [first, last] = [shown[0], shown.at(-1)]
              const open = server.rows.filter(isOpen)
              if (!result.refetch && (shown.length > 0 || !(hasNext || hasPrevious))) {
                expect(shown).toEqual(
                  open.filter(
                    (each) =>
                      (!hasPrevious || (first !== undefined && byRank(each, first) >= 0)) &&
                      (!hasNext || (last !== undefined && byRank(each, last) <= 0)),
                  ),
                )
                shows += 1
              }
              // And nothing is dropped that lies inside of what was shown.
              const [from, to] = [before[0], before.at(-1)]
              if (from && to) {
                expect(shown).toEqual(
                  expect.arrayContaining(
                    open.filter((each) => byRank(each, from) > 0 && byRank(each, to) < 0),
                  ),
                )
              }
              data = result.data
              before = shown
            }
          },
        ),
      )
      expect(shows).toBeGreaterThan(100)
    })
  }
})

/** Any row effect, with any options. */
const effect: fc.Arbitrary<PatchingEffect> = fc
  .record({
    change,
    options: fc.record(
      {
        sort: fc.constantFrom(byRank, byRankAlone),
        where: fc.constantFrom(isOpen, (one: Row) => (one.rank > 9 ? undefined : one.rank > 2)),
        version: fc.constant((one: Row) => one.rank),
        at: fc.constantFrom('start' as const, 'end' as const),
        limit: fc.integer({ min: 1, max: 20 }),
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ change, options }) => new Server([]).take(change, options))

/** Data of any shape that an effect knows, rows in any order. */
const anyData = fc.oneof(
  rows,
  rows.map((items) => [...items].sort(byRank)),
  fc.array(rows, { minLength: 1, maxLength: 4 }).map((pages) => {
    const seen = new Set<number>()
    const unique = pages.map((page) => page.filter((one) => !seen.has(one.id) && seen.add(one.id)))
    return { pages: unique, pageParams: unique.map((_, n) => n) }
  }),
  row,
)
const options = fc.option(
  fc.record({ next: fc.boolean(), previous: fc.boolean() }).map((more) => pagesBeyond(more)),
  { nil: undefined },
)

/** The data as a server gives it that the effect tells the truth of: in its order, and no longer than its limit. */
function asServed(data: unknown, effect: PatchingEffect): unknown {
  if (effect.kind !== 'upsert') return data
  const order = (effect.sort ?? (() => 0)) as typeof byRank
  if (Array.isArray(data)) return sorted(data, order).slice(0, effect.limit)
  const { pages, pageParams } = data as { pages?: Row[][]; pageParams?: unknown }
  if (pages === undefined) return data
  const all = sorted(pages.flat(), order)
  return { pages: pages.map((page) => all.splice(0, page.length)), pageParams }
}

describe('any effect', () => {
  it('applied twice is the same as applied once', () => {
    fc.assert(
      fc.property(effect, anyData, options, (effect, any, options) => {
        const data = asServed(any, effect)
        const once = fold(effect, data, options).data
        expect(fold(effect, once, options).data).toBe(once)
        expect(fold([effect, effect], data, options).data).toEqual(once)
      }),
      { numRuns: 1_000 },
    )
  })

  it('leaves no two rows of one id', () => {
    fc.assert(
      fc.property(fc.array(effect, { maxLength: 20 }), anyData, options, (effects, data, options) => {
        const result = fold(effects, data, options).data as { pages?: Row[][] } | Row[]
        const ids = (Array.isArray(result) ? result : (result.pages?.flat() ?? [])).map((one) => one.id)
        expect(new Set(ids).size).toBe(ids.length)
      }),
      { numRuns: 300 },
    )
  })

  it('applied with others at once is the same as one after the other', () => {
    fc.assert(
      fc.property(fc.array(fc.array(effect), { maxLength: 4 }), anyData, options, (bursts, data, options) => {
        let together: unknown = data
        let apart: unknown = data
        for (const burst of bursts) {
          const result = fold(burst, together, options)
          let refetch = false
          for (const one of burst) {
            const each = fold(one, structuredClone(apart), options)
            refetch ||= each.refetch
            apart = each.data
          }
          expect(result).toEqual({ data: apart, refetch, problems: [] })
          together = result.data
        }
      }),
      { numRuns: 300 },
    )
  })

  it('finds the rows of a long list, however it has changed since its ids were noted', () => {
    const sometimesSorted = fc.constantFrom({}, { sort: byRank }, { sort: byRank, where: isOpen })
    const someChanges = fc.array(fc.tuple(change, sometimesSorted), { minLength: 15, maxLength: 40 })
    // Every second id is new to it.
    const long = Array.from({ length: 70 }, (_, n): Row => ({
      id: n * 2 - 40,
      rank: n % 13,
      done: false,
    })).sort(byRank)
    fc.assert(
      fc.property(fc.array(someChanges, { minLength: 1, maxLength: 4 }), (bursts) => {
        let noted: unknown = structuredClone(long)
        let fresh: unknown = long
        for (const burst of bursts) {
          const server = new Server(fresh as Row[])
          const effects = burst.map(([one, options]) => server.take(one, options))
          noted = fold(effects, noted).data
          for (const effect of effects) fresh = fold(effect, structuredClone(fresh)).data
          expect(noted).toEqual(fresh)
        }
      }),
      { numRuns: 300 },
    )
  })
})
