/** What effects do to queries, and why they do nothing to others. */
import {
  matchQuery,
  partialMatchKey,
  type Query,
  type QueryFilters,
  type QueryKey,
} from '@tanstack/query-core'
import type { RealtimeQueryBridge } from '../bridge.ts'
import { wouldFetch } from '../core/cache/fetches/invalidation-scheduler.ts'
import { matchSafely } from '../core/cache/matching/match-safely.ts'
import type { Effect } from '../core/routing/effect.ts'
import { describeEffect } from '../core/routing/effects.ts'
import type { Outcome, RecordedEffect } from './record.ts'
import { textOf } from './text.ts'

/** A query as it was before an effect. */
export interface Before {
  readonly query: Query
  readonly data: unknown
  readonly isInvalidated: boolean
}

/** An effect, with the queries that it means now as they are now. */
export interface Touch {
  readonly effect: Effect
  readonly before: readonly Before[]
}

const filtersOf = (effect: Effect): QueryFilters =>
  effect.kind === 'setData' ? { queryKey: effect.queryKey, exact: true } : effect.filters

export function touch({ cache }: Pick<RealtimeQueryBridge, 'cache'>, effect: Effect): Touch {
  const queries = matchSafely(effect, (filters) => cache.index.match(filters))
  const before = queries.map((query) => ({ query, ...query.state }))
  return {
    effect,
    before: before.map(({ query, data, isInvalidated }) => ({ query, data, isInvalidated })),
  }
}

/** What is kept of it: nothing that the effect carries. */
export function record({ effect, before }: Touch, outcomes?: ReadonlyMap<Query, Outcome>): RecordedEffect {
  return {
    kind: effect.kind,
    description: describeEffect(effect),
    filters: filtersOf(effect),
    queries: before.map(({ query }) => ({
      queryKey: query.queryKey,
      queryHash: query.queryHash,
      outcome: outcomes?.get(query),
    })),
  }
}

/** What has become of the queries, once the effect is in the cache. */
export function outcomesOf({ effect, before }: Touch): Map<Query, Outcome> {
  return new Map(before.map((was) => [was.query, outcomeOf(effect, was)]))
}

function outcomeOf(effect: Effect, { query, data, isInvalidated }: Before): Outcome {
  if (effect.kind === 'drop') return 'dropped'
  const { state } = query
  const outOfDate = (type: 'active' | 'inactive' | 'all' | 'none') =>
    wouldFetch(query, type) ? 'fetched' : 'stale'
  if (effect.kind === 'invalidate') return outOfDate(effect.refetchType)
  if (state.data !== data) return 'changed'
  if (state.isInvalidated && !isInvalidated) return outOfDate('active')
  return data === undefined ? 'no-data' : 'unchanged'
}

/** Why an effect does not mean a query; `undefined`: it does, as both are now. */
export function whyNot({ filters }: Pick<RecordedEffect, 'filters'>, query: Query): string | undefined {
  const { queryKey, exact, type, stale, fetchStatus, predicate } = filters
  if (queryKey) {
    if (exact) {
      if (!matchQuery({ queryKey, exact }, query)) return `It means exactly ${textOf(queryKey)}.`
    } else {
      const why = keyMismatch(queryKey, query.queryKey)
      if (why !== undefined) return why
    }
  }
  if (type === 'active' && !query.isActive()) return 'It means queries on screen alone, and this one is not.'
  if (type === 'inactive' && query.isActive()) return 'It means queries that are not on screen.'
  if (stale !== undefined && stale !== query.isStale())
    return `It means ${stale ? 'stale' : 'fresh'} queries alone.`
  if (fetchStatus && fetchStatus !== query.state.fetchStatus)
    return `It means queries that are ${fetchStatus}.`
  if (!predicate) return undefined
  try {
    return predicate(query) ? undefined : 'Its predicate says no.'
  } catch (cause) {
    return `Its predicate threw: ${String(cause)}`
  }
}

function keyMismatch(prefix: QueryKey, key: QueryKey): string | undefined {
  for (const [index, part] of prefix.entries()) {
    if (index >= key.length) return `It means keys under ${textOf(prefix)}, and this one is shorter.`
    if (!partialMatchKey([key[index]], [part]))
      return `At [${index}] its key has ${textOf(part)}, and the query's has ${textOf(key[index])}.`
  }
  return undefined
}

/** What an effect has done, in the order in which it matters to somebody who looks for a change. */
export const OUTCOMES: readonly Outcome[] = ['changed', 'fetched', 'stale', 'dropped', 'no-data', 'unchanged']

/** Every query that effects mean, with what has become of it: the outcome that matters most. */
export function outcomesIn(
  effects: readonly { readonly queries: readonly { queryHash: string; outcome?: Outcome | undefined }[] }[],
): Map<string, Outcome | undefined> {
  const outcomes = new Map<string, Outcome | undefined>()
  const rank = (outcome: Outcome | undefined) => (outcome ? OUTCOMES.indexOf(outcome) : OUTCOMES.length)
  for (const { queryHash, outcome } of effects.flatMap(({ queries }) => queries)) {
    const known = outcomes.get(queryHash)
    if (!outcomes.has(queryHash) || rank(outcome) < rank(known)) outcomes.set(queryHash, outcome)
  }
  return outcomes
}
