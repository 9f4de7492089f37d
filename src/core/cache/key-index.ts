import { hashKey, matchQuery } from '@tanstack/query-core'
import type { Query, QueryFilters } from '@tanstack/query-core'

/**
 * A trie over key parts, up to a key's first object or array: from there on it is an inverted index, because an
 * object matches partially, field by field.
 *
 *   ['todos', 'detail', 7]                'todos' ─┬─ 'detail' ─ 7 ─ query
 *   ['todos', 'list', { page: 1 }]                 └─ 'list' ─┬─ HERE ─ both queries
 *   ['todos', 'list', { page: 2 }]                            └─ FIELDS ─ '0.page' ─┬─ 1 ─ query
 *                                                                                   └─ 2 ─ query
 * A query alone below a part hangs there itself, whatever else its key says, so that a leaf costs no node.
 * All that is found is a candidate: `matchQuery` has the last word.
 */
type Trie = Map<unknown, Slot>
type Slot = Query | Set<Query> | Trie

/** Symbols, so that no part of a key is equal to them. */
const HERE = Symbol()
const FIELDS = Symbol()

/** The classes whose instances inherit no value that a filter could ask for. */
const PLAIN: unknown[] = [Object.prototype, Array.prototype, Date.prototype, null]

/** Fields nested deeper narrow nothing. (An app that hashes its keys itself may have circular ones.) */
const MAX_DEPTH = 6

/** With more hash functions than this in use (a new one per render?) `exact` looks at every query. */
const MAX_HASH_FNS = 8

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/**
 * The parts of a key that the trie branches on, and what is left of it. `undefined` is left too, because in a
 * filter it also matches a part that is not there. `true` comes before the parts of an array, as keys that are
 * none have to be apart: an object can match an array.
 */
function split(key: unknown): [lead: unknown[], rest: unknown[]] {
  if (!Array.isArray(key)) return [[], []]
  const end = key.findIndex((part) => part === undefined || isObject(part))
  return end < 0 ? [[true, ...key], []] : [[true, ...key.slice(0, end)], key.slice(end)]
}

/**
 * Visits the fields that a filter matches only when the key has them, nested ones under dotted paths. (A dot in a
 * name may make two fields share a path: that gives more candidates, never fewer.) An object of another class
 * may answer by a getter, as a Map does for `size`: it is visited as `('', undefined)`.
 */
function visitFields(
  object: object,
  visit: (field: string, value: unknown) => void,
  prefix = '',
  depth = 1,
): void {
  if (!PLAIN.includes(Object.getPrototypeOf(object))) visit('', undefined)
  for (const [name, value] of Object.entries(object)) {
    if (isObject(value)) {
      if (depth < MAX_DEPTH) visitFields(value, visit, `${prefix}${name}.`, depth + 1)
    } else if (value !== undefined && name !== 'length' && typeof value !== 'function')
      visit(prefix + name, value)
  }
}

const sizeOf = (slot: Slot | undefined): number => (slot ? ((slot as { size?: number }).size ?? 1) : 0)

function put(trie: Trie, path: unknown[], query: Query, depth = 0): void {
  const part = path[depth++]
  const slot = trie.get(part)
  if (depth < path.length) {
    if (!slot) trie.set(part, new Map())
    put(trie.get(part) as Trie, path, query, depth)
  } else if (slot instanceof Set) slot.add(query)
  else trie.set(part, slot ? new Set([slot as Query, query]) : query)
}

/** Removes a query and what is empty without it. Gives how many parts it took to find it, or 0. */
function take(trie: Trie, path: unknown[], query: Query, depth = 0): number {
  const part = path[depth++]
  const slot = trie.get(part)
  if (slot instanceof Map) depth = take(slot, path, query, depth)
  else if (slot instanceof Set ? !slot.delete(query) : slot !== query) depth = 0
  if (depth && (slot === query || !sizeOf(slot))) trie.delete(part)
  return depth
}

function insert(trie: Trie, query: Query, depth: number): void {
  const [lead, rest] = split(query.queryKey)
  if (depth < lead.length) {
    const part = lead[depth++]
    const slot = trie.get(part)
    if (slot instanceof Map) insert(slot, query, depth)
    else if (slot) {
      const fork: Trie = new Map()
      trie.set(part, fork)
      insert(fork, slot as Query, depth)
      insert(fork, query, depth)
    } else trie.set(part, query)
  } else {
    put(trie, [HERE], query)
    visitFields(rest, (field, value) => put(trie, [FIELDS, field, value], query))
  }
}

function collect(slot: Slot | undefined, found: Query[]): void {
  if (slot instanceof Map) slot.forEach((child, part) => part === FIELDS || collect(child, found))
  else if (slot instanceof Set) slot.forEach((query) => found.push(query))
  else if (slot) found.push(slot)
}

/**
 * Finds the queries that a filter matches without looking at all of them (L7). `match` gives what query-core's
 * `matchQuery` gives for every added query, in no particular order.
 *
 * A key must not change after `add`, as query-core asks too. A `queryKeyHashFn` may: `add` the query again.
 */
export class KeyIndex {
  #root: Trie = new Map()
  readonly #byHash = new Map<string, Query>()
  readonly #hashFns = new Set<typeof hashKey>()

  get size(): number {
    return this.#byHash.size
  }

  /** Adds a query. It takes the place of another one with its hash: a QueryCache holds one per hash. */
  add(query: Query): void {
    if (this.#hashFns.size <= MAX_HASH_FNS) this.#hashFns.add(query.options.queryKeyHashFn || hashKey)
    const other = this.#byHash.get(query.queryHash)
    if (other === query) return
    if (other) this.remove(other)
    this.#byHash.set(query.queryHash, query)
    insert(this.#root, query, 0)
  }

  /** Removes a query. Does nothing when it is not there. */
  remove(query: Query): void {
    if (this.#byHash.get(query.queryHash) !== query) return
    this.#byHash.delete(query.queryHash)
    const [lead, rest] = split(query.queryKey)
    const depth = take(this.#root, [...lead, HERE], query)
    let isKnown = depth > 0
    if (depth > lead.length) {
      visitFields(rest, (field, value) => {
        // Several objects may have been visited as ''.
        if (!take(this.#root, [...lead, FIELDS, field, value], query) && field) isKnown = false
      })
    }
    if (isKnown) return
    // Somebody has changed the key.
    const others = this.match({})
    this.clear()
    others.forEach((query) => this.add(query))
  }

  clear(): void {
    this.#root = new Map()
    this.#byHash.clear()
    this.#hashFns.clear()
  }

  match(filters: QueryFilters): Query[] {
    const found: Query[] = []
    this.#collectCandidates(filters, found)
    // Only now, because a predicate may change the cache.
    return found.filter((query) => matchQuery(filters, query))
  }

  #collectCandidates({ queryKey, exact }: QueryFilters, found: Query[]): void {
    let slot: Slot | undefined = this.#byHash
    if (queryKey && !exact) {
      const [lead, rest] = split(queryKey)
      slot = this.#root
      // A key that is no array can match one, field by field.
      if (lead.length) collect(slot.get(HERE), found)
      for (const part of lead) if (slot instanceof Map) slot = slot.get(part)
      if (rest.length && slot instanceof Map) {
        const fields = slot.get(FIELDS) as Map<string, Trie> | undefined
        slot = slot.get(HERE)
        // The shortest list of a field that the filter asks for; all where an object may have hidden ones.
        if (!fields?.has('')) {
          visitFields(rest, (field, value) => {
            const queries = fields?.get(field)?.get(value)
            if (field && sizeOf(queries) < sizeOf(slot)) slot = queries
          })
        }
      }
    } else if (queryKey && this.#hashFns.size <= MAX_HASH_FNS) {
      try {
        const hashes = new Set(Array.from(this.#hashFns, (hashFn) => hashFn(queryKey)))
        hashes.forEach((hash) => collect(this.#byHash.get(hash), found))
        return
      } catch {
        // A function that only queries of the past used may not know this key: `matchQuery` decides.
      }
    }
    collect(slot, found)
  }
}
