import { hashKey, matchQuery, QueryClient, QueryObserver } from '@tanstack/query-core'
import type { Query, QueryFilters, QueryKey } from '@tanstack/query-core'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import { KeyIndex } from '../../src/core/cache/matching/key-index.ts'

class Range {
  readonly from: unknown
  constructor(from: unknown) {
    this.from = from
  }
  get page(): number {
    return 1
  }
}

class List extends Array<unknown> {
  get page(): number {
    return 1
  }
}

const noop = () => undefined
const symbol = Symbol('part')
const date = new Date(0)
const shared = { a: NaN }

// Few values, so that keys and filters meet often.
const primitive = fc.constantFrom<unknown>(
  ...['a', 'b', '', '1', '0', 'length', '__proto__', 'constructor'],
  ...[0, -0, 1, 2, NaN, Infinity, 1n, true, false, null, undefined, symbol, noop, [].filter],
)
const fieldName = fc.constantFrom(
  'a',
  'b',
  'a.b',
  '',
  '0',
  '1',
  'length',
  'page',
  'size',
  'filter',
  '__proto__',
  'constructor',
)

const { part } = fc.letrec<{ part: unknown; object: unknown; array: unknown[] }>((tie) => ({
  part: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 30, arbitrary: primitive },
    { weight: 12, arbitrary: tie('object') },
    { weight: 12, arbitrary: tie('array') },
    { weight: 3, arbitrary: fc.constantFrom<unknown>(date, new Date(1), shared) },
    // Rare, since one of them is enough to stop the narrowing.
    { weight: 1, arbitrary: fc.constantFrom<unknown>(new Map([['a', 1]]), new Set()) },
    { weight: 1, arbitrary: tie('part').map((from) => new Range(from)) },
    { weight: 1, arbitrary: tie('array').map((items) => List.from(items)) },
  ),
  object: fc
    .tuple(fc.array(fc.tuple(fieldName, tie('part')), { maxLength: 3 }), fc.boolean())
    .map(([fields, hasPrototype]) => {
      const object: object = hasPrototype ? {} : Object.create(null)
      for (const [name, value] of fields) {
        Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
      }
      return object
    }),
  array: fc.array(tie('part'), { maxLength: 3 }),
}))

const arrayKey = fc.oneof(
  { weight: 3, arbitrary: fc.array(part, { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.array(fc.constantFrom<unknown>('a', 'b', 1), { maxLength: 4 }) },
)
// Types forbid what follows; query-core takes it all the same.
const key = fc.oneof(
  { weight: 15, arbitrary: arrayKey },
  { weight: 1, arbitrary: primitive as fc.Arbitrary<never> },
)
const filterKey = fc.oneof(
  { weight: 15, arbitrary: arrayKey },
  { weight: 1, arbitrary: part as fc.Arbitrary<never> },
)

/** Hashes every key, where query-core's own function throws for a bigint or joins a Date with its string. */
const hashAny = (queryKey: QueryKey): string =>
  JSON.stringify(queryKey, (_, value: unknown) =>
    typeof value === 'object' && value !== null ? value : `${typeof value}:${String(value)}`,
  ) ?? ''
const hashFirst = (queryKey: QueryKey): string => `first:${String(queryKey[0])}`

interface QuerySpec {
  queryKey: QueryKey
  hashBy: 'default' | 'any' | 'first' | 'given'
  isActive: boolean
  isFetching: boolean
  isInvalidated: boolean
}

const spec: fc.Arbitrary<QuerySpec> = fc.record({
  queryKey: key,
  hashBy: fc.constantFrom<QuerySpec['hashBy']>('default', 'default', 'any', 'first', 'given'),
  isActive: fc.boolean(),
  isFetching: fc.boolean(),
  isInvalidated: fc.boolean(),
})

/** What an object answers to without listing it, and a field that it lacks. */
const UNLISTED = ['length', 'size', 'page', 'filter', 'constructor', 'missing'] as const

/** A part of a filter: what the key has there, less of it, what it has unlisted, or nothing. */
function blur(value: unknown, choices: readonly number[]): unknown {
  const [choice = 0, ...rest] = choices
  if (choice === 15) return undefined
  if (typeof value !== 'object' || value === null || choice === 14) return value
  const unlisted = UNLISTED[choice - 8]
  if (unlisted !== undefined) return { [unlisted]: (value as Record<string, unknown>)[unlisted] }
  if (Array.isArray(value)) return value.slice(0, 1 + (choice % 4)).map((item) => blur(item, rest))
  const entries = Object.entries(value).filter((_, index) => choice & (1 << index))
  return Object.fromEntries(entries.map(([name, item]) => [name, blur(item, rest)]))
}

/** Most parts of a filter's key as they are, one or two of them blurred. */
function blurKey(key: unknown, choices: readonly number[]): unknown {
  if (!Array.isArray(key)) return blur(key, choices)
  const [length = 0, at = 0, ...rest] = choices
  const parts: unknown[] = key.slice(0, 1 + (length % 4))
  for (const index of [at % 4, at >> 2]) if (index < parts.length) parts[index] = blur(parts[index], rest)
  if (length === 15) parts.push(undefined)
  return parts
}

const filtersSpec = fc.record({
  from: fc.nat(100),
  queryKey: fc.oneof(
    { weight: 1, arbitrary: filterKey.map((random) => () => random) },
    {
      weight: 4,
      arbitrary: fc
        .array(fc.nat(15), { minLength: 4, maxLength: 8 })
        .map((choices) => (existing: unknown) => blurKey(existing, choices)),
    },
    { weight: 2, arbitrary: fc.constant((existing: unknown) => existing) },
    { weight: 1, arbitrary: fc.constant(() => undefined) },
  ),
  rest: fc.record(
    {
      exact: fc.boolean(),
      type: fc.constantFrom<'all' | 'active' | 'inactive'>('all', 'active', 'inactive'),
      stale: fc.boolean(),
      fetchStatus: fc.constantFrom<'idle' | 'fetching'>('idle', 'fetching'),
      predicate: fc.constant((query: Query) => query.queryHash.length % 2 === 0),
    },
    { requiredKeys: [] },
  ),
})

const commands = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ add: spec }) },
    { weight: 1, arbitrary: fc.record({ remove: fc.nat(100) }) },
    { weight: 3, arbitrary: fc.record({ match: filtersSpec }) },
  ),
  { size: 'medium', maxLength: 60 },
)

function outcome(run: () => Query[]): unknown {
  try {
    return new Set(run())
  } catch {
    return 'throws' // which key could not be hashed first depends on the order
  }
}

describe('KeyIndex', () => {
  it('matches what matchQuery matches, whatever keys are added and removed', () => {
    fc.assert(
      fc.property(commands, (run) => {
        const client = new QueryClient()
        const cache = client.getQueryCache()
        const index = new KeyIndex()
        cache.subscribe((event) => {
          if (event.type === 'added') index.add(event.query)
          if (event.type === 'removed') index.remove(event.query)
        })
        let given = 0
        const build = ({ queryKey, hashBy, isActive, isFetching, isInvalidated }: QuerySpec) => {
          const hash = { default: hashKey, any: hashAny, first: hashFirst, given: () => `given:${given++}` }[
            hashBy
          ]
          let queryHash
          try {
            queryHash = hash(queryKey) ?? 'none'
          } catch {
            return
          }
          const options =
            hashBy === 'any' || hashBy === 'first'
              ? { queryKey, queryHash, queryKeyHashFn: hash }
              : { queryKey, queryHash }
          const query = cache.build(client, options)
          query.setState({
            ...query.state,
            fetchStatus: isFetching ? 'fetching' : 'idle',
            isInvalidated,
            data: 1,
          })
          // The cache may have held a query with this hash: it takes new options, its hash function among them.
          if (isActive) query.addObserver(new QueryObserver(client, { ...options, queryFn: () => 1 }))
          index.add(query)
        }
        for (const command of run) {
          const all = cache.getAll()
          if ('add' in command) build(command.add)
          else if ('remove' in command) {
            const query = all[command.remove % all.length]
            if (query) cache.remove(query)
          } else {
            const { from, queryKey, rest } = command.match
            const filters = { ...rest, queryKey: queryKey(all[from % all.length]?.queryKey) } as QueryFilters
            const expected = outcome(() => all.filter((query) => matchQuery(filters, query)))
            const actual = outcome(() => index.match(filters))
            if (!same(expected, actual))
              throw new Error(`expected ${show(expected)}, got ${show(actual)} for ${fc.stringify(filters)}`)
          }
        }
        if (index.size !== cache.getAll().length) throw new Error('lost count')
      }),
      { numRuns: 3_000 },
    )
  })
})

function same(expected: unknown, actual: unknown): boolean {
  if (!(expected instanceof Set && actual instanceof Set)) return expected === actual
  return expected.size === actual.size && [...expected].every((query) => actual.has(query))
}

function show(result: unknown): string {
  return result instanceof Set
    ? fc.stringify([...(result as Set<Query>)].map((query) => query.queryKey))
    : String(result)
}
