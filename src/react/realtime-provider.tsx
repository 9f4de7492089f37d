import { QueryClientProvider } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import type { RealtimeQueryBridge } from '../bridge.ts'
import type { EventTable } from '../core/routing/event-table.ts'
import { BridgeContext } from './bridge-context.ts'
import { useEarlyEffect } from './use-early-effect.ts'

/** How many mounted providers use a bridge. */
const users = new WeakMap<RealtimeQueryBridge<EventTable>, number>()

function retain(bridge: RealtimeQueryBridge<EventTable>): () => void {
  users.set(bridge, (users.get(bridge) ?? 0) + 1)
  bridge.start()
  return () => {
    users.set(bridge, (users.get(bridge) ?? 1) - 1)
    // StrictMode and hot reload unmount and mount again in one go: that must not cost a connection.
    queueMicrotask(() => {
      if (users.get(bridge) === 0) bridge.stop()
    })
  }
}

export interface RealtimeQueryProviderProps<TTable extends EventTable> {
  /** Made once, outside of components: a new bridge means a new connection. */
  readonly bridge: RealtimeQueryBridge<TTable>
  readonly children?: ReactNode
}

/**
 * Keeps a bridge started while it is mounted, and gives the tree its QueryClient: it takes the place of
 * `QueryClientProvider`.
 */
export function RealtimeQueryProvider<TTable extends EventTable>({
  bridge,
  children,
}: RealtimeQueryProviderProps<TTable>): ReactNode {
  // Hooks find the table's type again through `Register`, so the context need not carry it.
  const anyBridge = bridge as unknown as RealtimeQueryBridge<EventTable>
  // The bridge sees every fetch of the tree begin.
  useEarlyEffect(() => retain(anyBridge), [anyBridge])
  return (
    <BridgeContext.Provider value={anyBridge}>
      <QueryClientProvider client={bridge.queryClient}>{children}</QueryClientProvider>
    </BridgeContext.Provider>
  )
}
