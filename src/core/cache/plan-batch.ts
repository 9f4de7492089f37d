import type { Query, QueryFilters } from '@tanstack/query-core'
import type { RealtimeError } from '../errors.ts'
import type { RealtimeEvent } from '../event.ts'
import type { Effect, PatchingEffect } from '../routing/effect.ts'
import { effectFailed } from './effect-failed.ts'
import { widest, type RefetchType } from './invalidation-scheduler.ts'
import { matchSafely } from './match-safely.ts'

/** An event with the effects that the table gave it. */
export interface RoutedEvent {
  readonly event: RealtimeEvent
  readonly effects: readonly Effect[]
  /** It was missed and came by replay: a query fetched meanwhile may hold it already. */
  readonly isReplay: boolean
}

/** What one batch does to one query. */
export interface Plan {
  readonly effects: PatchingEffect[]
  /** The event behind each effect. */
  readonly sources: RoutedEvent[]
  refetchType: RefetchType | undefined
  isDropped: boolean
}

/** What a batch does, query by query, so that each is written once (L7). The order of effects is kept within a query. */
export function planBatch(
  batch: readonly RoutedEvent[],
  match: (filters: QueryFilters) => Query[],
  onError: (error: RealtimeError) => void,
): Map<Query, Plan> {
  const plans = new Map<Query, Plan>()
  for (const routed of batch) {
    for (const effect of routed.effects) {
      const onThrow = (cause: unknown, { queryKey }: Query) => {
        onError(effectFailed({ cause, effect, event: routed.event, queryKey }))
      }
      for (const query of matchSafely(effect, match, onThrow)) {
        let plan = plans.get(query)
        if (plan === undefined) {
          plan = { effects: [], sources: [], refetchType: undefined, isDropped: false }
          plans.set(query, plan)
        }
        if (effect.kind === 'drop') plan.isDropped = true
        else if (effect.kind === 'invalidate') plan.refetchType = widest(plan.refetchType, effect.refetchType)
        else if (!plan.isDropped) {
          plan.effects.push(effect)
          plan.sources.push(routed)
        }
      }
    }
  }
  return plans
}
