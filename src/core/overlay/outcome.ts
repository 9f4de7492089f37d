/** What has become of a query by an event, a write or a response. */
import type { PatchingEffect } from '../routing/effect.ts'
import type { RefetchType } from './fact.ts'
import type { FoldProblem } from './fold-effects.ts'

export interface Outcome {
  /** The response is older than what is known: it changes nothing, and the query is fetched again. */
  readonly isRefused: boolean
  /** What has to be fetched, because the base does not have all that is known. */
  readonly refetchType: RefetchType | undefined
  readonly problems: readonly FoldProblem[]
  /** What `problems` count in. */
  readonly effects: readonly PatchingEffect[]
}

export const NOTHING: Outcome = { isRefused: false, refetchType: undefined, problems: [], effects: [] }
export const REFUSED: Outcome = { isRefused: true, refetchType: 'active', problems: [], effects: [] }
