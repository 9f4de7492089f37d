/**
 * The app's own `setQueryData` beside ours. A snapshot taken in `onMutate` and put back in `onError` takes along
 * every event and every response that came in between, and nothing in the written value tells. So: a write of the
 * app's to a query that has changed since the oldest pending mutation began is not trusted, and the query is fetched
 * once when no mutation is pending any more (sooner, the response could wipe out an optimistic value).
 */
import type { Query } from '@tanstack/query-core'
import type { CacheParts } from './cache-parts.ts'

type Parts = Pick<CacheParts, 'options' | 'refetches'>

export class ForeignWrites {
  readonly #parts: Parts
  /** When an event or a response last changed a query; what came before it was there is not known. */
  readonly #changedAt = new WeakMap<Query, number>()
  /** To fetch when no mutation is pending. */
  readonly #doubtful = new Set<Query>()
  /** Detaches from the mutation cache; attached while something is doubtful. */
  #detach: (() => void) | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** An event or a response changed this query's data, or the query is new. */
  changed(query: Query): void {
    this.#changedAt.set(query, this.#parts.options.clock.now())
  }

  /** The app wrote this query's data. */
  writtenByApp(query: Query): void {
    if (this.#isExposed(query)) this.defer(query)
  }

  /** Fetches a query when no mutation is pending. False when none is: nothing is to be waited for. */
  defer(query: Query): boolean {
    if (this.#pending().length === 0) return false
    this.#doubtful.add(query)
    this.#detach ??= this.#mutations().subscribe(() => {
      if (this.#pending().length === 0) this.#settle()
    })
    return true
  }

  /** The query has left the cache. */
  forget(query: Query): void {
    this.#doubtful.delete(query)
  }

  stop(): void {
    this.#detach?.()
    this.#detach = undefined
    this.#doubtful.clear()
  }

  /** Those of these queries that a write of the app's has made doubtful, or may yet. */
  unfinished(queries: readonly Query[]): Query[] {
    return queries.filter((query) => this.#doubtful.has(query) || this.#isExposed(query))
  }

  /** Whether a pending mutation may hold a snapshot from before the last change. */
  #isExposed(query: Query): boolean {
    const changedAt = this.#changedAt.get(query) ?? -Infinity
    return this.#pending().some((mutation) => mutation.state.submittedAt <= changedAt)
  }

  #mutations() {
    return this.#parts.options.queryClient.getMutationCache()
  }

  #pending() {
    return this.#mutations().findAll({ status: 'pending' })
  }

  #settle(): void {
    const queries = [...this.#doubtful]
    this.stop()
    for (const query of queries) this.#parts.refetches.invalidate(query, 'active')
  }
}
