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
    if (dueAt === this.#dueAt) return
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
