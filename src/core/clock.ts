/** Time, as every stage sees it. Tests pass their own; the real one is `systemClock`. */
export interface Clock {
  /** Milliseconds since the epoch: compared with times that TanStack Query takes by `Date.now`. May be set back. */
  now(): number
  /** Calls `callback` once after `delayMs`. Returns what cancels it. */
  after(delayMs: number, callback: () => void): () => void
  /** Milliseconds since some moment, whatever the time of day is set to. May stand still in sleep. Absent: not known. */
  elapsed?(): number
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
  elapsed: () => globalThis.performance?.now() ?? 0,
}

/** A clock for deadlines and ages. */
export interface SteadyClock extends Clock {
  /** A moment of this clock, in the time of the clock under it. */
  timeOfDay(at: number): number
}

/** Two clocks are read one after the other, and round. In ms. */
const TOLERANCE_MS = 50

/**
 * A clock that goes on when the one under it is set back. That one counts sleep, and may be set; what has gone by since
 * it was read last, nobody sets.
 */
export function steadyClock(clock: Clock): SteadyClock {
  /** How far the one under it was set back. */
  let ahead = 0
  const read = () => ({ day: clock.now(), elapsed: clock.elapsed?.() ?? 0 })
  let last = read()
  return {
    now() {
      const now = read()
      const lost = now.elapsed - last.elapsed - (now.day - last.day)
      if (lost > TOLERANCE_MS) ahead += Math.round(lost)
      last = now
      return now.day + ahead
    },
    after: (delayMs, callback) => clock.after(delayMs, callback),
    timeOfDay: (at) => at - ahead,
  }
}
