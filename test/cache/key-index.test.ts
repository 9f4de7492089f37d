import { hashKey, QueryClient, type Query, type QueryKey } from '@tanstack/query-core'
import { beforeEach, describe, expect, it } from 'vitest'
import { KeyIndex } from '../../src/core/cache/matching/key-index.ts'
import { extract, insert, type Trie } from '../../src/core/cache/matching/key-trie.ts'

let client: QueryClient
let index: KeyIndex

beforeEach(() => {
  client = new QueryClient()
  index = new KeyIndex()
})

function build(
  queryKey: QueryKey,
  options: { queryHash?: string; queryKeyHashFn?: typeof hashKey } = {},
): Query {
  return client.getQueryCache().build(client, { queryKey, ...options })
}

function add(
  queryKey: QueryKey,
  options: { queryHash?: string; queryKeyHashFn?: typeof hashKey } = {},
): Query {
  const query = build(queryKey, options)
  index.add(query)
  return query
}

/** Fails the test when a query is looked at that the index should have passed over. */
function poison(query: Query): void {
  Object.defineProperty(query, 'queryKey', {
    get: () => {
      throw new Error('looked at')
    },
  })
}

describe('KeyIndex', () => {
  it('looks only at what the parts of a filter lead to', () => {
    const detail = add(['todos', 'detail', 1])
    poison(add(['todos', 'detail', 2]))
    poison(add(['users', 'detail', 1]))
    expect(index.match({ queryKey: ['todos', 'detail', 1] })).toEqual([detail])
    expect(index.match({ queryKey: ['todos', 'detail', 3] })).toEqual([])
  })

  it('looks only at queries that have the rarest field of a filter', () => {
    const list = add(['todos', { status: 'done', page: { size: 10, index: 1 } }])
    for (let index = 2; index < 9; index++)
      poison(add(['todos', { status: 'done', page: { size: 10, index } }]))
    expect(index.match({ queryKey: ['todos', { status: 'done', page: { index: 1 } }] })).toEqual([list])
    expect(index.match({ queryKey: ['todos', { status: 'open' }] })).toEqual([])
  })

  it('narrows keys whose first part is an array', () => {
    const procedure = add([['todo', 'byId'], { input: { id: 1 }, type: 'query' }])
    poison(add([['todo', 'byId'], { input: { id: 2 }, type: 'query' }]))
    poison(add([['user', 'byId'], { input: { id: 3 }, type: 'query' }]))
    expect(index.match({ queryKey: [['todo', 'byId'], { input: { id: 1 } }] })).toEqual([procedure])
  })

  it('finds an exact key by its hash, hashing it once per hash function', () => {
    let hashed = 0
    const queryKeyHashFn = (queryKey: QueryKey) => {
      hashed++
      return `own:${hashKey(queryKey)}`
    }
    const queries = [1, 2, 3, 4].map((id) => add(['todos', id], { queryKeyHashFn }))
    const plain = add(['todos', 3])
    hashed = 0
    expect(new Set(index.match({ queryKey: ['todos', 3], exact: true }))).toEqual(
      new Set([queries[2], plain]),
    )
    expect(hashed).toBe(2) // once to find, once in matchQuery
  })

  it('finds a query by a hash function that it was given later', () => {
    const query = add(['todos', 1], { queryHash: 'first' })
    expect(index.match({ queryKey: ['todos'], exact: true })).toEqual([])
    query.setOptions({ queryKeyHashFn: () => 'first' })
    index.add(query)
    expect(index.match({ queryKey: ['todos'], exact: true })).toEqual([query])
    expect(index.size).toBe(1)
  })

  it('keeps queries apart that share a key, or a hash', () => {
    const first = add(['todos', { page: 1 }])
    const sameKey = add(['todos', { page: 1 }], { queryHash: 'other' })
    client.clear()
    const sameHash = add(['todos', { page: 1 }])
    expect(sameHash.queryHash).toBe(first.queryHash)
    index.remove(first)
    expect(new Set(index.match({ queryKey: ['todos', { page: 1 }] }))).toEqual(new Set([sameKey, sameHash]))
  })

  it('ignores a second add, and the removal of what is not there', () => {
    const query = add(['todos', { page: 1 }])
    index.add(query)
    index.remove(build(['users']))
    expect(index.match({ queryKey: [] })).toEqual([query])
    index.remove(query)
    index.remove(query)
    expect(index.size).toBe(0)
  })

  it('is empty after clear', () => {
    const query = add(['todos'])
    index.clear()
    expect(index.match({})).toEqual([])
    index.add(query)
    expect(index.match({ queryKey: ['todos'] })).toEqual([query])
  })

  it('reads filters anew each time', () => {
    const [first, second] = [add(['todos', 1]), add(['todos', 2])]
    const filters = { queryKey: ['todos', 1] }
    expect(index.match(filters)).toEqual([first])
    filters.queryKey[1] = 2
    expect(index.match(filters)).toEqual([second])
  })

  it('lets a predicate change the index', () => {
    const queries = [add(['todos', 1]), add(['todos', 2])]
    const predicate = (query: Query) => {
      index.remove(query)
      return true
    }
    expect(new Set(index.match({ queryKey: ['todos'], predicate }))).toEqual(new Set(queries))
    expect(index.size).toBe(0)
  })

  it.each([
    ['a part', (key: unknown[]) => (key[1] = 'changed')],
    ['a field', (key: unknown[]) => ((key[2] as { page: number }).page = 2)],
  ])('forgets a removed query although %s of its key has changed', (_, change) => {
    const key = ['todos', 'list', { page: 1 }]
    const query = add(key, { queryHash: 'changing' })
    const other = add(['todos', 'list', { page: 3 }])
    change(key)
    index.remove(query)
    key.splice(0, 3, 'todos', 'list', { page: 1 })
    expect(index.match({ queryKey: ['todos'] })).toEqual([other])
    expect(index.match({ queryKey: ['todos', 'list', { page: 1 }] })).toEqual([])
  })

  it('takes circular keys that the app hashes itself', () => {
    const circle: Record<string, unknown> = { id: 1 }
    circle['self'] = circle
    const query = add(['todos', circle], { queryHash: 'circle' })
    expect(index.match({ queryKey: ['todos', { self: { self: { id: 1 } } }] })).toEqual([query])
    index.remove(query)
    expect(index.match({ queryKey: ['todos'] })).toEqual([])
  })
})

describe('extract', () => {
  const KEYS: QueryKey[] = [
    [],
    ['todos'],
    ['todos', 'list'],
    ['todos', 'list', { page: 1, status: 'open' }],
    ['todos', 'list', { page: 2, status: 'open' }],
    ['todos', 'list', { from: new Map(), to: new Map() }],
    ['todos', 'detail', 1, 'comments'],
    ['todos', 'detail', 1, 'comments', undefined, 3],
    ['todos', 'detail', 1],
    [['todo', 'byId'], { input: { id: 1 } }],
    [['todo', 'byId'], { input: { id: 2 } }],
  ]

  it.each(KEYS.map((key, index) => [JSON.stringify(key), index] as const))(
    'leaves no empty node behind, beginning with %s',
    (_, start) => {
      const trie: Trie = new Map()
      const queries = [...KEYS.slice(start), ...KEYS.slice(0, start)].map((queryKey) => build(queryKey))
      for (const query of queries) insert(trie, query)
      for (const query of queries) {
        expect(extract(trie, query)).toBe(true)
        for (const node of nodesBelow(trie)) expect(node.size).toBeGreaterThan(0)
      }
      expect(trie.size).toBe(0)
    },
  )
})

function nodesBelow(trie: Trie): { readonly size: number }[] {
  return [...trie.values()].flatMap((slot) =>
    slot instanceof Map ? [slot, ...nodesBelow(slot)] : slot instanceof Set ? [slot] : [],
  )
}
