import { replaceEqualDeep, type QueryKey } from '@tanstack/query-core'
import type { UpsertEffect } from '../routing/effect.ts'
import { idOf } from '../routing/effects.ts'
import type { InfinitePages, ListDraft } from './list-draft.ts'

/** The query that an effect is applied to. A `Query` is one. */
export interface EffectContext {
  readonly queryKey: QueryKey
  /** The query's options: those of an infinite query tell whether there are pages beyond the loaded ones. */
  readonly options?: object | undefined
}

/** What an item is put into, and what it takes the place of. */
interface Placement {
  readonly draft: ListDraft
  readonly effect: UpsertEffect
  readonly context: EffectContext
  readonly row: unknown
  readonly old: unknown
  /** Where the old row is. Absent: the item is new to the list. */
  readonly position: number | undefined
}

/**
 * Puts an item into a list as the server would show it. False: that cannot be known here. The list is then changed
 * as far as it is known, and has to be fetched.
 */
export function upsertIntoList(draft: ListDraft, effect: UpsertEffect, context: EffectContext): boolean {
  const { item, itemId, id, where } = effect
  const found = draft.find(itemId, id)
  const [position, ...copies] = found
  const old = position === undefined ? undefined : draft.rows[position]
  if (position !== undefined && isOutdated(effect, old)) return true
  const belongs = where ? where(item, context.queryKey) : true
  if (belongs === undefined) return false
  if (!belongs) return removeFromList(draft, found, effect.limit)
  // Pages by offset overlap when rows come and go between their fetches. One copy of a row is enough.
  removeFromList(draft, copies, undefined)
  const row = position === undefined ? item : replaceEqualDeep(old, item)
  return row === old || place({ draft, effect, context, row, old, position })
}

/** Takes rows out. False: the list was full, so a row that is not known here moves up into it. */
export function removeFromList(
  draft: ListDraft,
  positions: readonly number[],
  limit: number | undefined,
): boolean {
  const wasFull = isFull(draft, limit)
  for (const position of [...positions].reverse()) draft.splice(position, 1)
  return positions.length === 0 || !wasFull
}

/** Whether the cached row is newer than the item. */
export function isOutdated({ version, item }: UpsertEffect, cached: unknown): boolean {
  const ours = version?.(item) ?? undefined
  const theirs = version?.(cached) ?? undefined
  return ours !== undefined && theirs !== undefined && ours < theirs
}

function place(placement: Placement): boolean {
  const { draft, effect, context, row, position } = placement
  const { sort, limit } = effect
  const { rows } = draft
  const sides = sort ? (['start', 'end'] as const) : position === undefined ? [effect.at] : []
  const standings = sides.map((side) => standing(placement, side))
  if (standings.includes('outside') && (position === undefined || draft.infinite)) {
    // A row that moves out comes back with the page that it is on now.
    if (position !== undefined) draft.splice(position, 1)
    return true
  }
  const isKnown = standings.every((one) => one === 'inside')
  if (position === undefined) {
    if (!isKnown) return false
    if (rows.length > 0 && idOf(effect.id, rows[0]) === undefined) {
      throw new TypeError('its rows have no id. Narrow the filters, or pass { id: (item) => … }')
    }
  }

  let target = position ?? (effect.at === 'start' ? 0 : rows.length)
  if (sort) {
    const isAfter = (at: number) => sort(row, rows[at], context.queryKey) >= 0
    const fits =
      position !== undefined &&
      (position === 0 || isAfter(position - 1)) &&
      (position === rows.length - 1 || sort(row, rows[position + 1], context.queryKey) <= 0)
    if (!fits) {
      // Behind the rows that sort equal.
      let low = 0
      let high = rows.length
      while (low < high) {
        const middle = (low + high) >>> 1
        if (isAfter(middle)) low = middle + 1
        else high = middle
      }
      target = position !== undefined && low > position ? low - 1 : low
    }
  }
  if (target === position) draft.splice(target, 1, row)
  else {
    if (position !== undefined) draft.splice(position, 1)
    draft.splice(target, 0, row)
    if (limit !== undefined && isFull(draft, limit + 1)) draft.splice(limit, Infinity)
  }
  return isKnown
}

/**
 * Where an item stands to what is loaded of a list, at one of its ends. With more rows beyond the end, only what
 * sorts before the last one there is certainly inside.
 */
function standing(
  { draft, effect, context, row, old }: Placement,
  side: 'start' | 'end',
): 'inside' | 'outside' | 'unknown' {
  const { rows, infinite } = draft
  const { sort, limit } = effect
  const hasMore = infinite ? hasMorePages(infinite, side, context) : side === 'end' && isFull(draft, limit)
  if (hasMore === false) return 'inside'
  const edge = rows.at(side === 'end' ? -1 : 0)
  let order = 1
  if (sort) order = edge === undefined ? 0 : sort(row, edge, context.queryKey) * (side === 'end' ? 1 : -1)
  if (order < 0 || (order === 0 && edge === old && old !== undefined)) return 'inside'
  return hasMore && order > 0 ? 'outside' : 'unknown'
}

/**
 * Whether there are pages beyond the loaded ones, as `useInfiniteQuery` says of them. `undefined`: not known, because
 * nobody has used the query yet.
 */
function hasMorePages(
  { pages, pageParams }: InfinitePages,
  side: 'start' | 'end',
  { options = {} }: EffectContext,
): boolean | undefined {
  const { getNextPageParam, getPreviousPageParam } = options as Partial<
    Record<string, (...args: unknown[]) => unknown>
  >
  if (getNextPageParam === undefined || pages.length === 0) return undefined
  const [at, paramOf] = side === 'end' ? [pages.length - 1, getNextPageParam] : [0, getPreviousPageParam]
  const param = paramOf?.(pages[at], pages, pageParams[at], pageParams)
  return param !== undefined && param !== null
}

function isFull({ infinite, rows }: ListDraft, limit: number | undefined): boolean {
  return limit !== undefined && !infinite && rows.length >= limit
}
