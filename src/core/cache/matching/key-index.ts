import { hashKey, matchQuery, type Query, type QueryFilters } from '@tanstack/query-core'
import { branch, collect, extract, insert, narrow, put, take, type Trie } from './key-trie.ts'

/**
 * Finds the queries that a filter matches without looking at all of them (L7). `match` gives what query-core's
 * `matchQuery` gives for every added query, in no particular order: each candidate is put to it.
 *
 * A key must not change after `add`, as query-core asks too. A `queryKeyHashFn` may: `add` the query again.
 */
export class KeyIndex {
  #root: Trie = new Map()
  /** Hash function → hash → query: `exact` hashes the filter once per function in use. */
  #hashed: Trie = new Map()

  /** How many queries there are. Counts them. */
  get size(): number {
    return this.match({}).length
  }

  /** Adds a query. When it is there already its hash function is read anew. */
  add(query: Query): void {
    this.remove(query)
    put(branch(this.#hashed, query.options.queryKeyHashFn || hashKey), query.queryHash, query)
    insert(this.#root, query)
  }

  /** Removes a query. Does nothing when it is not there. */
  remove(query: Query): void {
    for (const hashFn of this.#hashed.keys()) {
      if (!take(this.#hashed, [hashFn, query.queryHash], query)) continue
      if (!extract(this.#root, query)) this.#rebuild()
      return
    }
  }

  clear(): void {
    this.#root = new Map()
    this.#hashed = new Map()
  }

  match(filters: QueryFilters): Query[] {
    const { queryKey, exact } = filters
    const found: Query[] = []
    if (exact && queryKey) {
      this.#hashed.forEach((queries, hashFn) => {
        collect((queries as Trie).get((hashFn as typeof hashKey)(queryKey)), found)
      })
    } else collect(Array.isArray(queryKey) ? narrow(this.#root, queryKey) : this.#hashed, found)
    // Only now, because a predicate may change the cache.
    return found.filter((query) => matchQuery(filters, query))
  }

  #rebuild(): void {
    const queries = this.match({})
    this.clear()
    for (const query of queries) this.add(query)
  }
}
