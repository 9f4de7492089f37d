import type { QueryKey } from '@tanstack/react-query'
import { useCallback, useSyncExternalStore } from 'react'
import { useRealtimeBridge } from './bridge-context.ts'
import type { BridgeHookOptions } from './use-realtime-status.ts'

/**
 * Whether a query is live: all that keeps it current arrives without a gap. Renders again when that changes. Call it
 * after the `useQuery` that it is about.
 *
 * @example
 * const tasks = useQuery(taskList(boardId))
 * const isLive = useIsLive(taskList(boardId).queryKey)
 */
export function useIsLive(queryKey: QueryKey, options: BridgeHookOptions = {}): boolean {
  const bridge = useRealtimeBridge(options.bridge)
  return useSyncExternalStore(
    useCallback((listener: () => void) => bridge.onLiveChange(listener), [bridge]),
    () => bridge.isLive(queryKey),
    () => false,
  )
}
