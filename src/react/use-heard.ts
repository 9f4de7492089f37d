import { useCallback, useEffect, useMemo, useState } from 'react'
import { useRealtimeBridge } from './bridge-context.ts'
import { useSignal, type Signal } from './use-signal.ts'
import type { BridgeHookOptions } from './use-realtime-status.ts'

/** The last signal of each other client, until it is taken back (`null`) or too old. */
export function useHeard<TData>(
  { topic, type, keepMs }: { topic: string; type: string; keepMs: number },
  options: BridgeHookOptions,
): { readonly heard: readonly Signal<TData>[]; readonly send: (data: TData | null) => boolean } {
  const bridge = useRealtimeBridge(options.bridge)
  const [room, setRoom] = useState<{ topic: string; bySender: ReadonlyMap<string, Signal<TData>> }>()
  const [timers] = useState(() => new Map<string, ReturnType<typeof setTimeout>>())

  const forget = useCallback(
    (from: string) => {
      clearTimeout(timers.get(from))
      timers.delete(from)
      setRoom((was) => {
        if (!was?.bySender.has(from)) return was
        const bySender = new Map(was.bySender)
        bySender.delete(from)
        return { ...was, bySender }
      })
    },
    [timers],
  )

  const send = useSignal<TData | null>(topic, type, {
    ...options,
    onSignal: (signal) => {
      const { from, data } = signal
      if (data === null) return forget(from)
      clearTimeout(timers.get(from))
      timers.set(
        from,
        setTimeout(() => {
          forget(from)
        }, keepMs),
      )
      setRoom((was) => ({
        topic,
        bySender: new Map(was?.topic === topic ? was.bySender : []).set(from, signal as Signal<TData>),
      }))
    },
  })

  useEffect(() => {
    const forgetAll = () => {
      for (const timer of timers.values()) clearTimeout(timer)
      timers.clear()
      setRoom(undefined)
    }
    let { identity } = bridge
    const unsubscribe = bridge.subscribe(() => {
      if (bridge.identity === identity) return
      ;({ identity } = bridge)
      forgetAll() // L10: the last user heard it.
    })
    return () => {
      unsubscribe()
      forgetAll()
    }
  }, [bridge, topic, type, timers])
  const heard = useMemo(() => (room?.topic === topic ? [...room.bySender.values()] : []), [room, topic])
  return { heard, send }
}
