/**
 * What own mutations have changed without an echo. Where there are no positions, an event of somebody else's about the
 * same row may be older than that, and no later event would put it right: only the server knows which of them was
 * last. An echo ends the doubt, because what comes after it is newer. Bounded: what was changed longest ago is
 * forgotten first.
 */
import type { Effect, ItemId } from '../routing/effect.ts'

const MAX_ROWS = 1_000

/** Keys under which something was changed: each is held against every event that replaces a whole query. */
const MAX_PLACES = 200

interface Change {
  readonly mutationId: string
  readonly effect: Effect
}

export class UnechoedWrites<TQuery> {
  readonly #touches: (effect: Effect, query: TQuery) => boolean
  /** By row: the last mutation that has changed it. */
  readonly #rows = new Map<ItemId, string>()
  /** By key: the last change of single rows, and the last one of the whole. */
  readonly #places = new Map<string, Change>()

  constructor(touches: (effect: Effect, query: TQuery) => boolean) {
    this.#touches = touches
  }

  /** A mutation was carried out, and its event will not come, or not in time. */
  note(mutationId: string, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'invalidate' || effect.kind === 'drop') continue
      if (isOfRow(effect)) renew(this.#rows, effect.itemId, { value: mutationId, max: MAX_ROWS })
      const key = effect.kind === 'setData' ? effect.queryKey : effect.filters.queryKey
      const place = JSON.stringify([isOfRow(effect), key])
      renew(this.#places, place, { value: { mutationId, effect }, max: MAX_PLACES })
    }
  }

  /** The event of a mutation has come after all. */
  echoed(mutationId: string): void {
    for (const [row, id] of this.#rows) if (id === mutationId) this.#rows.delete(row)
    for (const [place, change] of this.#places)
      if (change.mutationId === mutationId) this.#places.delete(place)
  }

  /** Whether what somebody else has done to a query may be older than what an own mutation did. */
  mayPrecede(query: TQuery, effects: readonly Effect[]): boolean {
    if (this.#places.size === 0 || effects.length === 0) return false
    if (effects.some((effect) => isOfRow(effect) && this.#rows.has(effect.itemId))) return true
    const isWhole = effects.some((effect) => !isOfRow(effect))
    return [...this.#places.values()].some(
      ({ effect }) => (isWhole || !isOfRow(effect)) && this.#touches(effect, query),
    )
  }

  clear(): void {
    this.#rows.clear()
    this.#places.clear()
  }
}

const isOfRow = (effect: Effect): effect is Effect & { readonly itemId: ItemId } => 'itemId' in effect

/** Sets it as the youngest, and forgets the oldest at the limit. */
function renew<TKey, TValue>(
  map: Map<TKey, TValue>,
  key: TKey,
  { value, max }: { value: TValue; max: number },
): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= max) return
  const oldest = map.keys().next()
  if (!oldest.done) map.delete(oldest.value)
}
