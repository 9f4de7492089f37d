import { RealtimeError } from '../../core/errors.ts'
import { CloseCode } from '../../core/protocol/close-codes.ts'
import { messageBurst } from '../limits.ts'
import { consume, type RateLimiter } from './rate-limiter.ts'
import type { ServerContext } from '../server-context.ts'
import { TokenBucket } from './token-bucket.ts'

/** The connection, as its meter sees it. */
interface MeteredConnection {
  readonly id: string
  /** What shared limits count by. */
  readonly limiterKey: string
  close(code: number, reason: string): void
}

/**
 * What one connection may do in a time, by itself and (shared limiters) together with others. A connection that has
 * said nothing for a while needs none: a new one knows as much.
 */
export class Meter {
  readonly #context: ServerContext
  readonly #connection: MeteredConnection
  #messages: TokenBucket | undefined
  #joins: TokenBucket | undefined

  constructor(context: ServerContext, connection: MeteredConnection) {
    this.#context = context
    this.#connection = connection
  }

  /** Everything that was taken has come back. */
  isFull(now: number): boolean {
    return (this.#messages?.isFull(now) ?? true) && (this.#joins?.isFull(now) ?? true)
  }

  /** `false`: too many, and the connection is closed. */
  takeMessage(cost: number, now: number): boolean {
    const { limits } = this.#context
    this.#messages ??= new TokenBucket({
      perSecond: limits.maxMessagesPerSecond,
      burst: messageBurst(limits),
      now,
    })
    if (!this.#messages.take(cost, now)) return this.#exceeded('too many messages')
    const { messages } = this.#context.rateLimiters
    // Not waited for: messages keep their order, and the limit acts a moment later.
    if (messages) void this.#consume(messages, 'too many messages', { points: Math.ceil(cost) })
    return true
  }

  /** `false`: too many, and the connection is closed. */
  takeJoins(count: number): boolean {
    const { maxJoinsPerSecond: perSecond, maxTopicsPerConnection } = this.#context.limits
    const now = this.#context.clock.now()
    const burst = Math.max(perSecond, maxTopicsPerConnection) * 2
    this.#joins ??= new TokenBucket({ perSecond, burst, now })
    return this.#joins.take(count, now) || this.#exceeded('too many subscriptions')
  }

  /** `false`: the address has too many, and the connection is closed. */
  mayConnect(address: string | undefined): Promise<boolean> {
    const { connections } = this.#context.rateLimiters
    return this.#consume(connections, 'too many connections', { key: address ?? 'unknown' })
  }

  mayEnter(): Promise<boolean> {
    return this.#consume(this.#context.rateLimiters.subscriptions, undefined)
  }

  /** Never rejects. With a `reason` the connection is closed when the limit is reached. */
  async #consume(
    limiter: RateLimiter | undefined,
    reason: string | undefined,
    { points = 1, key = this.#connection.limiterKey }: { points?: number; key?: string } = {},
  ): Promise<boolean> {
    const { isLimited } = await consume(limiter, {
      key,
      points,
      clock: this.#context.clock,
      onTrouble: (cause) => {
        const details = { connectionId: this.#connection.id }
        const message = 'A rate limiter failed; nobody is limited by it.'
        this.#context.report(new RealtimeError('callback-failed', message, { cause, details }))
      },
    })
    if (isLimited && reason !== undefined) this.#exceeded(reason)
    return !isLimited
  }

  #exceeded(reason: string): false {
    this.#connection.close(CloseCode.LimitExceeded, reason)
    return false
  }
}
