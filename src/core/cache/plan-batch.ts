import type { Query, QueryFilters } from '@tanstack/query-core'
import type { RealtimeError } from '../errors.ts'
import type { RealtimeEvent } from '../event.ts'
import { widest, type Fact, type RefetchType } from '../overlay/fact.ts'
import type { Effect, PatchingEffect } from '../routing/effect.ts'
import { effectFailed } from './effect-failed.ts'
import { matchSafely } from './matching/match-safely.ts'

/** An event with the effects that the table gave it. A local write is one without an event. */
export interface RoutedEvent {
  readonly event?: RealtimeEvent | undefined
  readonly effects: readonly Effect[]
  /** It was missed and came by replay: a query fetched meanwhile may hold it already. */
  readonly isReplay: boolean
}

/** What one batch does to one query. */
export interface Plan {
  readonly facts: PlannedFact[]
  isDropped: boolean
}

type PlannedFact = Omit<Fact, 'effects' | 'refetchType'> & {
  readonly source: RoutedEvent
  readonly effects: PatchingEffect[]
  refetchType?: RefetchType | undefined
}

export interface PlanOptions {
  readonly match: (filters: QueryFilters) => Query[]
  readonly tick: number
  readonly onError: (error: RealtimeError) => void
}

/** What a batch does, query by query, so that each is written once (L7). The order of effects is kept within a query. */
export function planBatch(
  batch: readonly RoutedEvent[],
  { match, tick, onError }: PlanOptions,
): Map<Query, Plan> {
  const plans = new Map<Query, Plan>()
  for (const source of batch) {
    const { event, isReplay } = source
    for (const effect of source.effects) {
      const onThrow = (cause: unknown, { queryKey }: Query) => {
        onError(effectFailed({ cause, effect, event, queryKey }))
      }
      for (const query of matchSafely(effect, match, onThrow)) {
        let plan = plans.get(query)
        if (plan === undefined) plans.set(query, (plan = { facts: [], isDropped: false }))
        if (effect.kind === 'drop') plan.isDropped = true
        if (plan.isDropped) continue
        let fact = plan.facts.at(-1)
        if (fact?.source !== source) plan.facts.push((fact = { source, event, isReplay, tick, effects: [] }))
        if (effect.kind === 'invalidate') fact.refetchType = widest(fact.refetchType, effect.refetchType)
        else if (effect.kind !== 'drop') fact.effects.push(effect)
      }
    }
  }
  return plans
}
