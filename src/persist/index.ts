export { dehydrateBase, dehydrateWithPositions, serializeBase } from './dehydrate-base.ts'
export type { MutationPersister, PersistedMutationQueue } from './mutation-store.ts'
export {
  persistMutations,
  type GivenUpMutation,
  type PersistedMutations,
  type PersistMutationsOptions,
} from './persist-mutations.ts'
export type { GivenUpReason } from './plan-queue.ts'
export type { TabChannel, TabLocks } from './tabs.ts'
