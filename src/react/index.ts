'use client'

export { useRealtimeBridge } from './bridge-context.ts'
export { ConnectionIndicator, type ConnectionIndicatorProps } from './connection-indicator.tsx'
export type { ConnectionPhase } from './connection-text.ts'
export { OfflineBanner, type OfflineBannerProps } from './offline-banner.tsx'
export { RealtimeQueryProvider, type RealtimeQueryProviderProps } from './realtime-provider.tsx'
export { useCursors, type Cursor, type UseCursorsResult } from './use-cursors.ts'
export { useIsLive } from './use-is-live.ts'
export { usePresence, type Member, type UsePresenceOptions, type UsePresenceResult } from './use-presence.ts'
export { useRealtimeEvent } from './use-realtime-event.ts'
export { useRealtimeStatus, type BridgeHookOptions } from './use-realtime-status.ts'
export { useSignal, type Signal, type UseSignalOptions } from './use-signal.ts'
export { useTopic, type UseTopicOptions } from './use-topic.ts'
export { useTyping, type Typist, type UseTypingResult } from './use-typing.ts'
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
