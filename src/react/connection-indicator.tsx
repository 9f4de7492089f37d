import type { ReactNode } from 'react'
import { phaseOf, type ConnectionPhase } from './connection-text.ts'
import { useLasting } from './use-lasting.ts'
import { useRealtimeStatus, type BridgeHookOptions } from './use-realtime-status.ts'

export interface ConnectionIndicatorProps extends BridgeHookOptions {
  readonly className?: string | undefined
  /** What it says, in place of the English words. */
  readonly labels?: Partial<Record<ConnectionPhase, ReactNode>> | undefined
  /** How long a drop must last to be shown, in ms. @default 1_000 */
  readonly delayMs?: number | undefined
}

const LABELS: Record<ConnectionPhase, ReactNode> = {
  live: 'Live',
  connecting: 'Connecting…',
  reconnecting: 'Reconnecting…',
  offline: 'Offline',
  'signed-out': 'Signed out',
  ended: 'Not connected',
}

/**
 * Says whether what is on screen is live. Without a style of its own: `data-phase` tells a stylesheet which of
 * `live`, `connecting`, `reconnecting`, `offline`, `signed-out` and `ended` it is. Screen readers are told politely.
 */
export function ConnectionIndicator({
  className,
  labels,
  delayMs = 1_000,
  bridge,
}: ConnectionIndicatorProps): ReactNode {
  const phase = phaseOf(useRealtimeStatus({ bridge }))
  // Good news need not last to be told.
  const lasting = useLasting(phase, phase === 'live' ? 0 : delayMs)
  const shown = phase === 'live' ? phase : lasting
  return (
    <span role="status" className={className} data-phase={shown}>
      {labels?.[shown] ?? LABELS[shown]}
    </span>
  )
}
