/** A mutation whose effect is shown before every query that it touches has it from the server. */
import type { Position } from '../event.ts'
import type { Effect } from '../routing/effect.ts'

/**
 * - `pending`: nothing is known of its fate;
 * - `acked`: the server has carried it out;
 * - `unknown`: it was sent, and the answer was lost. It may have been carried out.
 */
export type Fate = 'pending' | 'acked' | 'unknown'

export interface Operation {
  readonly mutationId: string
  /** Mutations of one scope are carried out one after the other; across scopes the order must not matter. */
  readonly scope: string | undefined
  /** The mutations that make what it is about: the server carries them out before it. */
  follows: readonly string[]
  /** Applying it to data that has it already changes nothing. */
  isIdempotent: boolean
  /** What brings the confirmed data: the event that the mutation causes, or a fetch. */
  settle: 'echo' | 'refetch'
  /** When it began, in ticks. */
  readonly beganAt: number
  /** Its request has left. */
  isSent: boolean
  /** Its request has ended: nothing more is to be heard of it than its event. */
  isAnswered: boolean
  /** The guess. */
  effects: readonly Effect[]
  /** The server's answer: in place of the guess on the queries that it says something of. */
  confirmed: readonly Effect[] | undefined
  /** `confirmed` is the answer to the mutation itself; else it is what its event has said. */
  isConfirmed: boolean
  fate: Fate
  /** When its fate was first known, in ticks. Later evidence does not move it. */
  settledAt: number
  /** Where it stands in its topics, as far as known. */
  readonly acks: Map<string, Position>
  /** Where those stand that the server carries out after it: of another epoch they may tell what `acks` cannot. */
  readonly precedes: Map<string, Position>
  /** Its echo has not come in time: a fetch that began after it was acked tells as much. */
  isOverdue: boolean
  /** Its echo has come. */
  hasEchoed: boolean
}

/**
 * Whether it shows a row under its temporary id, and nothing has told the real one yet: what comes from the server may
 * have the row already.
 */
export const isUnnamed = ({ mutationId, effects, confirmed = [] }: Operation): boolean =>
  !confirmed.some(({ kind }) => kind === 'upsert') &&
  effects.some((effect) => effect.kind === 'upsert' && effect.itemId === mutationId)
