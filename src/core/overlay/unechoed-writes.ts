/**
 * What own mutations have changed without an echo. Where there are no positions, an event of somebody else's about the
 * same row may be older than that, and no later event would put it right: only the server knows which of them was
 * last. An echo ends the doubt, because what comes after it is newer. Bounded: rows changed longest ago are forgotten.
 */
import type { Effect, ItemId } from '../routing/effect.ts'

const MAX_ROWS = 1_000

interface Mark {
  readonly mutationId: string
  /** More than single rows of it. */
  readonly isWhole: boolean
}

export class UnechoedWrites<TQuery> {
  /** By row: the last mutation that has changed it. */
  readonly #rows = new Map<ItemId, string>()
  readonly #queries = new Map<TQuery, Mark>()

  /** A mutation was carried out, and its event will not come, or not in time. */
  note(mutationId: string, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (!('itemId' in effect)) continue
      this.#rows.delete(effect.itemId) // Set again, it is the youngest.
      this.#rows.set(effect.itemId, mutationId)
      const [oldest] = this.#rows.keys()
      if (this.#rows.size > MAX_ROWS && oldest !== undefined) this.#rows.delete(oldest)
    }
  }

  /** What it has done to one query. */
  noteOn(query: TQuery, mutationId: string, effects: readonly Effect[]): void {
    const isWhole = effects.some((effect) => !('itemId' in effect))
    this.#queries.set(query, { mutationId, isWhole: isWhole || this.#queries.get(query)?.isWhole === true })
  }

  /** The event of a mutation has come after all. */
  echoed(mutationId: string): void {
    for (const [row, id] of this.#rows) if (id === mutationId) this.#rows.delete(row)
    for (const [query, mark] of this.#queries) if (mark.mutationId === mutationId) this.#queries.delete(query)
  }

  /** Whether what somebody else has done to a query may be older than what an own mutation did. */
  mayPrecede(query: TQuery, effects: readonly Effect[]): boolean {
    const mark = this.#queries.get(query)
    return effects.some((effect) =>
      'itemId' in effect ? mark?.isWhole === true || this.#rows.has(effect.itemId) : mark !== undefined,
    )
  }

  forget(query: TQuery): void {
    this.#queries.delete(query)
  }

  clear(): void {
    this.#rows.clear()
    this.#queries.clear()
  }
}
