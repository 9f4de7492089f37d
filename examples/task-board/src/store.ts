import { useSyncExternalStore } from 'react'

/** A value outside React that components can read, for what belongs to the window and not to the server. */
export class Store<TValue> {
  #value: TValue
  readonly #listeners = new Set<() => void>()

  constructor(value: TValue) {
    this.#value = value
  }

  readonly get = (): TValue => this.#value

  readonly set = (next: TValue | ((value: TValue) => TValue)): void => {
    const value = next instanceof Function ? next(this.#value) : next
    if (Object.is(value, this.#value)) return
    this.#value = value
    for (const listener of this.#listeners) listener()
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

export function useStore<TValue>(store: Store<TValue>): TValue {
  return useSyncExternalStore(store.subscribe, store.get)
}
