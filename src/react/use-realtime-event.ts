import { useEffect, useRef } from 'react'
import type { RealtimeEvent } from '../core/event.ts'
import type { EventMap, EventTable, RegisteredTable } from '../core/routing/event-table.ts'
import { useRealtimeBridge } from './bridge-context.ts'
import { useEarlyEffect } from './use-early-effect.ts'
import type { BridgeHookOptions } from './use-realtime-status.ts'

/**
 * Calls `handler` for each event of a type while the component is mounted, after the event's effects are in the
 * cache. Always the handler of the last render; it need not be memoised. For what is not data: toasts, sounds,
 * announcements. Data belongs in the table.
 *
 * @throws RealtimeError when the table has no such type
 */
export function useRealtimeEvent<
  TTable extends EventTable = RegisteredTable,
  TType extends keyof EventMap<TTable> & string = keyof EventMap<TTable> & string,
>(
  type: TType,
  handler: (data: EventMap<TTable>[TType], event: RealtimeEvent<TType, EventMap<TTable>[TType]>) => void,
  options: BridgeHookOptions<TTable> = {},
): void {
  const bridge = useRealtimeBridge<TTable>(options.bridge)
  const latest = useRef(handler)
  useEarlyEffect(() => {
    latest.current = handler
  })
  useEffect(
    () =>
      bridge.on(type, (data, event) => {
        latest.current(data, event)
      }),
    [bridge, type],
  )
}
