import type { QueryKey } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { PendingMutation } from '../core/cache/mutations/pending-mutation.ts'
import type { ItemId } from '../core/routing/effect.ts'
import { usePendingMutations } from './use-pending-mutations.ts'
import type { BridgeHookOptions } from './use-realtime-status.ts'

export interface UseSyncStateOptions extends BridgeHookOptions {
  /** Only what changes this row, as `upsert`, `patch` and `remove` name it. */
  readonly id?: ItemId | undefined
}

export interface SyncState {
  /**
   * - `synced`: everything on screen is confirmed;
   * - `saving`: a request is under way, or its confirmation is;
   * - `queued`: something waits for the network, or for another mutation;
   * - `unknown`: nobody knows what became of a mutation; a fetch will tell;
   * - `failed`: the server has refused something, see `mutations` to retry or discard it.
   *
   * The last of these that holds.
   */
  readonly status: 'synced' | 'saving' | 'queued' | 'unknown' | 'failed'
  readonly isSynced: boolean
  /** What is not confirmed, oldest first. */
  readonly mutations: readonly PendingMutation[]
  /** Sends what has failed again. */
  retry(): void
  /** Gives up what has failed. */
  discard(): void
}

/**
 * Whether what a query shows is confirmed, so that a screen, or a row, can say: saving, queued, failed.
 *
 * @example
 * const { status, retry, discard } = useSyncState(tasks.lists(), { id: task.id })
 */
export function useSyncState(queryKey: QueryKey, { id, ...options }: UseSyncStateOptions = {}): SyncState {
  const all = usePendingMutations(queryKey, options)
  return useMemo(() => {
    const mutations = id === undefined ? all : all.filter(({ itemIds }) => itemIds.includes(id))
    const settled = mutations.filter(({ status }) => status === 'failed' || status === 'unknown')
    const status = statusOf(mutations)
    return {
      status,
      isSynced: status === 'synced',
      mutations,
      retry: () => {
        for (const mutation of settled) mutation.retry()
      },
      discard: () => {
        for (const mutation of settled) mutation.discard()
      },
    }
  }, [all, id])
}

function statusOf(mutations: readonly PendingMutation[]): SyncState['status'] {
  for (const status of ['failed', 'unknown', 'queued'] as const) {
    if (mutations.some((mutation) => mutation.status === status)) return status
  }
  return mutations.length > 0 ? 'saving' : 'synced'
}
