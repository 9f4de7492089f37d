/** What has changed between two looks at a bridge. */
import type { PendingMutation } from '../core/cache/mutations/pending-mutation.ts'
import type { TopicState } from '../core/session/session.ts'
import type { MutationChange, TopicChange } from './record.ts'

export type TopicStates = ReadonlyMap<string, TopicState>

/** @param isLive - The connection is: a topic that is not live any more misses something. */
export function topicChanges(
  before: TopicStates,
  now: TopicStates,
  isLive: boolean,
): { readonly topic: string; readonly what: TopicChange }[] {
  const changes: { topic: string; what: TopicChange }[] = []
  for (const [topic, state] of now) {
    const was = before.get(topic)
    if (was === state) continue
    if (was === undefined) changes.push({ topic, what: 'wanted' })
    if (state === 'refused') changes.push({ topic, what: 'refused' })
    if (was === 'live' && state === 'resyncing' && isLive) changes.push({ topic, what: 'gap' })
  }
  for (const topic of before.keys()) if (!now.has(topic)) changes.push({ topic, what: 'left' })
  return changes
}

export type MutationStates = ReadonlyMap<string, MutationChange>

export const statesOf = (mutations: readonly PendingMutation[]): MutationStates =>
  new Map(mutations.map(({ mutationId, status }) => [mutationId, status]))

/** @param isCarriedOut - As TanStack knows it of a mutation that is not pending any more. */
export function mutationChanges(
  before: MutationStates,
  now: MutationStates,
  isCarriedOut: (mutationId: string) => boolean,
): { readonly mutationId: string; readonly what: MutationChange }[] {
  const changes: { mutationId: string; what: MutationChange }[] = []
  for (const [mutationId, what] of now) {
    if (before.get(mutationId) !== what) changes.push({ mutationId, what })
  }
  for (const [mutationId, last] of before) {
    if (now.has(mutationId)) continue
    const isSettled = last === 'confirming' || (last !== 'failed' && isCarriedOut(mutationId))
    changes.push({ mutationId, what: isSettled ? 'settled' : 'gone' })
  }
  return changes
}
