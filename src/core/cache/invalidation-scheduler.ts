/**
 * When an invalidated query is fetched again (L5): the first invalidation at once, at most one fetch in flight,
 * and whatever arrives during a fetch or too soon after the last one is made good by one more fetch at the end.
 * A fetch in flight is never aborted for an event, so events faster than the response cannot starve the screen.
 *
 * A wanted fetch that fails or is cancelled is wanted still: it is tried again, later and later, for as long as
 * the query is on screen. Off screen the stale mark is enough: TanStack fetches when it is mounted again.
 */
import type { Query } from '@tanstack/query-core'
import type { Clock } from '../clock.ts'

/** First pause before a failed or cancelled refetch is tried again, in ms; it doubles up to the longest. */
const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 30_000

/** What is known and planned for one query. */
interface Schedule {
  /** When the last fetch of this query began, whoever began it. */
  startedAt: number
  /** A fetch is wanted and has not succeeded yet. */
  wanted: boolean
  /** Also when nothing on screen observes the query (`refetchType: 'all'`). */
  evenInactive: boolean
  /** Failures in a row of a wanted fetch. */
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
  readonly #schedules = new Map<Query, Schedule>()

  constructor(options: InvalidationSchedulerOptions) {
    this.#options = options
  }

  /**
   * Wants a fetch of this query: as soon as the interval allows, and not before `notBeforeMs` from now. Asking
   * again before it starts changes nothing, or makes it sooner.
   */
  request(query: Query, { notBeforeMs = 0, evenInactive = false } = {}): void {
    const now = this.#options.clock.now()
    const schedule = this.#of(query)
    schedule.wanted = true
    schedule.evenInactive ||= evenInactive
    this.#plan(query, schedule, Math.max(now + notBeforeMs, schedule.startedAt + this.#options.intervalMs))
  }

  /** A fetch of this query began, whoever asked for it: it answers all that was wanted until now. */
  started(query: Query): void {
    const schedule = this.#of(query)
    schedule.startedAt = this.#options.clock.now()
    unplan(schedule)
  }

  /** The fetch that began last succeeded. */
  succeeded(query: Query): void {
    const schedule = this.#of(query)
    schedule.wanted = schedule.evenInactive = false
    schedule.failures = 0
  }

  /** The fetch that began last failed or was cancelled. If one is wanted, it is tried again after a pause. */
  failed(query: Query): void {
    const schedule = this.#of(query)
    if (!schedule.wanted) return
    // Between half of the pause and all of it, so that many clients of one failing server do not keep step.
    const pause = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** schedule.failures)
    schedule.failures += 1
    this.#plan(query, schedule, this.#options.clock.now() + pause * (0.5 + this.#options.random() / 2))
  }

  /** Wants a fetch without planning one: what ends the present one plans it. */
  want(query: Query): void {
    this.#of(query).wanted = true
  }

  /** When the last fetch of this query began; before all time if none was seen. */
  startedAt(query: Query): number {
    return this.#schedules.get(query)?.startedAt ?? -Infinity
  }

  isWanted(query: Query): boolean {
    return this.#schedules.get(query)?.wanted === true
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
        wanted: false,
        evenInactive: false,
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
      if (isFetchable(query, schedule.evenInactive)) this.#options.refetch(query)
    }
    const delayMs = dueAt - this.#options.clock.now()
    schedule.cancel = delayMs > 0 ? this.#options.clock.after(delayMs, start) : soon(start)
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

/** What `refetchQueries` leaves out: disabled queries and those with `staleTime: 'static'`. */
function isFetchable(query: Query, evenInactive: boolean): boolean {
  // `isStatic` came with `staleTime: 'static'`, later than the oldest query-core supported.
  const isStatic = (query as { isStatic?: () => boolean }).isStatic
  return (evenInactive || query.isActive()) && !query.isDisabled() && isStatic?.call(query) !== true
}
