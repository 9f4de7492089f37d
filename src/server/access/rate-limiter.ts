import type { Clock } from '../../core/clock.ts'
import { inTime } from './in-time.ts'
import { retryTime } from './retry-time.ts'

/**
 * A limit that nodes share. Any limiter of the package `rate-limiter-flexible` fits. A rejection with an `Error` means that the
 * limiter itself is in trouble; any other rejection, that the limit is reached.
 */
export interface RateLimiter {
  consume(key: string, points?: number): Promise<unknown>
}

/** Limits beyond those of a single connection. The key is the user, or the address where there is none. */
export interface RateLimiters {
  /** One point for each connection of an address, before it may say anything. Beyond it: closed with 4429. */
  readonly connections?: RateLimiter | undefined
  /** The cost of each message (`maxMessagesPerSecond`). Beyond it: closed with 4429, a moment later. */
  readonly messages?: RateLimiter | undefined
  /** One point for each topic that is subscribed or joined. Beyond it: refused with `limit`. */
  readonly subscriptions?: RateLimiter | undefined
  /** One point for each `send`. Beyond it: answered with `limit` and a `retryAfterMs`. */
  readonly sends?: RateLimiter | undefined
}

export type RateLimitAnswer =
  { readonly isLimited: false } | { readonly isLimited: true; readonly retryAfterMs: number | undefined }

interface Consumption {
  readonly key: string
  readonly points?: number
  readonly clock: Clock
  readonly onTrouble: (cause: unknown) => void
}

/** Their trouble is told once, until they work again: every message may ask one. */
const failing = new WeakSet<RateLimiter>()

/** A store that is away may keep its callers waiting for as long as it is. */
const TIMEOUT_MS = 1_000

/**
 * Never rejects. A limiter that is in trouble limits nobody, which is reported: the limits of each connection still
 * hold, and an outage of the store must not become one of the server.
 */
export async function consume(
  limiter: RateLimiter | undefined,
  { key, points = 1, clock, onTrouble }: Consumption,
): Promise<RateLimitAnswer> {
  if (!limiter) return { isLimited: false }
  const inTrouble = (cause: unknown): RateLimitAnswer => {
    if (!failing.has(limiter)) onTrouble(cause)
    failing.add(limiter)
    return { isLimited: false }
  }
  try {
    const message = `It has given no answer within ${TIMEOUT_MS} ms.`
    await inTime(limiter.consume(key, points), { clock, limitMs: TIMEOUT_MS, message })
    failing.delete(limiter)
    return { isLimited: false }
  } catch (refusal) {
    if (refusal instanceof Error || typeof refusal !== 'object' || refusal === null) return inTrouble(refusal)
    failing.delete(limiter)
    const { msBeforeNext } = refusal as { msBeforeNext?: unknown }
    return { isLimited: true, retryAfterMs: retryTime(msBeforeNext) }
  }
}
