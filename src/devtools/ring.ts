/** The last `capacity` items, each under a number that it keeps. What is older is dropped, and counted. */
export class Ring<TItem> {
  readonly capacity: number
  #items: (TItem | undefined)[] = []
  /** The number that the next item gets. */
  #next = 0
  /** The number of the oldest item that `clear` has left. */
  #first = 0
  #dropped = 0

  constructor(capacity: number) {
    this.capacity = Math.max(1, Math.trunc(capacity) || 1)
  }

  /** Items that there was no room for, since the last `clear`. */
  get dropped(): number {
    return this.#dropped
  }

  push(make: (number: number) => TItem): number {
    const number = this.#next++
    this.#items[number % this.capacity] = make(number)
    if (this.#next - this.#first > this.capacity) {
      this.#first++
      this.#dropped++
    }
    return number
  }

  get(number: number): TItem | undefined {
    const isKept = number >= this.#first && number < this.#next
    return isKept ? this.#items[number % this.capacity] : undefined
  }

  /** Does nothing for an item that was dropped. */
  replace(number: number, change: (item: TItem) => TItem): void {
    const item = this.get(number)
    if (item !== undefined) this.#items[number % this.capacity] = change(item)
  }

  newestFirst(): TItem[] {
    const items: TItem[] = []
    for (let number = this.#next - 1; number >= this.#first; number--) {
      items.push(this.#items[number % this.capacity] as TItem)
    }
    return items
  }

  /** Numbers go on where they were: what still waits for an item that is gone does not find another one. */
  clear(): void {
    this.#items = []
    this.#first = this.#next
    this.#dropped = 0
  }
}
