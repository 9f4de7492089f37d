import type { Clock } from '../../core/clock.ts'
import type { SharedFrame } from './shared-frame.ts'

/** Something that is done a few ms at a time. Must not throw. */
export interface Work {
  /** `false`: there is more to do, in another turn. */
  work(turn: Turn): boolean
}

/** How long one turn may take, in ms. A write costs about 5 µs, so this is some hundreds of sockets. */
const TURN_MS = 4

/** Between two looks at the clock. */
const STEPS_PER_LOOK = 16

/** What the checks of so many sockets touch is still at hand when they write. */
const DIRECT_AT_A_TIME = 32

/** The time there is until the process does something else. */
export class Turn {
  readonly #clock: Clock
  readonly #startedAt: number
  #steps = 0
  #isOver = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAt = clock.now()
  }

  /** Whether there is time for another step. Asked once after each of them. */
  hasTime(): boolean {
    this.#steps += 1
    if (this.#steps % STEPS_PER_LOOK === 0) {
      const elapsedMs = this.#clock.now() - this.#startedAt
      // A clock that was set back ends the turn, too.
      this.#isOver ||= elapsedMs >= TURN_MS || elapsedMs < 0
    }
    return !this.#isOver
  }
}

/**
 * Does what is to be brought to sockets in the order in which it came, a few ms at a time: between two turns the
 * process does everything else, so that one publish to 10,000 sockets holds nobody up. What comes for a socket while
 * it waits for its turn goes out in the same write.
 */
export class WriteQueue {
  /** What is brought to everybody now: whoever has nothing else waiting writes it in this very turn. See `addDirect`. */
  direct: SharedFrame | undefined
  readonly #direct: Work[] = []
  readonly #clock: Clock
  readonly #defer: (run: () => void) => void
  readonly #waiting: Work[] = []
  #isScheduled = false
  #isServing = false

  constructor(clock: Clock, defer: (run: () => void) => void) {
    this.#clock = clock
    this.#defer = defer
  }

  add(work: Work): void {
    this.#waiting.push(work)
    this.#schedule()
  }

  /**
   * Somebody whose turn it is already, and who is to write `direct`. A few are gathered before they write: to look at each of them first costs less
   * than to come back to it from the system, which has filled the processor's cache with what is its own.
   */
  addDirect(work: Work): void {
    this.#direct.push(work)
  }

  /** Those who were gathered write, unless there are too few yet. `turn` is of no use to them: one write is one step. */
  serveDirect(turn: Turn, isLast: boolean): void {
    const direct = this.#direct
    if (direct.length < DIRECT_AT_A_TIME && !isLast) return
    for (let at = 0; at < direct.length; at++) direct[at]!.work(turn)
    direct.length = 0
  }

  /** Does as much as there is time for now, and the rest later. */
  serve(): void {
    // Somebody who is written to may end, of which others are to hear.
    if (this.#isServing) return
    this.#isServing = true
    const turn = new Turn(this.#clock)
    let done = 0
    while (done < this.#waiting.length && this.#waiting[done]!.work(turn)) {
      done += 1
      if (!turn.hasTime()) break
    }
    this.#waiting.splice(0, done)
    this.#isServing = false
    if (this.#waiting.length > 0) this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isServing) return
    this.#isScheduled = true
    this.#defer(() => {
      this.#isScheduled = false
      this.serve()
    })
  }
}
