import { notifyManager, type QueryKey } from '@tanstack/react-query'
import { useCallback, useSyncExternalStore } from 'react'
import type { PendingMutation } from '../core/cache/mutations/pending-mutation.ts'
import { useRealtimeBridge } from './bridge-context.ts'
import type { BridgeHookOptions } from './use-realtime-status.ts'

const NONE: readonly PendingMutation[] = []

/**
 * The realtime mutations that are not confirmed, or were refused and are not dealt with, oldest first. With a query
 * key: those that touch queries under it.
 */
export function usePendingMutations(
  queryKey?: QueryKey,
  options: BridgeHookOptions = {},
): readonly PendingMutation[] {
  const bridge = useRealtimeBridge(options.bridge)
  return useSyncExternalStore(
    useCallback(
      // With the queries that change in the same step: a row and what is said of it are rendered together.
      (listener: () => void) => bridge.subscribePending(notifyManager.batchCalls(listener)),
      [bridge],
    ),
    () => bridge.pendingMutations(queryKey),
    () => NONE,
  )
}
