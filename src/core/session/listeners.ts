import type { Reporter } from './reporter.ts'

/** The app's listeners, each to one name: a type of event, a topic. What one throws is reported, and the others are told. */
export class Listeners<TArgs extends unknown[] = []> {
  readonly #reporter: Reporter
  readonly #byName = new Map<string, Set<(...args: TArgs) => void>>()

  constructor(reporter: Reporter) {
    this.#reporter = reporter
  }

  /** Gives what takes it out again. */
  add(name: string, listener: (...args: TArgs) => void): () => void {
    const listeners = this.#byName.get(name) ?? new Set()
    this.#byName.set(name, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#byName.get(name) === listeners) this.#byName.delete(name)
    }
  }

  tell(name: string, ...args: TArgs): void {
    for (const listener of [...(this.#byName.get(name) ?? [])]) {
      this.#reporter.tell(() => {
        listener(...args)
      })
    }
  }
}
