'use client'

export { useRealtimeBridge } from './bridge-context.ts'
export { RealtimeQueryProvider, type RealtimeQueryProviderProps } from './realtime-provider.tsx'
export { useIsLive } from './use-is-live.ts'
export { useRealtimeEvent } from './use-realtime-event.ts'
export { useRealtimeStatus, type BridgeHookOptions } from './use-realtime-status.ts'
export { useTopic, type UseTopicOptions } from './use-topic.ts'
export { usePendingMutations } from './use-pending-mutations.ts'
export { useRealtimeMutation } from './use-realtime-mutation.ts'
export { useStableKey } from './use-stable-key.ts'
export { useSyncState, type SyncState, type UseSyncStateOptions } from './use-sync-state.ts'
export {
  isUnknownOutcome,
  realtimeMutationOptions,
  type MutationEffects,
  type OptimisticContext,
  type RealtimeMutationContext,
  type RealtimeMutationOptions,
  type WithMutationId,
} from '../mutation-options.ts'
