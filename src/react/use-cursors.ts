import { useCallback, useEffect, useRef } from 'react'
import { useHeard } from './use-heard.ts'
import type { BridgeHookOptions } from './use-realtime-status.ts'

/** Where another client points. */
export interface Cursor<TPlace> {
  readonly id: string
  /** Who it is, as the server knows it. */
  readonly user: string | undefined
  readonly place: TPlace
}

export interface UseCursorsResult<TPlace> {
  readonly cursors: readonly Cursor<TPlace>[]
  /** Call it on every move. It tells the others 20 times a second at most, and always where it came to rest. */
  readonly move: (place: TPlace) => void
  /** Call it when the pointer leaves. Without it, the others forget it after ten seconds. */
  readonly leave: () => void
}

const EVERY_MS = 50
const KEEP_MS = 10_000

/**
 * Where others point, in whatever terms the app has: a point, a cell, a row.
 *
 * @example
 * const { cursors, move, leave } = useCursors<{ x: number; y: number }>(`board:${id}`)
 */
export function useCursors<TPlace>(topic: string, options: BridgeHookOptions = {}): UseCursorsResult<TPlace> {
  const { heard, send } = useHeard<TPlace>({ topic, type: 'cursor', keepMs: KEEP_MS }, options)
  /** What is told when the pause is over; `undefined`: nothing has moved since. */
  const next = useRef<{ readonly place: TPlace | null }>(undefined)
  const pause = useRef<ReturnType<typeof setTimeout>>(undefined)
  const tell = useCallback(
    (place: TPlace | null) => {
      if (pause.current !== undefined) {
        next.current = { place }
        return
      }
      const run = (place: TPlace | null) => {
        send(place)
        next.current = undefined
        pause.current = setTimeout(() => {
          pause.current = undefined
          if (next.current) run(next.current.place)
        }, EVERY_MS)
      }
      run(place)
    },
    [send],
  )
  const leave = useCallback(() => {
    tell(null)
  }, [tell])
  useEffect(
    () => () => {
      // Who goes elsewhere does not point here.
      if (pause.current === undefined && next.current === undefined) return
      clearTimeout(pause.current)
      pause.current = next.current = undefined
      send(null)
    },
    [send],
  )
  return {
    cursors: heard.map(({ from, user, data }) => ({ id: from, user, place: data })),
    move: tell,
    leave,
  }
}
