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
  /** Since when whoever is added is served at once. */
  #directSince: number | undefined
  #servedDirectly = 0

  constructor(clock: Clock, defer: (run: () => void) => void) {
    this.#clock = clock
    this.#defer = defer
  }

  add(writer: Writer): void {
    this.#waiting.push(writer)
    this.#schedule()
  }

  /** Whether somebody who would wait may write at once instead: nobody is before them, and there is time. */
  isDirect(): boolean {
    if (this.#directSince === undefined) return false
    this.#servedDirectly += 1
    if (this.#servedDirectly % WRITES_PER_LOOK === 0 && this.#isOver(this.#directSince)) {
      this.#directSince = undefined
    }
    return this.#directSince !== undefined
  }

  /**
   * Runs `deliver`, which has one frame for each of many: as many as there is time for are served at once, while what
   * they need is still in the processor's cache.
   */
  directly(deliver: () => void): void {
    if (this.#waiting.length === 0 && !this.#isServing) this.#directSince = this.#clock.now()
    deliver()
    this.#directSince = undefined
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
      if (served % WRITES_PER_LOOK === 0 && this.#isOver(startedAt)) break
    }
    this.#waiting.splice(0, served)
    this.#isServing = false
    if (this.#waiting.length > 0) this.#schedule()
  }

  #isOver(startedAt: number): boolean {
    const elapsedMs = this.#clock.now() - startedAt
    // A clock that was set back ends the turn, too.
    return elapsedMs >= TURN_MS || elapsedMs < 0
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
