/** Lets at most `width` tasks run at a time; the others wait in order. */
export class Gate {
  readonly #width: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(width: number) {
    this.#width = width
  }

  /** Whoever comes now has to wait. */
  get isFull(): boolean {
    return this.#running >= this.#width
  }

  get waiting(): number {
    return this.#waiting.length
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.isFull) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running++
    try {
      return await task()
    } finally {
      // The place passes on to who waits, or is free.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }
}
