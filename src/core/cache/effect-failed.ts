import type { Query, QueryKey } from '@tanstack/query-core'
import { RealtimeError } from '../errors.ts'
import type { RealtimeEvent } from '../event.ts'
import type { Fact } from '../overlay/fact.ts'
import type { Outcome } from '../overlay/outcome.ts'
import type { Effect } from '../routing/effect.ts'

/** The error for an effect that could not be applied. The query concerned is fetched instead. */
export function effectFailed(failure: {
  cause?: unknown
  effect?: Effect | undefined
  event?: RealtimeEvent | undefined
  queryKey?: QueryKey | undefined
  why?: string | undefined
}): RealtimeError {
  const { cause, effect, event, queryKey, why } = failure
  const what = effect === undefined ? 'A change' : `The effect "${effect.kind}"`
  const of = event === undefined ? '' : ` of the event "${event.type}"`
  const on = queryKey === undefined ? '' : ` on the query ${JSON.stringify(queryKey)}`
  const reason = why ?? (cause instanceof Error ? cause.message : String(cause))
  return new RealtimeError('effect-failed', `${what}${of} failed${on}: ${reason}`, {
    cause,
    details: { effect, event, queryKey },
  })
}

/** The errors for what could not be folded into a query, of these facts. */
export function problemsOf(
  { queryKey }: Query,
  { problems, effects }: Pick<Outcome, 'problems' | 'effects'>,
  facts: readonly Fact[],
): RealtimeError[] {
  return problems.map(({ index, why, cause }) => {
    const effect = effects[index]
    const event = facts.find((fact) => effect && fact.effects.includes(effect))?.event
    return effectFailed({ effect, event, queryKey, why, cause })
  })
}
