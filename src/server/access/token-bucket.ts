/** Allows `perSecond` on average, and bursts of `burst`. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  /** When `#tokens` was last brought up to date. */
  #at: number

  constructor(options: { perSecond: number; burst: number; now: number }) {
    this.#perSecond = options.perSecond
    this.#burst = options.burst
    this.#tokens = options.burst
    this.#at = options.now
  }

  /** Nothing was taken that has not come back: a new one would be the same. */
  isFull(now: number): boolean {
    return this.#tokens + (Math.max(0, now - this.#at) / 1_000) * this.#perSecond >= this.#burst
  }

  /** Takes `cost` tokens. `false`: there are not that many, and none was taken. */
  take(cost: number, now: number): boolean {
    // A clock that steps back gives nothing and takes nothing.
    const elapsedMs = Math.max(0, now - this.#at)
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs / 1_000) * this.#perSecond)
    this.#at = now
    if (this.#tokens < cost) return false
    this.#tokens -= cost
    return true
  }
}
