import type { Clock } from '../clock.ts'

/**
 * Timers stand still while a machine sleeps, and its clock does not. A long wait is taken in pieces, so that what has come
 * due in a sleep is noticed soon after, without anybody looking at the page. In ms.
 */
const PIECE_MS = 5_000

/** One timer, set to a moment instead of a delay. */
export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  #dueAt: number | undefined
  #cancel: (() => void) | undefined

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** Rings at `dueAt`, in ms of the clock, and at no moment set before; `undefined`: never. */
  set(dueAt: number | undefined): void {
    // One that is due already is set anew: it need not wait for its piece to end.
    if (dueAt === this.#dueAt && !(dueAt !== undefined && dueAt <= this.#clock.now())) return
    this.#cancel?.()
    this.#cancel = undefined
    this.#dueAt = dueAt
    if (dueAt !== undefined) this.#wait(dueAt)
  }

  #wait(dueAt: number): void {
    const leftMs = Math.max(0, dueAt - this.#clock.now())
    this.#cancel = this.#clock.after(Math.min(leftMs, PIECE_MS), () => {
      if (leftMs > PIECE_MS && this.#clock.now() < dueAt) return this.#wait(dueAt)
      this.#dueAt = undefined
      this.#ring()
    })
  }
}
