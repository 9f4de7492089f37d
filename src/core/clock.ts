/** Time, as every stage sees it. Tests pass their own; the real one is `systemClock`. */
export interface Clock {
  /** Milliseconds since the epoch: compared with times that TanStack Query takes by `Date.now`. May be set back. */
  now(): number
  /** Calls `callback` once after `delayMs`. Returns what cancels it. */
  after(delayMs: number, callback: () => void): () => void
}

/** 24 days. A timer that is given more, `Infinity` too, goes off at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** The platform's clock and timers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, MAX_DELAY_MS))
    return () => {
      clearTimeout(timer)
    }
  },
}
