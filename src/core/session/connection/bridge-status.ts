import type { SessionState, SessionStatus, StatusReason } from './session-state.ts'

/** The connection, for people. The same object until something changes. */
export interface BridgeStatus {
  readonly status: SessionStatus
  /** Why it is not live. None while a live connection is asked whether it is still there, as the browser says it is not. */
  readonly reason?: StatusReason | undefined
  /** Dials since it was last live for a while. 0 while live. */
  readonly attempt: number
  /** When the next dial is made, in ms of the clock. Only while `waiting`. */
  readonly retryAt?: number | undefined
  /** Sends that wait to go out: for a connection, or for answers to others. */
  readonly queued: number
}

export function statusOf(
  { status, reason, attempt, timerAt, isDoubted }: SessionState,
  queued = 0,
): BridgeStatus {
  const retryAt = status === 'waiting' ? timerAt : undefined
  const shown = isDoubted ? 'offline' : status
  return { status: shown, reason, attempt: status === 'live' ? 0 : attempt, retryAt, queued }
}

export const isSameStatus = (a: BridgeStatus, b: BridgeStatus): boolean =>
  JSON.stringify(a) === JSON.stringify(b)
