'use client'

export { useRealtimeBridge } from './bridge-context.ts'
export { RealtimeQueryProvider, type RealtimeQueryProviderProps } from './realtime-provider.tsx'
export { useIsLive } from './use-is-live.ts'
export { useRealtimeEvent } from './use-realtime-event.ts'
export { useRealtimeStatus, type BridgeHookOptions } from './use-realtime-status.ts'
export { useTopic, type UseTopicOptions } from './use-topic.ts'
