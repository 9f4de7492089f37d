/**
 * When an invalidated query is fetched again (L5): the first invalidation at once, at most one fetch in flight,
 * and whatever arrives during a fetch or too soon after the last one is made good by one more fetch at the end.
 * A fetch in flight is never aborted for an event, so events faster than the response cannot starve the screen.
 *
 * A wanted fetch that fails or is cancelled is wanted still: while the query is on screen and shows data that is now
 * wrong, it is tried again, later and later, a bounded number of times. After that, and off screen, the stale mark is
 * enough: TanStack fetches on focus, on reconnect, and when the query is mounted again.
 */
import type { Query } from '@tanstack/query-core'
import { steadyClock, type Clock, type SteadyClock } from '../../clock.ts'
import { widest, type RefetchType } from '../../overlay/fact.ts'

/** First pause before a failed or cancelled refetch is tried again, in ms; it doubles up to the longest. */
const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 30_000

/** Failures in a row, since the last event, after which it is left to the app: about two minutes of trying. */
const MAX_RETRIES = 8

/** What is known and planned for one query. */
interface Schedule {
  /** When the last fetch of this query began, whoever began it. */
  startedAt: number
  /** When the last one that succeeded began: what it brought is as new as that. */
  provenAt: number
  /** Out of date, as far as events tell, and what is to be fetched for it. Until a whole response has come. */
  stale: RefetchType | undefined
  /** Failures in a row of a wanted fetch, since it was last asked for. */
  failures: number
  /** Cancels the planned start, and when it is due. */
  cancel: (() => void) | undefined
  dueAt: number
}

export interface InvalidationSchedulerOptions {
  clock: Clock
  random(): number
  /** At least this long between the starts of two fetches of one query, in ms. */
  intervalMs: number
  /** Starts the fetch. Never called inside a dispatch of the query. */
  refetch(query: Query): void
}

export class InvalidationScheduler {
  readonly #options: InvalidationSchedulerOptions
  readonly #clock: SteadyClock
  readonly #schedules = new Map<Query, Schedule>()

  constructor(options: InvalidationSchedulerOptions) {
    this.#options = options
    this.#clock = steadyClock(options.clock)
  }

  /**
   * Wants a fetch of this query: as soon as the interval allows, and not before `notBeforeMs` from now. Asking
   * again before it starts changes nothing, or makes it sooner.
   */
  request(query: Query, refetchType: RefetchType, notBeforeMs = 0): void {
    this.mark(query, refetchType)
    const now = this.#clock.now()
    const schedule = this.#of(query)
    const earliest = schedule.startedAt + this.#options.intervalMs
    this.#plan(query, schedule, Math.max(now + notBeforeMs, earliest))
  }

  /** A fetch of this query began, whoever asked for it: it answers all that was wanted until now. */
  started(query: Query): void {
    const schedule = this.#of(query)
    schedule.startedAt = this.#clock.now()
    unplan(schedule)
  }

  /** The fetch that began last succeeded. */
  succeeded(query: Query): void {
    const schedule = this.#of(query)
    schedule.provenAt = schedule.startedAt
    schedule.stale = undefined
    schedule.failures = 0
  }

  /** The fetch that began last failed or was cancelled. If one is wanted, it is tried again after a pause. */
  failed(query: Query): void {
    const schedule = this.#of(query)
    if (!schedule.stale || schedule.stale === 'none') return
    const { data, status } = query.state
    const hasNothingToMend = data === undefined && status === 'error'
    if (hasNothingToMend || !query.isActive() || schedule.failures >= MAX_RETRIES) {
      schedule.failures = 0
      return
    }
    // Between half of the pause and all of it, so that many clients of one failing server do not keep step.
    const pause = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** schedule.failures)
    schedule.failures += 1
    this.#plan(query, schedule, this.#clock.now() + pause * (0.5 + this.#options.random() / 2))
  }

  /** Notes that a query is out of date without planning a fetch: what ends the present one plans it. */
  mark(query: Query, refetchType: RefetchType): void {
    const schedule = this.#of(query)
    schedule.stale = widest(schedule.stale, refetchType)
    // Whatever was tried before it says nothing of what it takes from here.
    schedule.failures = 0
  }

  /** How long ago the last fetch of this query began, in ms; `Infinity` if none was seen. */
  startedAgoMs(query: Query): number {
    return this.#clock.now() - (this.#schedules.get(query)?.startedAt ?? -Infinity)
  }

  /** How long ago the last fetch of this query that succeeded began, in ms; `Infinity` if none was seen. */
  provenAgoMs(query: Query): number {
    return this.#clock.now() - (this.#schedules.get(query)?.provenAt ?? -Infinity)
  }

  /** What is to be fetched because events have put the query out of date; `undefined`: they have not. */
  staleness(query: Query): RefetchType | undefined {
    return this.#schedules.get(query)?.stale
  }

  /** The queries that are out of date. */
  unfinished(): Query[] {
    return [...this.#schedules].filter(([, { stale }]) => stale).map(([query]) => query)
  }

  forget(query: Query): void {
    const schedule = this.#schedules.get(query)
    if (schedule !== undefined) unplan(schedule)
    this.#schedules.delete(query)
  }

  clear(): void {
    for (const schedule of this.#schedules.values()) unplan(schedule)
    this.#schedules.clear()
  }

  #of(query: Query): Schedule {
    let schedule = this.#schedules.get(query)
    if (schedule === undefined) {
      schedule = {
        startedAt: -Infinity,
        provenAt: -Infinity,
        stale: undefined,
        failures: 0,
        cancel: undefined,
        dueAt: 0,
      }
      this.#schedules.set(query, schedule)
    }
    return schedule
  }

  #plan(query: Query, schedule: Schedule, dueAt: number): void {
    if (schedule.cancel !== undefined) {
      if (schedule.dueAt <= dueAt) return
      unplan(schedule)
    }
    schedule.dueAt = dueAt
    const start = () => {
      schedule.cancel = undefined
      if (wouldFetch(query, schedule.stale ?? 'none')) this.#options.refetch(query)
    }
    const delayMs = dueAt - this.#clock.now()
    schedule.cancel = delayMs > 0 ? this.#clock.after(delayMs, start) : soon(start)
  }
}

function unplan(schedule: Schedule): void {
  schedule.cancel?.()
  schedule.cancel = undefined
}

/** A microtask that can be called off: after the dispatch that is going on, before anything else. */
function soon(callback: () => void): () => void {
  let cancelled = false
  queueMicrotask(() => {
    if (!cancelled) callback()
  })
  return () => {
    cancelled = true
  }
}

/** Whether an invalidation with this refetch type fetches the query as it is now, as `invalidateQueries` would. */
export function wouldFetch(query: Query, refetchType: RefetchType): boolean {
  // `isStatic` came with `staleTime: 'static'`, later than the oldest query-core supported.
  const isStatic = (query as { isStatic?: () => boolean }).isStatic
  const isMeant = refetchType === 'all' || refetchType === (query.isActive() ? 'active' : 'inactive')
  return isMeant && !query.isDisabled() && isStatic?.call(query) !== true
}
