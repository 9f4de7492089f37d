import { RealtimeError } from '../../core/errors.ts'
import type { TopicAction } from '../../core/protocol/messages.ts'
import type { PresenceSeats } from '../presence/presence-seats.ts'
import type { RealtimeAction } from './rights.ts'
import type { ServerContext } from '../server-context.ts'
import type { Subscriptions } from '../topics/subscriptions.ts'

/** The connection, as its lease sees it. */
interface LeasedConnection {
  readonly context: ServerContext
  readonly subscriptions: Subscriptions
  readonly seats: PresenceSeats | undefined
  /** Asks the app. Rejects when it fails. */
  ask(topic: string, action: RealtimeAction): Promise<boolean>
  revokeTopic(topic: string, action: TopicAction): void
  /** The topic ends because nobody can say whether it is still allowed. */
  refuseUndecided(topic: string, action: TopicAction): void
}

/** After so many rounds in which the app could not say whether a topic is still allowed, it is not. */
const MAX_UNDECIDED_ROUNDS = 3

/** Jittered, so that connections that were opened together do not ask together. */
export const jitteredLease = ({ leaseMs, random }: Pick<ServerContext, 'leaseMs' | 'random'>): number =>
  leaseMs * (0.75 + 0.5 * random())

/** Asks again, now and then, whether one connection may still have what it has. */
export class Lease {
  readonly #connection: LeasedConnection
  /** In seconds: a whole number takes no memory of its own. */
  #until: number
  #undecidedRounds = 0
  #isRechecking = false

  constructor(connection: LeasedConnection) {
    this.#connection = connection
    this.#until = this.#after(1)
  }

  sweep(now: number): void {
    if (now >= this.#until * 1_000) void this.recheck()
  }

  /** Asks about every topic. Never rejects. */
  async recheck(): Promise<void> {
    if (this.#isRechecking) {
      // What is under way asks about an older credential: once more, soon.
      this.#until = 0
      return
    }
    this.#isRechecking = true
    this.#until = this.#after(1)
    const { subscriptions, seats } = this.#connection
    const decided = await Promise.all([
      ...subscriptions
        .list()
        .map((one) => this.#decide(one.topic, 'subscribe', () => subscriptions.has(one))),
      ...(seats?.topics ?? []).map((topic) =>
        this.#decide(topic, 'presence', () => seats?.has(topic) ?? false),
      ),
    ])
    this.#isRechecking = false
    const isUndecided = decided.includes(false)
    this.#undecidedRounds = isUndecided ? this.#undecidedRounds + 1 : 0
    if (isUndecided) this.#until = Math.min(this.#until, this.#after(1 / 5))
  }

  /** When this part of a lease is over. */
  #after(part: number): number {
    const { context } = this.#connection
    return Math.ceil((context.clock.now() + jitteredLease(context) * part) / 1_000)
  }

  /** `false`: the app could not say. One failure of its database must not cut everybody. */
  async #decide(topic: string, action: TopicAction, isStill: () => boolean): Promise<boolean> {
    try {
      const isAllowed = await this.#connection.context.gate.run(() => this.#connection.ask(topic, action))
      if (!isAllowed && isStill()) this.#connection.revokeTopic(topic, action)
      return true
    } catch (cause) {
      if (cause instanceof RealtimeError) this.#connection.context.report(cause)
      const isLast = this.#undecidedRounds + 1 >= MAX_UNDECIDED_ROUNDS
      if (isLast && isStill()) this.#connection.refuseUndecided(topic, action)
      return false
    }
  }
}
