import { systemClock, type Clock } from '../core/clock.ts'

/**
 * A clock that nobody sets: what has gone by, from the time of day when it was made on. Leases, deadlines and ages hold
 * also where a machine corrects its time. It is not the time of day any more, so no other machine is compared with it.
 */
export function elapsedClock(clock: Clock = systemClock): Clock {
  const elapsed = () => clock.elapsed?.()
  const elapsedAtFirst = elapsed()
  if (elapsedAtFirst === undefined) return clock
  const begin = clock.now() - elapsedAtFirst
  return {
    // Whole: clients are told what is measured with it.
    now: () => Math.floor(begin + (elapsed() ?? 0)),
    after: (delayMs, callback) => clock.after(delayMs, callback),
    elapsed: () => elapsed() ?? 0,
  }
}

/** The same, for those that only look at it. */
export function elapsedTime(): () => number {
  const clock = elapsedClock()
  return () => clock.now()
}
