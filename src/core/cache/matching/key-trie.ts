/**
 * A trie over key parts, up to a key's first object or array: from there on it is an inverted index, because an
 * object matches partially, field by field.
 *
 *   ['todos', 'detail', 7]                'todos' ─┬─ 'detail' ─ 7 ─ query
 *   ['todos', 'list', { page: 1 }]                 └─ 'list' ─┬─ HERE ─ both queries
 *   ['todos', 'list', { page: 2 }]                            └─ FIELDS ─ '0.page' ─┬─ 1 ─ query
 *                                                                                   └─ 2 ─ query
 * A query alone below a part hangs there itself, whatever else its key says, so that a leaf costs no node.
 * What is found are candidates, never too few: a part or a field is there to narrow, not to decide.
 */
import type { Query } from '@tanstack/query-core'

export type Trie = Map<unknown, Slot>
export type Slot = Query | Set<Query> | Trie

/** Symbols, so that no part of a key is equal to them. */
const HERE = Symbol()
const FIELDS = Symbol()

/** Instances of these classes (and of none) inherit no value that a filter could ask for. */
const PLAIN: unknown[] = [Object, Array, Date, undefined]

/** Fields under a longer path narrow nothing. (An app that hashes its keys itself may have circular ones.) */
const MAX_PATH_LENGTH = 40

const isObject = (value: unknown): value is object =>
  typeof value === 'object' ? value !== null : typeof value === 'function'

/**
 * The parts that the trie branches on, and the rest. `undefined` belongs to the rest, because in a filter it also
 * matches a part that is not there.
 */
function split(key: unknown): [lead: readonly unknown[], rest: readonly unknown[]] {
  if (!Array.isArray(key)) return [[], [key]] // Types forbid it, and it matches no filter that is an array.
  let end = 0
  while (key[end] !== undefined && !isObject(key[end])) end++
  return [key.slice(0, end), key.slice(end)]
}

/**
 * Visits the fields that a filter matches only when the key has them, nested ones under dotted paths. (A dot in a
 * name may make two fields share a path: that gives more candidates, never fewer.) An object of another class
 * may answer by a getter, as a Map does for `size`: it is visited as `('', undefined)`.
 */
function visitFields(object: object, visit: (path: string, value: unknown) => void, prefix = ''): void {
  if (!PLAIN.includes(object.constructor)) visit('', undefined)
  for (const [name, value] of Object.entries(object)) {
    const path = prefix + name
    if (isObject(value)) {
      if (path.length < MAX_PATH_LENGTH) visitFields(value, visit, `${path}.`)
    } else if (value !== undefined && name !== 'length') visit(path, value)
  }
}

/** The trie below a part. Made when there is none. */
export function branch(trie: Trie, part: unknown): Trie {
  const slot = (trie.get(part) as Trie | undefined) ?? new Map<unknown, Slot>()
  trie.set(part, slot)
  return slot
}

export function put(trie: Trie, part: unknown, query: Query): void {
  const slot = trie.get(part) as Query | Set<Query> | undefined
  trie.set(part, slot instanceof Set ? slot.add(query) : slot ? new Set([slot, query]) : query)
}

/** Removes a query and what is empty without it. Gives how many parts before the path's end it hung, or 0. */
export function take(trie: Trie, [part, ...path]: readonly unknown[], query: Query): number {
  const slot = trie.get(part)
  const found =
    slot instanceof Map
      ? take(slot, path, query)
      : slot === query
        ? path.length + 1
        : +(slot instanceof Set && slot.delete(query))
  if (found && !(slot as { size?: number }).size) trie.delete(part)
  return found
}

export function insert(trie: Trie, query: Query, depth = 0): void {
  const [lead, rest] = split(query.queryKey)
  if (depth < lead.length) {
    const part = lead[depth++]
    const slot = trie.get(part)
    if (!slot) trie.set(part, query)
    else {
      if (!(slot instanceof Map)) {
        trie.delete(part)
        insert(branch(trie, part), slot as Query, depth)
      }
      insert(branch(trie, part), query, depth)
    }
  } else {
    put(trie, HERE, query)
    visitFields(rest, (path, value) => {
      put(branch(branch(trie, FIELDS), path), value, query)
    })
  }
}

/** False when the query is not where its key says: the key has changed since. Some of it may be left behind. */
export function extract(trie: Trie, query: Query): boolean {
  const [lead, rest] = split(query.queryKey)
  const found = take(trie, [...lead, HERE], query)
  let isWhole = found > 0
  if (found === 1) {
    visitFields(rest, (path, value) => {
      // Several objects may have been visited as ''.
      if (!take(trie, [...lead, FIELDS, path, value], query) && path) isWhole = false
    })
  }
  return isWhole
}

const sizeOf = (slot: Slot | undefined): number => (slot ? ((slot as { size?: number }).size ?? 1) : 0)

/** The candidates for a filter's key. */
export function narrow(trie: Trie, queryKey: readonly unknown[]): Slot | undefined {
  const [lead, rest] = split(queryKey)
  let slot: Slot | undefined = trie
  for (const part of lead) if (slot instanceof Map) slot = slot.get(part)
  if (rest.length && slot instanceof Map) {
    const fields = slot.get(FIELDS) as Map<string, Trie> | undefined
    slot = slot.get(HERE)
    // The shortest list of a field that the filter asks for; all where an object may have hidden ones.
    if (!fields?.has('')) {
      visitFields(rest, (path, value) => {
        const queries = fields?.get(path)?.get(value)
        if (path && sizeOf(queries) < sizeOf(slot)) slot = queries
      })
    }
  }
  return slot
}

/** Pushes the queries of a slot and of all below it. */
export function collect(slot: Slot | undefined, found: Query[]): void {
  if (slot instanceof Map) {
    slot.forEach((child, part) => {
      if (part !== FIELDS) collect(child, found)
    })
  } else if (slot instanceof Set) slot.forEach((query) => found.push(query))
  else if (slot) found.push(slot)
}
