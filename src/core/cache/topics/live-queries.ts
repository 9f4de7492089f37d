/**
 * Which queries are live: every topic that keeps them so is. Whoever asks gets the answer of this moment. Whoever has
 * asked and acts on it (the timers of TanStack's observers, a component) is told once per turn, after changes.
 */
import { notifyManager, type Query, type StaleTime } from '@tanstack/query-core'
import type { TopicInterest } from './topic-interest.ts'

/** What TanStack passes to option functions: the query, of whatever type its data is. */
export interface QueryOfOptions {
  readonly queryHash: string
}

export interface LiveQueriesOptions {
  interest: Pick<TopicInterest, 'topicsOf' | 'observed'>
  isTopicLive(topic: string): boolean
  isConnectionLive(): boolean
  /** A number in [0, 1). */
  random(): number
  /** Called after changes, once per turn. */
  onChange(): void
}

export class LiveQueries {
  readonly #options: LiveQueriesOptions
  /** What the observers of a query were last told. */
  readonly #told = new WeakMap<Query, boolean>()
  #isChangeDue = false
  /** The clients of a server go down together: without this they would poll in step. */
  readonly #spread: number

  constructor(options: LiveQueriesOptions) {
    this.#options = options
    this.#spread = 1 + options.random() / 10
  }

  isLive(query: Query): boolean {
    const topics = this.#options.interest.topicsOf(query)
    if (topics === undefined) return this.#options.isConnectionLive()
    return topics.length > 0 && topics.every((topic) => this.#options.isTopicLive(topic))
  }

  staleTime(otherwise: StaleTime): (query: QueryOfOptions) => StaleTime {
    return (query) => (this.isLive(query as Query) ? Infinity : otherwise)
  }

  pollWhenDown(intervalMs: number): (query: QueryOfOptions) => number | false {
    return (query) => !this.isLive(query as Query) && Math.round(intervalMs * this.#spread)
  }

  /** The connection, or a topic, may be in another state. */
  changed(): void {
    if (this.#isChangeDue) return
    this.#isChangeDue = true
    // A gap that closes within its frame was none, and one frame may answer many topics.
    queueMicrotask(() => {
      this.flush()
    })
  }

  /** Tells what has changed. */
  flush(): void {
    if (!this.#isChangeDue) return
    this.#isChangeDue = false
    notifyManager.batch(() => {
      for (const query of [...this.#options.interest.observed()]) {
        const isLive = this.isLive(query)
        if (this.#told.get(query) === isLive) continue
        this.#told.set(query, isLive)
        // An observer asks `staleTime` and `refetchInterval` again when something happens to its query, and not before.
        for (const observer of [...query.observers]) observer.onQueryUpdate()
      }
    })
    this.#options.onChange()
  }
}
