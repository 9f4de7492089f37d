import { replaceEqualDeep, type QueryKey } from '@tanstack/query-core'
import type { UpsertEffect } from '../routing/effect.ts'
import { idOf } from '../routing/effects.ts'
import type { ListDraft } from './list-draft.ts'

/** The query that an effect is applied to. A `Query` is one. */
export interface EffectContext {
  readonly queryKey: QueryKey
  /** The query's options: those of an infinite query tell whether there are pages beyond the loaded ones. */
  readonly options?: object | undefined
}

/** Where an item stands to the rows that are loaded. */
type Standing = 'inside' | 'outside' | 'unknown'

/**
 * Puts an item into a list as the server would show it. False: that cannot be known here. The list is then changed
 * as far as it is known, and has to be fetched.
 */
export function upsertIntoList(draft: ListDraft, effect: UpsertEffect, context: EffectContext): boolean {
  const { item, itemId, where, limit } = effect
  const found = draft.find(itemId, effect.id)
  const [position] = found
  const old = position === undefined ? undefined : draft.at(position)
  if (position !== undefined && isOutdated(effect, old)) return true

  const belongs = where ? where(item, context.queryKey) : true
  if (belongs === undefined) return false
  if (!belongs) return removeFromList(draft, found, limit)
  if (position === undefined) return insert(draft, effect, context)

  // Pages by offset overlap when rows come and go between their fetches. One copy of a row is enough.
  for (const copy of found.slice(1).reverse()) draft.remove(copy)
  const row = replaceEqualDeep(old, item)
  if (row === old) return true
  if (effect.sort === undefined) draft.replace(position, row)
  else return move(draft, effect, { context, position, old, row })
  return true
}

/** Takes rows out. False: the list was full, so a row that is not known here moves up into it. */
export function removeFromList(
  draft: ListDraft,
  positions: readonly number[],
  limit: number | undefined,
): boolean {
  const wasFull = isFull(draft, limit)
  for (const position of [...positions].reverse()) draft.remove(position)
  return positions.length === 0 || !wasFull
}

/** Whether the cached row is newer than the item. */
export function isOutdated({ version, item }: UpsertEffect, cached: unknown): boolean {
  const ours = version?.(item)
  const theirs = version?.(cached)
  return ours != null && theirs != null && ours < theirs
}

function insert(draft: ListDraft, effect: UpsertEffect, context: EffectContext): boolean {
  const { item, sort, at, limit, id } = effect
  const sides = sort ? (['start', 'end'] as const) : [at]
  const standings = sides.map((side) => standingOf(item, { draft, effect, context, side }))
  if (standings.includes('outside')) return true
  if (standings.includes('unknown')) return false

  const { length } = draft
  if (length > 0 && idOf(id, draft.at(0)) === undefined) {
    throw new TypeError(
      'its rows have no id. Narrow the filters to lists of such items, or pass { id: (item) => … }',
    )
  }
  let position = at === 'start' ? 0 : length
  if (sort) position = endOfEqual(draft, [0, length], (row) => sort(row, item, context.queryKey))
  draft.insert(position, item)
  while (isFull(draft, limit) && draft.length !== limit) draft.remove(draft.length - 1)
  return true
}

function move(
  draft: ListDraft,
  effect: UpsertEffect,
  change: { context: EffectContext; position: number; old: unknown; row: unknown },
): boolean {
  const { context, position, old, row } = change
  const standings = (['start', 'end'] as const).map((side) =>
    standingOf(row, { draft, effect, context, side, old }),
  )
  if (draft.isInfinite && standings.includes('outside')) {
    // It will come back with the page that it is on now.
    draft.remove(position)
    return true
  }
  const order = (other: unknown) => effect.sort?.(other, row, context.queryKey) ?? 0
  const last = draft.length - 1
  let target = position
  if (position > 0 && order(draft.at(position - 1)) > 0) target = endOfEqual(draft, [0, position], order)
  else if (position < last && order(draft.at(position + 1)) < 0) {
    target = endOfEqual(draft, [position + 1, last + 1], order) - 1
  }
  if (target === position) draft.replace(position, row)
  else {
    draft.remove(position)
    draft.insert(target, row)
  }
  // A row that leaves a full window makes room for one that is not known here.
  return standings.every((standing) => standing === 'inside')
}

/**
 * Compares an item with the row at an end of what is loaded. With more rows beyond it, only what sorts before it is
 * certainly inside; what sorts equal may be on either side.
 */
function standingOf(
  item: unknown,
  at: {
    draft: ListDraft
    effect: UpsertEffect
    context: EffectContext
    side: 'start' | 'end'
    old?: unknown
  },
): Standing {
  const { draft, effect, context, side, old } = at
  const { sort, limit } = effect
  const hasMore = draft.isInfinite
    ? draft.hasMore(side, context.options)
    : side === 'end' && isFull(draft, limit)
  if (hasMore === false) return 'inside'
  const beyond = hasMore ? 'outside' : 'unknown'
  if (sort === undefined) return beyond
  if (draft.length === 0) return 'unknown'
  const edge = draft.at(side === 'end' ? draft.length - 1 : 0)
  const order = sort(item, edge, context.queryKey) * (side === 'end' ? 1 : -1)
  if (order < 0 || (order === 0 && edge === old)) return 'inside'
  return order > 0 ? beyond : 'unknown'
}

/** The first position in a sorted range whose row comes after the item: behind the rows that sort equal. */
function endOfEqual(
  draft: ListDraft,
  [start, end]: readonly [number, number],
  order: (row: unknown) => number,
): number {
  let low = start
  let high = end
  while (low < high) {
    const middle = (low + high) >>> 1
    if (order(draft.at(middle)) > 0) high = middle
    else low = middle + 1
  }
  return low
}

function isFull(draft: ListDraft, limit: number | undefined): boolean {
  return limit !== undefined && !draft.isInfinite && draft.length >= limit
}
