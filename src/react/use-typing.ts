import { useCallback, useEffect, useRef } from 'react'
import { useHeard } from './use-heard.ts'
import type { BridgeHookOptions } from './use-realtime-status.ts'

/** Another client in which somebody types. */
export interface Typist {
  readonly id: string
  /** Who it is, as the server knows it. */
  readonly user: string | undefined
}

export interface UseTypingResult {
  readonly typists: readonly Typist[]
  /** Call it on every input. It tells the others at most every two seconds. */
  readonly onType: () => void
  /** Call it when the text is sent. Without it, the others forget it after four seconds. */
  readonly onStop: () => void
}

const AGAIN_MS = 2_000
const KEEP_MS = 4_000

/**
 * Who else types in a topic.
 *
 * @example
 * const { typists, onType, onStop } = useTyping(`task:${id}`)
 */
export function useTyping(topic: string, options: BridgeHookOptions = {}): UseTypingResult {
  const { heard, send } = useHeard<true>({ topic, type: 'typing', keepMs: KEEP_MS }, options)
  /** When the others were last told. */
  const toldAt = useRef<number>(undefined)
  const onType = useCallback(() => {
    const now = Date.now()
    if (toldAt.current !== undefined && Math.abs(now - toldAt.current) < AGAIN_MS) return
    if (send(true)) toldAt.current = now
  }, [send])
  const onStop = useCallback(() => {
    if (toldAt.current !== undefined) send(null)
    toldAt.current = undefined
  }, [send])
  // Who goes elsewhere does not type here.
  useEffect(() => onStop, [onStop])
  return { typists: heard.map(({ from, user }) => ({ id: from, user })), onType, onStop }
}
