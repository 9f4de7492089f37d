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

/**
 * Never rejects. A limiter that is in trouble limits nobody, which is reported: the limits of each connection still
 * hold, and an outage of the store must not become one of the server.
 */
export async function consume(
  limiter: RateLimiter | undefined,
  { key, points = 1, onTrouble }: { key: string; points?: number; onTrouble: (cause: unknown) => void },
): Promise<RateLimitAnswer> {
  if (!limiter) return { isLimited: false }
  try {
    await limiter.consume(key, points)
    return { isLimited: false }
  } catch (refusal) {
    if (refusal instanceof Error || typeof refusal !== 'object' || refusal === null) {
      onTrouble(refusal)
      return { isLimited: false }
    }
    const { msBeforeNext } = refusal as { msBeforeNext?: unknown }
    const isTime = typeof msBeforeNext === 'number' && msBeforeNext >= 0 && msBeforeNext < 2 ** 31
    return { isLimited: true, retryAfterMs: isTime ? Math.ceil(msBeforeNext) : undefined }
  }
}
