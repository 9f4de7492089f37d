import { matchQuery, type Query, type QueryFilters } from '@tanstack/query-core'
import type { Effect } from '../../routing/effect.ts'

/**
 * The queries of an effect. A predicate of the app's that throws on one query does not lose the others: an
 * `invalidate` takes that query in (a fetch too many is safe), every other effect leaves it out.
 */
export function matchSafely(
  effect: Effect,
  match: (filters: QueryFilters) => Query[],
  onThrow?: (cause: unknown, query: Query) => void,
): Query[] {
  const { predicate, ...filters } = filtersOf(effect)
  const queries = match(filters)
  if (predicate === undefined) return queries
  return queries.filter((query) => {
    try {
      return predicate(query)
    } catch (cause) {
      onThrow?.(cause, query)
      return effect.kind === 'invalidate'
    }
  })
}

/** Whether an effect concerns a query. */
export const touches = (effect: Effect, query: Query): boolean =>
  matchSafely(effect, (filters) => (matchQuery(filters, query) ? [query] : [])).length > 0

function filtersOf(effect: Effect): QueryFilters {
  return effect.kind === 'setData' ? { queryKey: effect.queryKey, exact: true } : effect.filters
}
