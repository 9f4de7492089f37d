import { createContext, useContext } from 'react'
import type { RealtimeQueryBridge } from '../bridge.ts'
import { RealtimeError, remedy } from '../core/errors.ts'
import type { EventTable, RegisteredTable } from '../core/routing/event-table.ts'

export const BridgeContext = createContext<RealtimeQueryBridge<EventTable> | undefined>(undefined)

/**
 * The bridge of the nearest `RealtimeQueryProvider`, or the one passed in. Typed by the table named in
 * `Register`, or by the bridge passed in.
 *
 * @throws RealtimeError when there is neither
 */
export function useRealtimeBridge<TTable extends EventTable = RegisteredTable>(
  bridge?: RealtimeQueryBridge<TTable>,
): RealtimeQueryBridge<TTable> {
  const nearest = useContext(BridgeContext)
  const found = bridge ?? nearest
  if (!found) {
    throw new RealtimeError('usage', 'No bridge here.', {
      remedy: remedy('Wrap the tree in <RealtimeQueryProvider>, or pass { bridge } to the hook.'),
    })
  }
  // The context cannot carry the table's type: `Register` tells it.
  return found as RealtimeQueryBridge<TTable>
}
