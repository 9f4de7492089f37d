/** Which stored mutations stay with others, which are taken over, and which are given up. Pure. */
import type { MutationKey } from '@tanstack/query-core'
import { mentions } from '../core/overlay/temporary-ids.ts'
import { isRefused, type StoredMutation } from './stored-mutation.ts'

/**
 * Why a stored mutation is not sent:
 * - `expired`: it is older than `maxAgeMs`;
 * - `too-many`: there are more than `maxCount`, and it is among the newest;
 * - `outdated`: it was stored under another `buster`;
 * - `unknown-mutation`: nothing is registered for its mutationKey (`queryClient.setMutationDefaults`);
 * - `dependency`: one that makes what it mentions is given up;
 * - `signed-out`: its user has signed out.
 */
export type GivenUpReason =
  'expired' | 'too-many' | 'outdated' | 'unknown-mutation' | 'dependency' | 'signed-out'

export interface QueuePlan {
  /** They belong to tabs that live, or to other users. */
  readonly kept: readonly StoredMutation[]
  readonly adopted: readonly StoredMutation[]
  readonly givenUp: readonly { readonly stored: StoredMutation; readonly reason: GivenUpReason }[]
  /** Expired ones of other users: nobody is told what was in them. */
  readonly forgotten: readonly StoredMutation[]
}

export interface QueuePlanOptions {
  readonly self: string
  readonly identity: string | null
  readonly buster: string
  readonly now: number
  readonly maxAgeMs: number
  /** How many may be stored beside what this tab stores of its own. */
  readonly room: number
  readonly isDead: (owner: string) => boolean
  readonly isKnown: (mutationKey: MutationKey) => boolean
}

export function planQueue(stored: readonly StoredMutation[], options: QueuePlanOptions): QueuePlan {
  const { self, identity, buster, now, maxAgeMs, room, isDead, isKnown } = options
  const kept: StoredMutation[] = []
  const orphans: StoredMutation[] = []
  const forgotten: StoredMutation[] = []
  for (const mutation of stored) {
    const { owner } = mutation.realtime
    if (owner === self) continue
    if (!isDead(owner)) kept.push(mutation)
    else if (mutation.realtime.identity === identity) orphans.push(mutation)
    else if (isExpired(mutation)) forgotten.push(mutation)
    else kept.push(mutation)
  }
  const adopted: StoredMutation[] = []
  const givenUp: { stored: StoredMutation; reason: GivenUpReason }[] = []
  const lost = new Set<string>()
  for (const mutation of orphans) {
    const reason = whyNot(mutation)
    if (reason === undefined) adopted.push(mutation)
    else {
      givenUp.push({ stored: mutation, reason })
      lost.add(mutation.realtime.mutationId)
    }
  }
  return { kept, adopted, givenUp, forgotten }

  function isExpired({ state }: StoredMutation): boolean {
    return now - state.submittedAt > maxAgeMs
  }

  function whyNot(mutation: StoredMutation): GivenUpReason | undefined {
    if (isExpired(mutation)) return 'expired'
    if (mutation.realtime.buster !== buster) return 'outdated'
    if (!isKnown(mutation.mutationKey)) return 'unknown-mutation'
    // A mutation is stored after those that make what it mentions.
    if (mentions(mutation.state.variables, (id) => lost.has(id))) return 'dependency'
    return kept.length + adopted.length >= room ? 'too-many' : undefined
  }
}

/** Which of a tab's own there is room for: the oldest that are to be sent, and beside them the newest refused ones. */
export function fit(
  own: readonly StoredMutation[],
  room: number,
): { fitting: StoredMutation[]; crowdedOut: StoredMutation[] } {
  const open = own.filter((mutation) => !isRefused(mutation))
  const sent = open.slice(0, Math.max(0, room))
  const refused = own.filter(isRefused)
  const chosen = new Set([...sent, ...refused.slice(refused.length - Math.max(0, room - sent.length))])
  return { fitting: own.filter((mutation) => chosen.has(mutation)), crowdedOut: open.slice(sent.length) }
}
