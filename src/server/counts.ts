/** How many there are of each name; names that are not counted take no memory. */
export class Counts {
  readonly #counts = new Map<string, number>()

  /** Counts one more, unless there are `max` already. */
  take(name: string, max: number): boolean {
    const count = this.#counts.get(name) ?? 0
    if (count >= max) return false
    this.#counts.set(name, count + 1)
    return true
  }

  release(name: string): void {
    const count = (this.#counts.get(name) ?? 0) - 1
    if (count > 0) this.#counts.set(name, count)
    else this.#counts.delete(name)
  }

  get size(): number {
    return this.#counts.size
  }
}
