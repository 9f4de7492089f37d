/**
 * The list inside a query's data, open for changes: a plain array, the rows of an envelope, or the pages of an
 * infinite query read as one list. It is copied when it first changes.
 */
import type { ItemId, ListLens } from './effect.ts'

export interface InfinitePages {
  readonly pages: readonly unknown[]
  readonly pageParams: readonly unknown[]
}

type IdOf = (row: unknown) => ItemId

/**
 * Where rows stand, by id, so that a burst does not read 10,000 rows again and again. It goes along from a list to
 * its changed copy. Which ids are there is exact; where they stand is a hint, off by no more rows than were put in or
 * taken out since.
 */
interface ListIndex {
  readonly idOf: IdOf
  /** How often all rows were read to find an id. */
  reads: number
  /** Not there: not worth it yet. `null`: ids are not unique, so it would hide rows. */
  positions?: Map<ItemId, number> | null
  /** Rows put in and taken out since the positions were noted. */
  drift: number
}

/** The data, or one page. */
interface Part {
  /** The rows as they were. */
  readonly rows: readonly unknown[]
  /** How many there are now. */
  length: number
  isChanged: boolean
}

/** Making an index costs about as much as reading all rows so many times. */
const READS_BEFORE_INDEX = 8
const MIN_INDEXED_ROWS = 64
/** Rows put in or taken out, after which positions are noted anew. */
const MAX_DRIFT = 512

/** By the array in the cache that holds the rows, or the pages. */
const INDEXES = new WeakMap<object, ListIndex>()

export class ListDraft {
  /** The rows of all pages, as they are now. Changed by `splice` only. */
  rows: readonly unknown[]
  /** The pages as they were, when the data is infinite. */
  readonly infinite: InfinitePages | undefined
  /** As given by the effect that opened it: another `list` may see other rows. */
  readonly list: string | ListLens | undefined
  readonly #data: unknown
  readonly #parts: readonly Part[]
  /** The rows once something has changed. */
  #copy: unknown[] | undefined
  #index: ListIndex | undefined

  constructor(data: unknown, list: string | ListLens | undefined, parts: readonly (readonly unknown[])[]) {
    this.#data = data
    this.list = list
    this.infinite = isInfinite(data) ? data : undefined
    this.#parts = parts.map((rows) => ({ rows, length: rows.length, isChanged: false }))
    // Much faster than `flat`.
    this.rows = this.infinite ? ([] as unknown[]).concat(...parts) : (parts[0] ?? [])
    const key = this.infinite?.pages ?? this.rows
    // It leaves the older list, to which it will lie.
    this.#index = INDEXES.get(key)
    INDEXES.delete(key)
  }

  /** The positions of every row with this id, in order. */
  find(id: ItemId, idOf: IdOf): number[] {
    const { rows } = this
    const index = rows.length < MIN_INDEXED_ROWS ? undefined : this.#indexBy(idOf)
    if (index?.positions) {
      const hint = index.positions.get(id)
      if (hint === undefined) return []
      // 0, 1, -1, 2, -2, …
      for (let off = 0; off <= index.drift; off = off > 0 ? -off : 1 - off) {
        const at = hint + off
        if (at >= 0 && at < rows.length && idOf(rows[at]) === id) {
          index.positions.set(id, at)
          return [at]
        }
      }
      this.#index = undefined // Somebody has changed rows in place.
    }
    const found: number[] = []
    for (let at = 0; at < rows.length; at += 1) if (idOf(rows[at]) === id) found.push(at)
    return found
  }

  /** Takes rows out and puts rows in, as an array does. What is put in between two pages ends the first. */
  splice(at: number, deleteCount: number, ...inserted: unknown[]): void {
    this.rows = this.#copy ??= this.rows.slice()
    const removed = this.#copy.splice(at, deleteCount, ...inserted)
    const growth = inserted.length - removed.length
    let end = 0
    const part = this.#parts.find(({ length }) => at < (end += length) || (growth > 0 && at === end)) as Part
    part.length += growth
    part.isChanged = true
    const index = this.#index
    if (!index || growth === 0) return // Rows with the same ids are where they were.
    index.drift += inserted.length + removed.length
    for (const row of removed) index.positions?.delete(index.idOf(row))
    for (const row of inserted) index.positions?.set(index.idOf(row), at)
  }

  /** The data with the rows as they are now: the same data when nothing has changed. */
  close(): unknown {
    const { rows, infinite, list } = this
    let data = this.#data
    if (this.#copy) {
      let end = 0
      const containers = containersOf(data).map((container, i) => {
        const part = this.#parts[i] as Part
        end += part.length
        if (!part.isChanged) return container
        const own = infinite ? rows.slice(end - part.length, end) : rows
        if (container === part.rows) return own
        return typeof list === 'object'
          ? list.set(container, own)
          : { ...(container as object), [list as string]: own }
      })
      data = infinite ? { ...infinite, pages: containers } : containers[0]
    }
    if (this.#index) INDEXES.set(infinite ? (data as InfinitePages).pages : rows, this.#index)
    return data
  }

  #indexBy(idOf: IdOf): ListIndex {
    let index = this.#index
    const isWorn = index && index.drift > MAX_DRIFT
    if (index?.idOf !== idOf || isWorn) {
      this.#index = index = { idOf, reads: isWorn ? READS_BEFORE_INDEX : 0, drift: 0 }
    }
    if (index.positions === undefined && (index.reads += 1) > READS_BEFORE_INDEX) {
      const positions = new Map<ItemId, number>()
      for (const [at, row] of this.rows.entries()) positions.set(idOf(row), at)
      index.positions = positions.size === this.rows.length ? positions : null
    }
    return index
  }
}

/** Opens the list of a query's data. `undefined`: there is none that `list` finds. */
export function openList(data: unknown, list: string | ListLens | undefined): ListDraft | undefined {
  const parts: (readonly unknown[])[] = []
  for (const container of containersOf(data)) {
    const rows = rowsOf(container, list)
    if (!rows) return undefined
    parts.push(rows)
  }
  return new ListDraft(data, list, parts)
}

export function isInfinite(data: unknown): data is InfinitePages {
  const { pages, pageParams } = data as Partial<InfinitePages>
  return Array.isArray(pages) && Array.isArray(pageParams)
}

function containersOf(data: unknown): readonly unknown[] {
  return isInfinite(data) ? data.pages : [data]
}

function rowsOf(container: unknown, list: string | ListLens | undefined): readonly unknown[] | undefined {
  const rows: unknown =
    typeof list === 'object'
      ? list.get(container)
      : (container as Record<string, unknown> | null)?.[list ?? '']
  if (Array.isArray(rows)) return rows as unknown[]
  return Array.isArray(container) ? (container as unknown[]) : undefined
}
