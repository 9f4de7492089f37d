import type { QueryFilters, QueryKey } from '@tanstack/query-core'
import type { ListDraft } from './list-draft.ts'

/** The identity of a row. `1` and `'1'` are different ids. */
export type ItemId = string | number

/** What orders the versions of a row. Strings compare as strings do, so ISO dates in UTC are fine. */
export type ItemVersion = string | number | bigint | Date | null | undefined

/**
 * How an effect finds the rows inside an envelope: a query's data, or each page of an infinite query.
 *
 * @example
 * const tasksIn: ListLens = {
 *   get: (page: TaskPage) => page.tasks,
 *   set: (page: TaskPage, tasks: readonly Task[]) => ({ ...page, tasks, total: page.total + tasks.length - page.tasks.length }),
 * }
 */
export interface ListLens {
  /** Gives the rows; `undefined` when this data holds no list (a detail under the same prefix, say). */
  get(data: unknown): readonly unknown[] | undefined
  /** Gives the envelope with its rows replaced. Must not change `data`. */
  set(data: unknown, items: readonly unknown[]): unknown
}

/** The query that an effect is applied to. A `Query` is one. */
export interface EffectContext {
  readonly queryKey: QueryKey
  /** The query's options: those of an infinite query tell whether there are pages beyond the loaded ones. */
  readonly options?: object | undefined
}

/** What an effect does to rows. Methods, so that the rules of one effect are rules of any. */
export interface RowRules<TEffect> {
  /** `undefined`: there is no list that `list` finds. */
  openList(data: unknown, list: string | ListLens | undefined): ListDraft | undefined
  /** False: what the list shows now cannot be known here, and it has to be fetched. */
  toList(draft: ListDraft, effect: TEffect, context: EffectContext): boolean
  /** What becomes of data that holds no list. */
  toDetail(effect: TEffect, data: object): unknown
}

/** `{ kind: 'invalidate' }` marks queries stale and refetches the active ones. */
export interface InvalidateEffect {
  readonly kind: 'invalidate'
  readonly filters: QueryFilters
  /** As in `queryClient.invalidateQueries`. @default 'active' */
  readonly refetchType: 'active' | 'inactive' | 'all' | 'none'
}

/** Replaces the data of one query. */
export interface SetDataEffect {
  readonly kind: 'setData'
  readonly queryKey: QueryKey
  /** Either the value… */
  readonly value?: unknown
  /** …or a function of the cached data. Not idempotent unless its author made it so. */
  readonly updater?: ((data: unknown) => unknown) | undefined
  /** The value is the whole truth: the query becomes fresh and successful. */
  readonly replace: boolean
}

/** Changes the data of every matching query by a function. Not idempotent unless its author made it so. */
export interface UpdateEffect {
  readonly kind: 'update'
  readonly filters: QueryFilters
  readonly updater: (data: unknown, queryKey: QueryKey) => unknown
}

/** Inserts, replaces, moves or takes out one item, in lists, infinite lists and detail queries alike. */
export interface UpsertEffect {
  readonly kind: 'upsert'
  readonly filters: QueryFilters
  readonly item: unknown
  /** `id(item)`. */
  readonly itemId: ItemId
  readonly id: (item: unknown) => ItemId
  readonly where: ((item: unknown, queryKey: QueryKey) => boolean | undefined) | undefined
  readonly sort: ((a: unknown, b: unknown, queryKey: QueryKey) => number) | undefined
  readonly at: 'start' | 'end'
  /** A property's name, or a lens. */
  readonly list: string | ListLens | undefined
  readonly version: ((item: unknown) => ItemVersion) | undefined
  /** The list shows at most so many rows. Says nothing about infinite lists: their pages tell. */
  readonly limit: number | undefined
  /** @internal */
  readonly rules: RowRules<UpsertEffect>
}

/** Merges fields into the item with this id, wherever it is cached. */
export interface PatchEffect {
  readonly kind: 'patch'
  readonly filters: QueryFilters
  readonly itemId: ItemId
  readonly partial: Readonly<Record<string, unknown>>
  readonly id: (item: unknown) => ItemId
  /** A property's name, or a lens. */
  readonly list: string | ListLens | undefined
  /** @internal */
  readonly rules: RowRules<PatchEffect>
}

/** Takes the item with this id out of lists. */
export interface RemoveEffect {
  readonly kind: 'remove'
  readonly filters: QueryFilters
  readonly itemId: ItemId
  readonly id: (item: unknown) => ItemId
  /** A property's name, or a lens. */
  readonly list: string | ListLens | undefined
  readonly limit: number | undefined
  /** @internal */
  readonly rules: RowRules<RemoveEffect>
}

/** Removes matching queries from the cache; the active ones among them are refetched. */
export interface DropEffect {
  readonly kind: 'drop'
  readonly filters: QueryFilters
}

/** What an event does to the cache, as data. Made by `invalidate`, `setData`, `update`, `upsert`, … */
export type Effect =
  InvalidateEffect | SetDataEffect | UpdateEffect | UpsertEffect | PatchEffect | RemoveEffect | DropEffect

export type RowEffect = UpsertEffect | PatchEffect | RemoveEffect

/** An effect that changes the data of queries that stay where they are. */
export type PatchingEffect = SetDataEffect | UpdateEffect | RowEffect
