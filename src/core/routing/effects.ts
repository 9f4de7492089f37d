/**
 * What makes effects. Each takes a query key (every query whose key begins with it) or TanStack's filters, checks
 * what it is given, and returns plain data. What an event's data may decide is checked always; what stands in the
 * program is checked in development and tests alone.
 */
import type { InvalidateQueryFilters, QueryFilters, QueryKey } from '@tanstack/query-core'
import { remedy } from '../errors.ts'
import { check, checkListOptions, checkUpsertOptions } from './check-arguments.ts'
import type {
  DropEffect,
  Effect,
  InvalidateEffect,
  ItemId,
  ItemVersion,
  ListLens,
  PatchEffect,
  RemoveEffect,
  SetDataEffect,
  UpdateEffect,
  UpsertEffect,
} from './effect.ts'
import { defaultId, idOf, isItemId } from './item-id.ts'
import { PATCH, REMOVE, UPSERT } from './row-effects.ts'
import type { FilteredData, TaggedData } from './tagged-data.ts'

/** Which queries: a query key matches every key that begins with it; filters are TanStack's. */
export type EffectFilters = QueryKey | QueryFilters

interface ListOptions<TItem> {
  /** The id of a row. Keep it outside of handlers, so that it is the same function every time. @default (item) => item.id */
  readonly id?: ((item: TItem) => ItemId) | undefined
  /** Where the rows are, when the data (or each page) is an envelope: a property's name, or a lens. */
  readonly list?: string | ListLens | undefined
}

export interface RemoveOptions<TItem> extends ListOptions<TItem> {
  /** The list shows at most so many rows: a removal from a full one refetches it, because the next row is not known. */
  readonly limit?: number | undefined
}

export type PatchOptions<TItem> = ListOptions<TItem>

export interface UpsertOptions<TItem> extends ListOptions<TItem> {
  /**
   * Whether a list shows the item, as the server's filter would say. `undefined`: it cannot be known here, and the
   * query is refetched. @default every list does
   */
  readonly where?: ((item: TItem, queryKey: QueryKey) => boolean | undefined) | undefined
  /**
   * The order of a list, as the server sorts it: make it total (by id in the end), or a row at the edge of what is
   * loaded costs a refetch. Without it an item that is there keeps its place.
   */
  readonly sort?: ((a: TItem, b: TItem, queryKey: QueryKey) => number) | undefined
  /** Where a new item goes when there is no `sort`. @default 'end' */
  readonly at?: 'start' | 'end' | undefined
  /** An item older than the cached one is ignored. */
  readonly version?: ((item: TItem) => ItemVersion) | undefined
  /** The list shows at most so many rows (a window). Infinite lists need none. */
  readonly limit?: number | undefined
}

/** Marks queries stale and refetches the active ones. */
export function invalidate(filters: QueryKey | InvalidateQueryFilters): InvalidateEffect {
  const { refetchType, ...rest } = toFilters('invalidate', filters) as InvalidateQueryFilters
  return { kind: 'invalidate', filters: rest, refetchType: refetchType ?? rest.type ?? 'active' }
}

/**
 * Replaces the data of the one query with this key, if it has data. `undefined` from an updater: leave it alone.
 *
 * @param options.replace - The value is the whole truth: the query becomes fresh and successful.
 */
export function setData<
  TData = unknown,
  TQueryKey extends QueryKey = QueryKey,
  TInferred = TaggedData<TQueryKey, TData>,
>(key: TQueryKey, updater: (data: NoInfer<TInferred>) => NoInfer<TInferred> | undefined): SetDataEffect
export function setData<
  TData = unknown,
  TQueryKey extends QueryKey = QueryKey,
  TInferred = TaggedData<TQueryKey, TData>,
>(
  key: TQueryKey,
  value: NoInfer<TInferred>,
  options?: { readonly replace?: boolean | undefined },
): SetDataEffect
export function setData(
  queryKey: QueryKey,
  value: unknown,
  { replace = false }: { readonly replace?: boolean | undefined } = {},
): SetDataEffect {
  if (process.env['NODE_ENV'] !== 'production') {
    check(Array.isArray(queryKey), 'setData', 'the key must be an array; of query options pass `.queryKey`')
    check(
      !replace || typeof value !== 'function',
      'setData',
      '`replace` needs a value: what an updater makes of old data is not the whole truth',
    )
  }
  check(value !== undefined, 'setData', remedy('`undefined` is no data; use drop(key) to remove a query'))
  const content = typeof value === 'function' ? { updater: value as (data: unknown) => unknown } : { value }
  return { kind: 'setData', queryKey, ...content, replace }
}

/**
 * Changes the data of every matching query that has data by a function. It may run again over a response that holds
 * the change already, so the query is refetched when that cannot be told: prefer `upsert`, `patch` or `remove`.
 */
export function update<
  TData = unknown,
  const TFilters extends EffectFilters = EffectFilters,
  TInferred = FilteredData<TFilters, TData>,
>(
  filters: TFilters,
  updater: (data: NoInfer<TInferred>, queryKey: QueryKey) => NoInfer<TInferred> | undefined,
): UpdateEffect {
  if (process.env['NODE_ENV'] !== 'production') {
    check(typeof updater === 'function', 'update', 'the updater must be a function; setData takes a value')
  }
  return {
    kind: 'update',
    filters: toFilters('update', filters),
    updater: updater as UpdateEffect['updater'],
  }
}

/**
 * Puts one item into every matching list, infinite list and detail: replaces the row with its id, moves it, takes
 * it out where `where` says so, or inserts it. Lists that cannot know are refetched.
 */
export function upsert<TItem extends { readonly id: ItemId }>(
  filters: EffectFilters,
  item: TItem,
  options?: UpsertOptions<NoInfer<TItem>>,
): UpsertEffect
export function upsert<TItem>(
  filters: EffectFilters,
  item: TItem,
  options: UpsertOptions<NoInfer<TItem>> & { readonly id: (item: NoInfer<TItem>) => ItemId },
): UpsertEffect
export function upsert(
  filters: EffectFilters,
  item: unknown,
  options: UpsertOptions<never> = {},
): UpsertEffect {
  if (process.env['NODE_ENV'] !== 'production') checkUpsertOptions(options)
  const { where, sort, at = 'end', version } = options as UpsertOptions<unknown>
  const list = listOptions('upsert', options)
  const itemId = idOf(list.id, item)
  check(
    itemId !== undefined,
    'upsert',
    remedy('the item has no id; pass { id: (item) => a string or a number }'),
  )
  return {
    kind: 'upsert',
    filters: toFilters('upsert', filters),
    item,
    itemId,
    where,
    sort,
    at,
    version,
    ...list,
    rules: UPSERT,
  }
}

/** Merges fields (shallowly) into the item with this id in every matching list, infinite list and detail. */
export function patch<TItem extends object>(
  filters: EffectFilters,
  id: ItemId,
  partial: Partial<TItem>,
  options: PatchOptions<NoInfer<TItem>> = {},
): PatchEffect {
  check(isItemId(id), 'patch', remedy('the id must be a string or a number'))
  check(typeof partial === 'object' && partial, 'patch', remedy('the fields to merge must be an object'))
  const { limit: _, ...list } = listOptions('patch', options)
  return {
    kind: 'patch',
    filters: toFilters('patch', filters),
    itemId: id,
    partial: { ...partial },
    ...list,
    rules: PATCH,
  }
}

/** Takes the item with this id out of every matching list and infinite list. Details stay: `drop` those. */
export function remove<TItem = unknown>(
  filters: EffectFilters,
  id: ItemId,
  options: RemoveOptions<TItem> = {},
): RemoveEffect {
  check(isItemId(id), 'remove', remedy('the id must be a string or a number'))
  return {
    kind: 'remove',
    filters: toFilters('remove', filters),
    itemId: id,
    ...listOptions('remove', options),
    rules: REMOVE,
  }
}

/** Removes matching queries from the cache; those on screen start over. */
export function drop(filters: EffectFilters): DropEffect {
  return { kind: 'drop', filters: toFilters('drop', filters) }
}

/** Whether applying the effect twice is the same as applying it once, so that it may be applied when in doubt. */
export function isReplayable(effect: Effect): boolean {
  return !(effect as Partial<UpdateEffect>).updater
}

/** An effect in words, for devtools and logs: `upsert 7 in ["tasks"]`. */
export function describeEffect(effect: Effect): string {
  const { queryKey } = effect.kind === 'setData' ? effect : effect.filters
  const words = [effect.kind, queryKey ? text(queryKey) : 'every query']
  if ('itemId' in effect) words.splice(1, 0, text(effect.itemId), 'in')
  if ('partial' in effect) words.push(`(${Object.keys(effect.partial).join(', ')})`)
  if ('refetchType' in effect) words.push(`(refetch ${effect.refetchType})`)
  if ('replace' in effect && effect.replace) words.push('(replace)')
  if ('updater' in effect) words.push('(by a function)')
  return words.join(' ')
}

function listOptions(effect: string, options: RemoveOptions<never>) {
  if (process.env['NODE_ENV'] !== 'production') checkListOptions(effect, options)
  const { id = defaultId, list, limit } = options as RemoveOptions<unknown>
  return { id, list, limit }
}

/** Always checked: what is no filter would match every query. */
function toFilters(effect: string, filters: unknown): QueryFilters {
  if (Array.isArray(filters)) return { queryKey: filters }
  const { queryKey = [] } = (filters ?? {}) as QueryFilters
  check(
    typeof filters === 'object' && filters && Array.isArray(queryKey),
    effect,
    remedy("it takes a query key, as ['tasks'], or filters, as { queryKey: ['tasks'], exact: true }"),
  )
  return filters
}

function text(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch {
    return String(value) // A bigint or a cycle: such keys need a hash function of their own.
  }
}
