import type { ReactNode } from 'react'
import { phaseOf, type ConnectionPhase } from './connection-text.ts'
import { useLasting } from './use-lasting.ts'
import { useRealtimeStatus, type BridgeHookOptions } from './use-realtime-status.ts'

export interface OfflineBannerProps extends BridgeHookOptions {
  readonly className?: string | undefined
  /** What it says, in place of the English words. */
  readonly messages?: Partial<Record<Exclude<ConnectionPhase, 'live'>, ReactNode>> | undefined
  /** How long a drop must last to be shown, in ms. @default 3_000 */
  readonly delayMs?: number | undefined
  /** Shown after the message: a button that signs in again, say. */
  readonly children?: ReactNode
}

const MESSAGES: Record<Exclude<ConnectionPhase, 'live'>, ReactNode> = {
  connecting: 'Connecting. What you see may be out of date.',
  reconnecting: 'The connection is lost. What you see may be out of date.',
  offline: 'You are offline. What you see may be out of date.',
  'signed-out': 'Your session has ended. Sign in again to see what is new.',
  ended: 'Live updates have ended.',
}

/**
 * A line of text while the connection is gone for longer than a moment, and an empty element otherwise (`:empty`).
 * Without a style of its own.
 */
export function OfflineBanner({
  className,
  messages,
  delayMs = 3_000,
  children,
  bridge,
}: OfflineBannerProps): ReactNode {
  const phase = phaseOf(useRealtimeStatus({ bridge }))
  const isDown = useLasting(phase !== 'live', phase === 'live' ? 0 : delayMs, false)
  // The region is always there: screen readers tell of what changes in it, not of one that appears.
  return (
    <div role="status" className={className} data-phase={phase}>
      {isDown && phase !== 'live' && (
        <>
          {messages?.[phase] ?? MESSAGES[phase]}
          {children}
        </>
      )}
    </div>
  )
}
