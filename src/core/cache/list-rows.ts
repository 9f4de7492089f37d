/**
 * The rows of one array, copied when first changed, with an index from id to position.
 *
 * The index outlives the array: it goes along to the copy, so that a burst does not read 10,000 rows again to
 * find sixteen. Which ids are there is exact; where they stand is a hint, off by at most `drift`, and verified.
 */
import type { ItemId } from '../routing/effect.ts'

export type IdOf = (row: unknown) => ItemId

interface RowIndex {
  readonly idOf: IdOf
  /** Rows read so far to find ids, in lists. Counts up to `READS_BEFORE_INDEX`. */
  reads: number
  /** Not there: not worth it yet. `null`: ids are not unique, so it would hide rows. */
  positions: Map<ItemId, number> | null | undefined
  /** Rows put in or taken out since the positions were noted. */
  drift: number
  /** Counts what makes the index wrong for older arrays that share it. */
  generation: number
}

/** Below this a look at every row is as fast. */
const MIN_INDEXED_ROWS = 64
/** An index costs about as much as so many looks at every row. */
const READS_BEFORE_INDEX = 6
const MAX_DRIFT = 64

const INDEXES = new WeakMap<readonly unknown[], { readonly index: RowIndex; readonly generation: number }>()

export class Rows {
  readonly source: readonly unknown[]
  /** The rows once something has changed. */
  #copy: unknown[] | undefined
  #index: RowIndex | undefined

  constructor(source: readonly unknown[]) {
    this.source = source
    const known = INDEXES.get(source)
    // An older array, from before rows came or went: to it the index would lie.
    if (known !== undefined && known.generation === known.index.generation) this.#index = known.index
  }

  get isChanged(): boolean {
    return this.#copy !== undefined
  }

  get current(): readonly unknown[] {
    return this.#copy ?? this.source
  }

  /** The positions of every row with this id, in order. */
  find(id: ItemId, idOf: IdOf): number[] {
    const rows = this.current
    const positions = this.#positionsFor(idOf)
    if (positions) {
      const hint = positions.get(id)
      if (hint === undefined) return []
      const { drift } = this.#index as RowIndex
      for (let off = 0; off <= drift; off += 1) {
        for (const at of off === 0 ? [hint] : [hint - off, hint + off]) {
          if (at >= 0 && at < rows.length && idOf(rows[at]) === id) {
            if (off > 0) positions.set(id, at)
            return [at]
          }
        }
      }
      this.#index = undefined // Somebody has changed the array in place.
    }
    const found: number[] = []
    for (let at = 0; at < rows.length; at += 1) if (idOf(rows[at]) === id) found.push(at)
    return found
  }

  /** Replaces a row by one with the same id. */
  replace(at: number, row: unknown): void {
    this.#write()[at] = row
  }

  insert(at: number, row: unknown): void {
    this.#write().splice(at, 0, row)
    const index = this.#moved()
    index?.positions?.set(index.idOf(row), at)
  }

  remove(at: number): void {
    const [row] = this.#write().splice(at, 1)
    const index = this.#moved()
    index?.positions?.delete(index.idOf(row))
  }

  /** The rows as they are now, to be kept: the same array when nothing has changed. */
  close(): readonly unknown[] {
    const rows = this.current
    const index = this.#index
    if (index !== undefined) INDEXES.set(rows, { index, generation: index.generation })
    return rows
  }

  #write(): unknown[] {
    return (this.#copy ??= this.source.slice())
  }

  #moved(): RowIndex | undefined {
    const index = this.#index
    if (index === undefined) return undefined
    index.generation += 1
    index.drift += 1
    return index
  }

  #positionsFor(idOf: IdOf): Map<ItemId, number> | null | undefined {
    const rows = this.current
    if (rows.length < MIN_INDEXED_ROWS) {
      this.#index = undefined
      return undefined
    }
    let index = this.#index
    if (index?.idOf !== idOf) {
      this.#index = index = { idOf, reads: 0, positions: undefined, drift: 0, generation: 0 }
    }
    index.reads += 1
    const isWorn = index.drift > MAX_DRIFT
    if (isWorn || (index.positions === undefined && index.reads > READS_BEFORE_INDEX)) {
      const positions = new Map<ItemId, number>()
      for (let at = 0; at < rows.length; at += 1) positions.set(idOf(rows[at]), at)
      // Older arrays keep sharing the index that they know.
      this.#index = index = {
        idOf,
        reads: index.reads,
        positions: positions.size === rows.length ? positions : null,
        drift: 0,
        generation: 0,
      }
    }
    return index.positions
  }
}
