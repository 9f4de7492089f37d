import type { ClosePolicy } from '../../protocol/close-codes.ts'
import type { SessionLimits } from '../limits.ts'

/** The longest `retryAfterMs` that is believed, in ms: a bad hint must not silence a client for good. */
const MAX_HINT_MS = 300_000

export interface RetryDelay {
  /** Failures in a row so far. */
  readonly step: number
  readonly policy: ClosePolicy
  /** When the server said to come back, counted from now. */
  readonly retryAfterMs: number | undefined
  /** A number in [0, 1). */
  readonly random: number
}

/**
 * How long to wait before the next dial, in ms: full jitter over a window that doubles with every failure. A
 * server's hint, or the longest backoff, is waited for in full (half of the window), and the jitter comes on top.
 */
export function retryDelayMs(
  { step, policy, retryAfterMs, random }: RetryDelay,
  limits: SessionLimits,
): number {
  const { retryBaseMs, retryMaxMs } = limits
  const windowMs = Math.min(retryMaxMs, retryBaseMs * 2 ** step)
  if (retryAfterMs !== undefined) return Math.min(retryAfterMs, MAX_HINT_MS) + random * windowMs
  return policy === 'retry-slow' ? (retryMaxMs * (1 + random)) / 2 : random * windowMs
}
