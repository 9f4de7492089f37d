import type { Clock } from '../clock.ts'

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
    // One that is due already is set anew: in a sleep timers stand still, and the clock goes on.
    if (dueAt === this.#dueAt && !(dueAt !== undefined && dueAt <= this.#clock.now())) return
    this.#cancel?.()
    this.#dueAt = dueAt
    this.#cancel =
      dueAt === undefined
        ? undefined
        : this.#clock.after(Math.max(0, dueAt - this.#clock.now()), () => {
            this.#dueAt = undefined
            this.#ring()
          })
  }
}
