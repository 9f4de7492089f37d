/**
 * What a reset makes of the queries that its topic keeps live (L2): those on screen are fetched, the cheap ones first,
 * spread over a while and a few at a time; the others are marked stale. Pure: time and chance are passed in.
 *
 * A reset comes to all clients of a server at once when it is the server that has lost its history, and to a client
 * alone after a drop. Those who come back after a drop are spread by the backoff already.
 */

export interface ResyncQuery<TQuery> {
  readonly query: TQuery
  /** A mounted observer wants it. */
  readonly isActive: boolean
  /** How many requests its fetch makes: the pages of an infinite query, and 1 for every other. */
  readonly requests: number
}

export interface ResyncPlan<TQuery> {
  /** In the order in which they start. */
  readonly fetch: readonly { readonly query: TQuery; readonly delayMs: number }[]
  readonly stale: readonly TQuery[]
}

export interface ResyncSpread {
  /** The whole window, in ms. 0: at once. */
  readonly spreadMs: number
  /** A number in [0, 1). */
  readonly random: () => number
}

export function planResync<TQuery>(
  queries: readonly ResyncQuery<TQuery>[],
  { spreadMs, random }: ResyncSpread,
): ResyncPlan<TQuery> {
  const stale = queries.filter(({ isActive }) => !isActive).map(({ query }) => query)
  const active = queries.filter(({ isActive }) => isActive).sort((a, b) => a.requests - b.requests)
  // Each draws a moment; the earliest goes to the cheapest, so that much of the screen is true soon.
  const delays = active.map(() => Math.floor(random() * spreadMs)).sort((a, b) => a - b)
  return { fetch: active.map(({ query }, index) => ({ query, delayMs: delays[index] ?? 0 })), stale }
}

/** Lets a few through at a time, in the order in which they came. */
export class FetchGate<TQuery> {
  readonly #maxAtOnce: number
  readonly #inside = new Set<TQuery>()
  readonly #waiting = new Map<TQuery, () => void>()

  constructor(maxAtOnce: number) {
    this.#maxAtOnce = maxAtOnce
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Calls `start` when there is room: now, or when others have left. One that waits already keeps its place. */
  enter(query: TQuery, start: () => void): void {
    if (this.#inside.size < this.#maxAtOnce || this.#inside.has(query)) {
      this.#inside.add(query)
      start()
    } else this.#waiting.set(query, start)
  }

  /** Its fetch has ended, or is not wanted any more. */
  leave(query: TQuery): void {
    this.#waiting.delete(query)
    if (!this.#inside.delete(query)) return
    for (const [next, start] of this.#waiting) {
      if (this.#inside.size >= this.#maxAtOnce) return
      this.#waiting.delete(next)
      this.#inside.add(next)
      start()
    }
  }

  clear(): void {
    this.#inside.clear()
    this.#waiting.clear()
  }
}
