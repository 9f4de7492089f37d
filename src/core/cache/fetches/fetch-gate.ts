/**
 * Lets a few fetches run at a time. The others wait in line, and go in the order in which they came.
 *
 *   enter ──room──▶ running ──settled, held for too long──▶ left, the next one goes
 *     └───full────▶ waiting ──forgotten──▶ gone
 *
 * A place belongs to one run, not to a query: whatever becomes of the query, the place is given back when the run's
 * promise settles, and after `maxHoldMs` all the same, since a fetch may hang, or be paused while there is no network.
 */
import type { Clock } from '../../clock.ts'

export interface FetchGateOptions {
  readonly clock: Clock
  readonly maxAtOnce: number
  /** How long a run counts at most, in ms. */
  readonly maxHoldMs: number
}

/** Begins a fetch. `undefined`: there is none to be made any more. */
export type StartFetch = () => Promise<unknown> | undefined

export class FetchGate<TQuery> {
  readonly #options: FetchGateOptions
  /** Ends the timer of each place that is taken. */
  readonly #running = new Set<() => void>()
  readonly #waiting = new Map<TQuery, StartFetch>()
  #isCalling = false

  constructor(options: FetchGateOptions) {
    this.#options = options
  }

  /** Starts a fetch when there is room: now, or when others have ended. One that waits already keeps its place. */
  enter(query: TQuery, start: StartFetch): void {
    this.#waiting.set(query, start)
    this.#callNext()
  }

  /** A fetch that waits is not wanted any more. */
  forget(query: TQuery): void {
    this.#waiting.delete(query)
  }

  /** Nobody waits, and no timer is left. What runs counts no longer. */
  clear(): void {
    this.#waiting.clear()
    for (const stop of this.#running) stop()
    this.#running.clear()
  }

  #callNext(): void {
    if (this.#isCalling) return // The loop below goes on.
    this.#isCalling = true
    const errors: unknown[] = []
    for (const [query, start] of this.#waiting) {
      if (this.#running.size >= this.#options.maxAtOnce) break
      this.#waiting.delete(query)
      try {
        this.#run(start)
      } catch (cause) {
        errors.push(cause) // The others are not to wait for one that comes to nothing.
      }
    }
    this.#isCalling = false
    if (errors.length > 0) throw errors[0]
  }

  #run(start: StartFetch): void {
    const { clock, maxHoldMs } = this.#options
    const leave = () => {
      stop()
      // False: `clear` has taken the place back.
      if (this.#running.delete(stop)) this.#callNext()
    }
    const stop = clock.after(maxHoldMs, leave)
    this.#running.add(stop)
    let run: ReturnType<StartFetch>
    try {
      run = start()
    } finally {
      if (run) run.then(leave, leave)
      else leave()
    }
  }
}
