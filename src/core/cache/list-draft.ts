/**
 * The list inside a query's data, open for changes: a plain array, the rows of an envelope, or the pages of an
 * infinite query read as one list. Positions count through all pages.
 */
import type { ItemId, ListLens } from '../routing/effect.ts'
import { Rows, type IdOf } from './list-rows.ts'

interface InfinitePages {
  readonly pages: readonly unknown[]
  readonly pageParams: readonly unknown[]
}

type PageParamOf = (page: unknown, pages: unknown, pageParam: unknown, pageParams: unknown) => unknown

export class ListDraft {
  readonly isInfinite: boolean
  /** As given by the effect that opened it: another `list` may see other rows. */
  readonly list: string | ListLens | undefined
  readonly #data: unknown
  /** The page objects, or the data itself. */
  readonly #containers: readonly unknown[]
  /** The rows of each container. */
  readonly #parts: Rows[] = []

  private constructor(data: unknown, containers: readonly unknown[], list: string | ListLens | undefined) {
    this.#data = data
    this.#containers = containers
    this.list = list
    this.isInfinite = containers[0] !== data
  }

  /** Opens the list of a query's data. `undefined`: there is none that `list` finds. */
  static open(data: unknown, list: string | ListLens | undefined): ListDraft | undefined {
    const draft = new ListDraft(data, isInfinite(data) ? data.pages : [data], list)
    for (const container of draft.#containers) {
      const rows = rowsOf(container, list)
      if (rows === undefined) return undefined
      draft.#parts.push(new Rows(rows))
    }
    return draft
  }

  /**
   * Whether rows lie outside of the loaded pages, as `useInfiniteQuery` would say of the data as it was when it
   * was opened. `undefined`: not known, because nobody has used the query yet.
   *
   * @param options - The query's
   */
  hasMore(side: 'start' | 'end', options: object = {}): boolean | undefined {
    if (!this.isInfinite) return false
    const { pages, pageParams } = this.#data as InfinitePages
    const { getNextPageParam, getPreviousPageParam } = options as Partial<Record<string, PageParamOf>>
    if (getNextPageParam === undefined || pages.length === 0) return undefined
    const at = side === 'end' ? pages.length - 1 : 0
    const param = side === 'end' ? getNextPageParam : getPreviousPageParam
    return param !== undefined && param(pages[at], pages, pageParams[at], pageParams) != null
  }

  get length(): number {
    let length = 0
    for (const part of this.#parts) length += part.current.length
    return length
  }

  at(position: number): unknown {
    const [part, at] = this.#locate(position)
    return part.current[at]
  }

  /** The positions of every row with this id, in order. */
  find(id: ItemId, idOf: IdOf): number[] {
    const found: number[] = []
    let start = 0
    for (const part of this.#parts) {
      for (const at of part.find(id, idOf)) found.push(start + at)
      start += part.current.length
    }
    return found
  }

  /** Replaces a row by one with the same id. */
  replace(position: number, row: unknown): void {
    const [part, at] = this.#locate(position)
    part.replace(at, row)
  }

  /** Inserts before the row at `position`; between two pages, at the end of the first. */
  insert(position: number, row: unknown): void {
    const [part, at] = this.#locate(position, true)
    part.insert(at, row)
  }

  remove(position: number): void {
    const [part, at] = this.#locate(position)
    part.remove(at)
  }

  /** The data with the rows as they are now: the same data when nothing has changed. */
  close(): unknown {
    let isChanged = false
    const containers = this.#parts.map((part, i) => {
      const container = this.#containers[i]
      const rows = part.close()
      if (!part.isChanged) return container
      isChanged = true
      if (part.source === container) return rows
      const { list } = this
      if (typeof list === 'object') return list.set(container, rows)
      return { ...(container as object), [list as string]: rows }
    })
    if (!isChanged) return this.#data
    return this.isInfinite ? { ...(this.#data as InfinitePages), pages: containers } : containers[0]
  }

  /** The part that holds a position. `isGap`: the position between two rows, which may be an end. */
  #locate(position: number, isGap = false): [part: Rows, at: number] {
    let at = position
    for (const part of this.#parts) {
      const { length } = part.current
      if (at < length || (isGap && at === length)) return [part, at]
      at -= length
    }
    throw new RangeError(`No row at ${position}`)
  }
}

export function isInfinite(data: unknown): data is InfinitePages {
  const { pages, pageParams } = data as Partial<InfinitePages>
  return Array.isArray(pages) && Array.isArray(pageParams)
}

function rowsOf(container: unknown, list: string | ListLens | undefined): readonly unknown[] | undefined {
  if (list !== undefined && typeof container === 'object' && container !== null) {
    const rows = typeof list === 'string' ? (container as Record<string, unknown>)[list] : list.get(container)
    if (Array.isArray(rows)) return rows
  }
  return Array.isArray(container) ? container : undefined
}
