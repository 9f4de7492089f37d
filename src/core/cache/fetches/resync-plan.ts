/**
 * In which order, and when, the queries are fetched whose stream was broken (L2). Pure: time and chance are passed in.
 *
 * When it is the server that has lost its history, all of its clients hear of it at the same moment: each spreads its
 * fetches. Those who come back after a drop are spread by the backoff already.
 */

export interface ResyncQuery<TQuery> {
  readonly query: TQuery
  /** How many requests its fetch makes: the pages of an infinite query, and 1 for every other. */
  readonly requests: number
}

export interface ResyncSpread {
  /** The whole window, in ms. 0: at once. */
  readonly spreadMs: number
  /** A number in [0, 1). */
  readonly random: () => number
}

/** The queries in the order in which they are to start, each with its delay. */
export function planResync<TQuery>(
  queries: readonly ResyncQuery<TQuery>[],
  { spreadMs, random }: ResyncSpread,
): { readonly query: TQuery; readonly delayMs: number }[] {
  const cheapFirst = [...queries].sort((a, b) => a.requests - b.requests)
  // Each draws a moment; the earliest goes to the cheapest, so that much of the screen is true soon.
  const delays = cheapFirst.map(() => Math.floor(random() * spreadMs)).sort((a, b) => a - b)
  return cheapFirst.map(({ query }, index) => ({ query, delayMs: delays[index] ?? 0 }))
}
