import { useCallback, useSyncExternalStore } from 'react'
import type { RealtimeQueryBridge } from '../bridge.ts'
import type { EventTable } from '../core/routing/event-table.ts'
import type { BridgeStatus } from '../core/session/session.ts'
import { useRealtimeBridge } from './bridge-context.ts'

export interface BridgeHookOptions<TTable extends EventTable = EventTable> {
  /** @default the bridge of the nearest RealtimeQueryProvider */
  readonly bridge?: RealtimeQueryBridge<TTable> | undefined
}

/** What a server renders, and the first render of a page that hydrates it. */
const ON_SERVER: BridgeStatus = { status: 'idle', attempt: 0, queued: 0 }

/** The connection as it is now: `{ status, reason, attempt, retryAt, queued }`. Renders again when it changes. */
export function useRealtimeStatus(options: BridgeHookOptions = {}): BridgeStatus {
  const bridge = useRealtimeBridge(options.bridge)
  return useSyncExternalStore(
    useCallback((listener: () => void) => bridge.subscribe(listener), [bridge]),
    () => bridge.status,
    () => ON_SERVER,
  )
}
