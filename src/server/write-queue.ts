import type { Clock } from '../core/clock.ts'

/** Somebody with frames to write. Must not throw. */
export interface Writer {
  /** Writes everything that waits. Nothing may be left to write. */
  write(): void
}

/** How long one turn may write, in ms. A write costs about 10 µs, so this is some hundreds of sockets. */
const TURN_MS = 4

/** Between two looks at the clock. */
const WRITES_PER_LOOK = 16

/**
 * Serves those who have something to write in the order in which they came, a few ms at a time: between two turns
 * the process does everything else, so that one publish to 10,000 sockets holds nobody up. What comes for a socket
 * while it waits for its turn goes out in the same write.
 */
export class WriteQueue {
  readonly #clock: Clock
  readonly #defer: (run: () => void) => void
  readonly #waiting: Writer[] = []
  #isScheduled = false
  #isServing = false

  constructor(clock: Clock, defer: (run: () => void) => void) {
    this.#clock = clock
    this.#defer = defer
  }

  add(writer: Writer): void {
    this.#waiting.push(writer)
    this.#schedule()
  }

  /** Serves as many as there is time for now, and the others later. */
  serve(): void {
    // Somebody who is written to may end, of which others are to hear.
    if (this.#isServing) return
    this.#isServing = true
    const startedAt = this.#clock.now()
    let served = 0
    while (served < this.#waiting.length) {
      this.#waiting[served++]!.write()
      if (served % WRITES_PER_LOOK > 0) continue
      const elapsedMs = this.#clock.now() - startedAt
      // A clock that was set back ends the turn, too.
      if (elapsedMs >= TURN_MS || elapsedMs < 0) break
    }
    this.#waiting.splice(0, served)
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
