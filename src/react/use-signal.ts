import { useCallback, useEffect, useRef } from 'react'
import type { WireSignal } from '../core/protocol/messages.ts'
import { signalsOf } from '../features.ts'
import { useRealtimeBridge } from './bridge-context.ts'
import { useEarlyEffect } from './use-early-effect.ts'
import type { BridgeHookOptions } from './use-realtime-status.ts'

/** A passing word of another client. Its data is what that client says: nobody has checked it. */
export interface Signal<TData = unknown> extends WireSignal {
  readonly data: TData
}

export interface UseSignalOptions<TData> extends BridgeHookOptions {
  /** Called for those of others. Always the one of the last render; it need not be memoised. */
  readonly onSignal?: ((signal: Signal<TData>) => void) | undefined
}

/**
 * Passing words between clients that look at the same topic: nobody keeps them, and some are lost. Gives what sends
 * one; false: there is no connection. Keeps the topic subscribed while the component is mounted.
 *
 * @example
 * const wave = useSignal(`board:${id}`, 'wave', { onSignal: ({ user }) => toast(`${user} waves.`) })
 */
export function useSignal<TData = unknown>(
  topic: string,
  type: string,
  { onSignal, bridge: given }: UseSignalOptions<TData> = {},
): (data?: TData) => boolean {
  const bridge = useRealtimeBridge(given)
  const latest = useRef(onSignal)
  useEarlyEffect(() => {
    latest.current = onSignal
  })
  useEffect(() => {
    const release = bridge.holdTopic(topic)
    const unlisten = signalsOf(bridge).listen(topic, (signal) => {
      // The app says what its clients send.
      if (signal.type === type) latest.current?.(signal as Signal<TData>)
    })
    return () => {
      unlisten()
      release()
    }
  }, [bridge, topic, type])
  return useCallback((data?: TData) => signalsOf(bridge).send(topic, type, data), [bridge, topic, type])
}
