/**
 * The app's own `setQueryData` beside ours. A snapshot taken in `onMutate` and put back in `onError` takes every
 * event along that was applied in between, and nothing in the written value tells. So: a write of the app's to a
 * query that an event has changed since the oldest pending mutation began is not trusted, and the query is fetched
 * once when no mutation is pending any more (sooner, the response could wipe out an optimistic value).
 */
import type { MutationCache, Query } from '@tanstack/query-core'
import type { Clock } from '../clock.ts'

export interface ForeignWritesOptions {
  mutationCache: MutationCache
  clock: Clock
  /** Fetches a query whose data is doubtful. */
  refetch(query: Query): void
}

export class ForeignWrites {
  readonly #options: ForeignWritesOptions
  /** When an event last changed a query. */
  readonly #changedAt = new WeakMap<Query, number>()
  /** To fetch when no mutation is pending. */
  readonly #doubtful = new Set<Query>()
  /** Detaches from the mutation cache; attached while something is doubtful. */
  #detach: (() => void) | undefined

  constructor(options: ForeignWritesOptions) {
    this.#options = options
  }

  /** An event changed this query's data. */
  changedByEvent(query: Query): void {
    this.#changedAt.set(query, this.#options.clock.now())
  }

  /** The app wrote this query's data. */
  writtenByApp(query: Query): void {
    const changedAt = this.#changedAt.get(query)
    if (changedAt === undefined) return
    const pending = this.#pending()
    if (!pending.some((mutation) => mutation.state.submittedAt <= changedAt)) return
    this.#doubtful.add(query)
    this.#detach ??= this.#options.mutationCache.subscribe(() => {
      if (this.#pending().length === 0) this.#settle()
    })
  }

  stop(): void {
    this.#detach?.()
    this.#detach = undefined
    this.#doubtful.clear()
  }

  #pending() {
    return this.#options.mutationCache.findAll({ status: 'pending' })
  }

  #settle(): void {
    const queries = [...this.#doubtful]
    this.stop()
    for (const query of queries) this.#options.refetch(query)
  }
}
