import { describe, expect, it } from 'vitest'
import { prettyOf, textOf } from '../../src/devtools/text.ts'

describe('textOf', () => {
  it.each([
    ['a text', '"a text"'],
    [1, '1'],
    [2n, '2n'],
    [null, 'null'],
    [undefined, 'undefined'],
    [[], '[]'],
    [{}, '{}'],
    [['a', { b: [1, 2] }], '["a", {"b": [1, 2]}]'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [new Date(NaN), 'Invalid Date'],
    [new TypeError('mine'), '"TypeError: mine"'],
    [new Map([['a', 1]]), 'Map [["a", 1]]'],
    [new Set([1]), 'Set [1]'],
    [function named() {}, '(function named)'],
    [Symbol('s'), 'Symbol(s)'],
  ])('writes %s', (value, text) => {
    expect(textOf(value)).toBe(text)
  })

  it('ends at a cycle, and in the depth', () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    expect(textOf(cycle)).toBe('{"self": "(a cycle)"}')
    let deep: unknown = 1
    for (let level = 0; level < 100; level++) deep = [deep]
    expect(textOf(deep)).toContain('"(deeper)"')
  })

  it('shows twice what stands there twice', () => {
    const same = { a: 1 }
    expect(textOf([same, same])).toBe('[{"a": 1}, {"a": 1}]')
  })

  it('says so when the app throws', () => {
    const hostile = {
      get a() {
        throw new Error('mine')
      },
    }
    expect(textOf(hostile)).toBe('(cannot be shown: Error: mine)')
  })

  it('reads no more than it shows', () => {
    let reads = 0
    const rows = Array.from({ length: 100_000 }, () => ({
      get id() {
        return ++reads
      },
    }))
    const text = prettyOf(rows, 1_000)
    expect(text).toHaveLength(1_001)
    expect(text.endsWith('…')).toBe(true)
    expect(reads).toBeLessThan(200)
  })
})

it('prettyOf writes what JSON.stringify would, line by line', () => {
  const value = { id: 1, tags: ['a', 'b'], none: [], nested: { deep: { text: 'x "y"' } } }
  expect(prettyOf(value)).toBe(JSON.stringify(value, null, 2))
})
