import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import type { PresenceMember } from '../core/protocol/messages.ts'
import type { PresenceHold, PresenceView } from '../core/session/extensions/presence.ts'
import { presenceOf } from '../features.ts'
import { useRealtimeBridge } from './bridge-context.ts'
import { useEarlyEffect } from './use-early-effect.ts'
import type { BridgeHookOptions } from './use-realtime-status.ts'

/** One who is present. `state` is what that client says of itself: nobody has checked it. */
export interface Member<TState = unknown> extends PresenceMember {
  readonly state: TState
}

export interface UsePresenceResult<TState = unknown> {
  /** Everybody, this client included when it has a state, in the order in which they came. */
  readonly members: readonly Member<TState>[]
  /** Everybody else. */
  readonly others: readonly Member<TState>[]
  /** This client, once the server has said so. */
  readonly self: Member<TState> | undefined
  /** False: not known yet, or known from before the connection was lost. */
  readonly isCurrent: boolean
}

export interface UsePresenceOptions extends BridgeHookOptions {
  /** False: neither present nor watching. @default true */
  readonly enabled?: boolean | undefined
}

const NOBODY: PresenceView = { members: [], self: undefined, isCurrent: false }

/**
 * Who is present in a topic. With a `state` (anything that JSON can hold; it need not be memoised) this client is
 * present itself while the component is mounted; without one it watches. For what changes many times a second there
 * are signals: `useCursors`.
 *
 * @example
 * const { others } = usePresence(`board:${id}`, { name: user.name })
 */
export function usePresence<TState = unknown>(
  topic: string,
  state?: TState,
  { enabled = true, bridge }: UsePresenceOptions = {},
): UsePresenceResult<TState> {
  const presence = presenceOf(useRealtimeBridge(bridge))
  const hold = useRef<PresenceHold>(undefined)
  const latest = useRef(state)
  useEarlyEffect(() => {
    latest.current = state
  })
  useEffect(() => {
    if (!enabled) return
    const joined = presence.join(topic, latest.current)
    hold.current = joined
    return () => {
      hold.current = undefined
      joined.leave()
    }
  }, [presence, topic, enabled])

  const view = useSyncExternalStore(
    useCallback((listener: () => void) => presence.subscribe(topic, listener), [presence, topic]),
    () => presence.of(topic),
    () => NOBODY,
  )
  const text = JSON.stringify(state) as string | undefined
  useEffect(() => {
    // Said again on every connection: for another user, what the last one has said is forgotten.
    hold.current?.update(text === undefined ? undefined : JSON.parse(text))
  }, [text, view.isCurrent])

  return useMemo(() => {
    // The app says what its clients say of themselves.
    const members = view.members as readonly Member<TState>[]
    return {
      members,
      others: members.filter(({ id }) => id !== view.self),
      self: members.find(({ id }) => id === view.self),
      isCurrent: view.isCurrent,
    }
  }, [view])
}
