import type { dataTagSymbol } from '@tanstack/query-core'

/** The data type that `queryOptions` or `infiniteQueryOptions` has put on a key; `TData` on any other key. */
export type TaggedData<TQueryKey, TData = unknown> = TQueryKey extends {
  readonly [dataTagSymbol]: infer TTagged
}
  ? TTagged
  : TData

/** The same for what selects queries: a key, or filters that name one. */
export type FilteredData<TFilters, TData = unknown> = TFilters extends { readonly queryKey?: infer TQueryKey }
  ? TaggedData<TQueryKey, TData>
  : TaggedData<TFilters, TData>
