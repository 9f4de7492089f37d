/**
 * Rows that the server gives an id. Until it has, such a row goes by the mutationId that creates it; what comes back
 * tells the real id, and whatever still says the temporary one is rewritten. Bounded: the oldest pairs are forgotten.
 */
import type { Effect, ItemId } from '../routing/effect.ts'

const MAX_PAIRS = 1_000

export class TemporaryIds {
  readonly #realOf = new Map<ItemId, ItemId>()
  readonly #temporaryOf = new Map<ItemId, ItemId>()

  /** The real id behind a temporary one; any other id as it is. */
  realOf(id: ItemId): ItemId {
    return this.#realOf.get(id) ?? id
  }

  /** The id that a row was first shown with: what a list is to use as its key, so that the row stays the same. */
  keyOf(id: ItemId): ItemId {
    return this.#temporaryOf.get(id) ?? id
  }

  /**
   * Learns from what a mutation showed and what was confirmed of it: over the same filters, an item with another id in
   * place of the temporary one. True when that was news.
   */
  learn(mutationId: string, guess: readonly Effect[], confirmed: readonly Effect[]): boolean {
    if (this.#realOf.has(mutationId)) return false
    for (const effect of guess) {
      if (effect.kind !== 'upsert' || effect.itemId !== mutationId) continue
      const key = JSON.stringify(effect.filters.queryKey)
      for (const other of confirmed) {
        if (other.kind !== 'upsert' || JSON.stringify(other.filters.queryKey) !== key) continue
        if (other.itemId === mutationId) return false // The server has taken it over.
        this.#pair(mutationId, other.itemId)
        return true
      }
    }
    return false
  }

  /** What was to be made under one id is made under another one: what still says the first means the second. */
  renamed(id: ItemId, next: ItemId): void {
    this.#means(id, next)
  }

  /** A value with every temporary id in it replaced; the same reference when there is none. */
  rewrite<TValue>(value: TValue): TValue {
    return this.#realOf.size === 0 ? value : (this.#rewritten(value) as TValue)
  }

  clear(): void {
    this.#realOf.clear()
    this.#temporaryOf.clear()
  }

  #pair(temporary: ItemId, real: ItemId): void {
    this.#temporaryOf.set(real, temporary)
    this.#means(temporary, real)
  }

  #means(id: ItemId, next: ItemId): void {
    for (const [earlier, known] of this.#realOf) if (known === id) this.#realOf.set(earlier, next)
    this.#realOf.set(id, next)
    if (this.#realOf.size <= MAX_PAIRS) return
    const [oldest] = this.#realOf
    if (oldest === undefined) return
    this.#realOf.delete(oldest[0])
    if (this.#temporaryOf.get(oldest[1]) === oldest[0]) this.#temporaryOf.delete(oldest[1])
  }

  /** @param within - what the value stands in: data may go in a circle */
  #rewritten(value: unknown, within: readonly unknown[] = []): unknown {
    if (typeof value === 'string') return this.#realOf.get(value) ?? value
    const parts = childrenOf(value)
    if (parts === undefined || within.includes(value)) return value
    const inside = [...within, value]
    let isChanged = false
    const rewritten = parts.map(([key, part]) => {
      const next = this.#rewritten(part, inside)
      isChanged ||= next !== part
      return [key, next] as const
    })
    if (!isChanged) return value
    return Array.isArray(value) ? rewritten.map(([, part]) => part) : Object.fromEntries(rewritten)
  }
}

/** Whether a value mentions one of some ids anywhere in it. */
export function mentions(
  value: unknown,
  isId: (text: string) => boolean,
  seen: Set<unknown> = new Set(),
): boolean {
  if (typeof value === 'string') return isId(value)
  if (seen.has(value)) return false
  const parts = childrenOf(value)
  if (parts === undefined) return false
  seen.add(value) // Data may go in a circle.
  return parts.some(([, part]) => mentions(part, isId, seen))
}

/** What is in an array or in a plain object. Anything else (a Date, a File) has no ids in it. */
function childrenOf(value: unknown): [string, unknown][] | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (Array.isArray(value)) return Object.entries(value)
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null ? Object.entries(value) : undefined
}
