import type { Query, QueryKey } from '@tanstack/query-core'
import { RealtimeError } from '../errors.ts'
import type { RealtimeEvent } from '../event.ts'
import type { Fact } from '../overlay/fact.ts'
import type { Outcome } from '../overlay/outcome.ts'
import type { Effect, PatchingEffect } from '../routing/effect.ts'

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

/** Tells of effects that could not be folded into a query: of each once, though it may be folded again and again. */
export class FailedEffects {
  readonly #onError: (error: RealtimeError) => void
  readonly #told = new WeakMap<Query, WeakSet<Effect>>()
  /** Guesses are made anew each time that they run. */
  readonly #lastGuess = new WeakMap<Query, string>()

  constructor(onError: (error: RealtimeError) => void) {
    this.#onError = onError
  }

  /** @param facts - what of these effects has come by events */
  tell(query: Query, { problems, effects }: Tried, facts: readonly Fact[]): void {
    for (const { index, why, cause } of problems) {
      const effect = effects[index] as PatchingEffect
      let told = this.#told.get(query)
      if (told === undefined) this.#told.set(query, (told = new WeakSet()))
      if (told.has(effect)) continue
      told.add(effect)
      const event = facts.find((fact) => fact.effects.includes(effect))?.event
      const error = effectFailed({ effect, event, queryKey: query.queryKey, why, cause })
      if (event === undefined && this.#lastGuess.get(query) === error.message) continue
      if (event === undefined) this.#lastGuess.set(query, error.message)
      this.#onError(error)
    }
  }
}

type Tried = Pick<Outcome, 'problems' | 'effects'>
