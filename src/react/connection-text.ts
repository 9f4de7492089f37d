import type { BridgeStatus } from '../core/session/session.ts'

/** What a status means to the person who looks at the page. */
export type ConnectionPhase = 'live' | 'connecting' | 'reconnecting' | 'offline' | 'signed-out' | 'ended'

export function phaseOf({ status, reason, attempt }: BridgeStatus): ConnectionPhase {
  if (status === 'live' || status === 'offline') return status
  if (status === 'closed') return reason === 'unauthorized' ? 'signed-out' : 'ended'
  return attempt > 1 || reason !== undefined ? 'reconnecting' : 'connecting'
}
