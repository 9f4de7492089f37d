/** What a connection may want to do with a topic. */
export type RealtimeAction =
  /** Read its events, replay included. */
  | 'subscribe'
  /** See who is present in it, and be present. */
  | 'presence'
  /** Send a message about it to the app's own handler. */
  | 'send'
  /** Say a passing word to everybody else who is there. */
  | 'signal'

interface Known {
  readonly allowed: Promise<boolean>
  /** Set when the answer has come, so that most questions need no wait. */
  answer?: boolean
  until: number
}

/** A denial is asked about again soon; an allowance when its lease ends. */
const DENIAL_MS = 5_000

const MAX_KNOWN = 64

/**
 * What one connection is allowed, remembered for a lease: signals come many times a second, and each would ask the app.
 * Subscriptions and presence are not remembered here: they are asked for each time, and asked about again by the lease.
 */
export class Rights {
  readonly #ask: (topic: string, action: RealtimeAction) => Promise<boolean>
  readonly #now: () => number
  readonly #leaseMs: () => number
  readonly #known = new Map<string, Known>()
  /** Grows when rights are forgotten: an answer to an older question is asked for again. */
  #generation = 0

  constructor(options: {
    ask: (topic: string, action: RealtimeAction) => Promise<boolean>
    now: () => number
    /** How long the next allowance holds. */
    leaseMs: () => number
  }) {
    this.#ask = options.ask
    this.#now = options.now
    this.#leaseMs = options.leaseMs
  }

  /** What is known without asking. */
  known(topic: string, action: RealtimeAction): boolean | undefined {
    const known = this.#known.get(`${action}:${topic}`)
    return known && known.until > this.#now() ? known.answer : undefined
  }

  /** Asks, unless it is known. Rejects when the app's function fails, which is not remembered. */
  check(topic: string, action: RealtimeAction): Promise<boolean> {
    const key = `${action}:${topic}`
    const known = this.#known.get(key)
    if (known && known.until > this.#now()) return known.allowed
    this.#known.delete(key)
    const fresh: Known = { allowed: this.#askLast(topic, action), until: Infinity }
    this.#known.set(key, fresh)
    fresh.allowed.then(
      (answer) => {
        fresh.answer = answer
        fresh.until = this.#now() + (answer ? this.#leaseMs() : DENIAL_MS)
      },
      () => {
        if (this.#known.get(key) === fresh) this.#known.delete(key)
      },
    )
    // A Map gives its keys in the order of their setting.
    const [oldest] = this.#known.keys()
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest)
    return fresh.allowed
  }

  /** Rights have changed, of one topic or of all. */
  forget(topic?: string): void {
    this.#generation++
    for (const key of this.#known.keys()) {
      if (topic === undefined || key.slice(key.indexOf(':') + 1) === topic) this.#known.delete(key)
    }
  }

  async #askLast(topic: string, action: RealtimeAction): Promise<boolean> {
    for (;;) {
      const generation = this.#generation
      const allowed = await this.#ask(topic, action)
      if (generation === this.#generation) return allowed
    }
  }
}
