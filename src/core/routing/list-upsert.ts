import { replaceEqualDeep } from '@tanstack/query-core'
import { remedy } from '../errors.ts'
import type { EffectContext, UpsertEffect } from './effect.ts'
import { idOf } from './item-id.ts'
import type { InfinitePages, ListDraft } from './list-draft.ts'

/**
 * Puts an item into a list as the server would show it. False: that cannot be known here. The list is then changed
 * as far as it is known, and has to be fetched.
 */
export function upsertIntoList(draft: ListDraft, effect: UpsertEffect, context: EffectContext): boolean {
  const { item, id, where, sort, at, limit } = effect
  const { queryKey } = context
  const { infinite } = draft
  const found = draft.find(effect.itemId, id)
  const [position, ...copies] = found
  const isNew = position === undefined
  const old = isNew ? undefined : draft.rows[position]
  if (found.some((at) => isOutdated(effect, draft.rows[at]))) return true
  const belongs = where ? where(item, queryKey) : true
  if (belongs === undefined) return false
  if (!belongs) return removeFromList(draft, found, { limit, context })
  // Pages by offset overlap when rows come and go between their fetches. One copy of a row is enough.
  let isClosed = removeFromList(draft, copies, { context })
  const row = isNew ? item : replaceEqualDeep(old, item)
  if (row === old) return isClosed
  if (!isNew && sort && sort(row, old, queryKey) !== 0 && isOpenEdge(draft, position, context))
    isClosed = false

  const { rows } = draft
  const last = rows.length - 1
  /** Above 0: the item sorts after the row at `index`. Without a `sort` it comes after all. */
  const compare = (index: number) => (sort ? sort(row, rows[index], queryKey) : 1)
  /**
   * Whether the item stands inside of what is loaded, at one of its ends; `undefined`: that is not known. With more
   * rows beyond the end, only what sorts before the last one there is certainly inside.
   */
  const isInside = (side: 'start' | 'end') => {
    const isEnd = side === 'end'
    const hasMore = infinite ? hasMorePages(infinite, isEnd, context) : isEnd && isFull(draft, limit)
    if (hasMore === false) return true
    const edge = isEnd ? last : 0
    const order = sort && last < 0 ? 0 : sort && !isEnd ? -compare(edge) : compare(edge)
    if (order < 0 || (order === 0 && edge === position)) return true
    return hasMore && order > 0 ? false : undefined
  }
  const standings = (sort ? (['start', 'end'] as const) : isNew ? [at] : []).map(isInside)
  if (standings.includes(false) && (isNew || infinite)) {
    // A row that moves out comes back with the page that it is on now.
    if (!isNew) draft.splice(position, 1)
    return isClosed
  }
  const isKnown = isClosed && standings.every(Boolean)
  if (isNew) {
    if (!isKnown) return false
    if (last >= 0 && idOf(id, rows[0]) === undefined) {
      const whatToDo = remedy('. Narrow the filters, or pass { id: (item) => … }') ?? ''
      throw new TypeError(`its rows have no id${whatToDo}`)
    }
  }

  let target = position ?? (at === 'start' ? 0 : last + 1)
  const fits =
    !isNew &&
    (position === 0 || compare(position - 1) >= 0) &&
    (position === last || compare(position + 1) <= 0)
  if (sort && !fits) {
    // Behind the rows that sort equal.
    let low = 0
    for (let high = last + 1; low < high;) {
      const middle = (low + high) >>> 1
      if (compare(middle) >= 0) low = middle + 1
      else high = middle
    }
    target = low > (position ?? last + 1) ? low - 1 : low
  }
  if (target === position) draft.splice(target, 1, row)
  else {
    if (!isNew) draft.splice(position, 1)
    draft.splice(target, 0, row)
    if (limit !== undefined && isFull(draft, limit + 1)) draft.splice(limit, Infinity)
  }
  return isKnown
}

/** Takes rows out. False: a row that is not known here moves up, or may come where one stood. */
export function removeFromList(
  draft: ListDraft,
  positions: readonly number[],
  { limit, context }: { limit?: number | undefined; context: EffectContext },
): boolean {
  let isKnown = positions.length === 0 || !isFull(draft, limit)
  for (const position of [...positions].reverse()) {
    if (isOpenEdge(draft, position, context)) isKnown = false
    draft.splice(position, 1)
  }
  return isKnown
}

/**
 * Whether a row is the last one of what is loaded, or the first, with more beyond it. The next page begins where that
 * row stood: when it goes, what comes between it and the one before it is on no page.
 */
function isOpenEdge({ infinite, rows }: ListDraft, position: number, context: EffectContext): boolean {
  const isOpen = (isEnd: boolean) =>
    infinite !== undefined &&
    position === (isEnd ? rows.length - 1 : 0) &&
    hasMorePages(infinite, isEnd, context) !== false
  return isOpen(true) || isOpen(false)
}

/** Whether the cached row is newer than the item. */
export function isOutdated({ version, item }: UpsertEffect, cached: unknown): boolean {
  const ours = version?.(item) ?? undefined
  const theirs = version?.(cached) ?? undefined
  return ours !== undefined && theirs !== undefined && ours < theirs
}

/**
 * Whether there are pages beyond the loaded ones, as `useInfiniteQuery` says of them. `undefined`: not known, because
 * nobody has used the query yet.
 */
function hasMorePages(
  { pages, pageParams }: InfinitePages,
  isEnd: boolean,
  { options = {} }: EffectContext,
): boolean | undefined {
  const { getNextPageParam, getPreviousPageParam } = options as Partial<
    Record<string, (...args: unknown[]) => unknown>
  >
  if (!getNextPageParam || !pages.length) return undefined
  const paramOf = isEnd ? getNextPageParam : getPreviousPageParam
  const at = isEnd ? pages.length - 1 : 0
  const param = paramOf?.(pages[at], pages, pageParams[at], pageParams)
  return param !== undefined && param !== null
}

function isFull({ infinite, rows }: ListDraft, limit: number | undefined): boolean {
  return limit !== undefined && !infinite && rows.length >= limit
}
