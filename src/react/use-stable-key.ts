import { useCallback } from 'react'
import type { ItemId } from '../core/routing/effect.ts'
import { useRealtimeBridge } from './bridge-context.ts'
import type { BridgeHookOptions } from './use-realtime-status.ts'

/**
 * Gives React keys that stay: a row that was created under its mutationId keeps that key when the server has given it
 * an id of its own, so it is not mounted anew (focus, selection and animations stay).
 *
 * @example
 * const keyOf = useStableKey()
 * tasks.map((task) => <TaskRow key={keyOf(task.id)} task={task} />)
 */
export function useStableKey(options: BridgeHookOptions = {}): (id: ItemId) => ItemId {
  const bridge = useRealtimeBridge(options.bridge)
  return useCallback((id: ItemId) => bridge.keyOf(id), [bridge])
}
