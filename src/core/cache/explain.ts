import type { Query, QueryCache, QueryKey } from '@tanstack/query-core'
import type { RealtimeError } from '../errors.ts'
import type { Effect } from '../routing/effect.ts'
import { describeEffect } from '../routing/effects.ts'
import type { RefetchType } from '../overlay/fact.ts'
import { foldEffects } from '../overlay/fold-effects.ts'
import { wouldFetch } from './fetches/invalidation-scheduler.ts'
import { matchSafely } from './matching/match-safely.ts'

/** What would happen to one query, and why. */
export interface QueryExplanation {
  readonly queryKey: QueryKey
  readonly queryHash: string
  /**
   * - `patch`: its data changes;
   * - `unchanged`: its data holds the effect already, or is not concerned;
   * - `no-data`: there is nothing to patch yet; the response that is on its way will be patched;
   * - `refetch`: it is fetched again (for a patch: because the effect cannot be applied to its data, see `why`);
   * - `mark-stale`: it is not on screen, so it is fetched when it is used again;
   * - `drop`: it leaves the cache, or starts over when it is on screen.
   */
  readonly action: 'patch' | 'unchanged' | 'no-data' | 'refetch' | 'mark-stale' | 'drop'
  readonly why?: string | undefined
}

export interface EffectExplanation {
  readonly effect: Effect
  /** The effect in words. */
  readonly description: string
  /** Empty: it matches no cached query. */
  readonly queries: readonly QueryExplanation[]
}

export interface Explanation {
  /** False: the event is not in the table, or its data fails the schema; see `error`. */
  readonly ok: boolean
  readonly error?: RealtimeError | undefined
  readonly effects: readonly EffectExplanation[]
}

/** What effects would do to a cache, each on its own. Changes nothing. */
export function explainEffects(effects: readonly Effect[], cache: QueryCache): EffectExplanation[] {
  return effects.map((effect) => ({
    effect,
    description: describeEffect(effect),
    queries: matchSafely(effect, (filters) => cache.findAll(filters)).map((query) => ({
      queryKey: query.queryKey,
      queryHash: query.queryHash,
      ...explainQuery(effect, query),
    })),
  }))
}

function explainQuery(effect: Effect, query: Query): Pick<QueryExplanation, 'action' | 'why'> {
  const whenStale = (refetchType: RefetchType) => (wouldFetch(query, refetchType) ? 'refetch' : 'mark-stale')
  if (effect.kind === 'drop') return { action: 'drop' }
  if (effect.kind === 'invalidate') return { action: whenStale(effect.refetchType) }
  const { data } = query.state
  if (data === undefined) {
    const isWhole = effect.kind === 'setData' && effect.replace
    return { action: isWhole ? 'patch' : 'no-data' }
  }
  const result = foldEffects([effect], data, query)
  if (result.refetch) return { action: whenStale('active'), why: result.problems[0]?.why }
  return { action: result.data === data ? 'unchanged' : 'patch' }
}
