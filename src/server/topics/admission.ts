import { RealtimeError } from '../../core/errors.ts'
import type { RefusalCode, ServerMessage, TopicAction } from '../../core/protocol/messages.ts'
import type { FanOut } from './fan-out.ts'
import { jitteredLease } from '../access/lease.ts'
import type { ServerLimits } from '../limits.ts'
import type { LogReader } from './log-reader.ts'
import { Meter } from '../access/meter.ts'
import { Outgoing } from '../sockets/outgoing.ts'
import type { PresenceSeats } from '../presence/presence-seats.ts'
import { Rights, type RealtimeAction } from '../access/rights.ts'
import type { ServerCounters } from '../server-stats.ts'
import { Subscriptions } from './subscriptions.ts'
import { tellRefused, tellRevoked } from './topic-answers.ts'
import type { SubscriptionHost } from './topic-subscription.ts'

/** The topics of one connection: who is let in, turned away, and sent out again. */
export abstract class Admission extends Outgoing implements SubscriptionHost {
  readonly subscriptions = new Subscriptions(this)
  #rights: Rights | undefined
  #meter: Meter | undefined

  abstract readonly id: string
  abstract readonly isClosed: boolean
  abstract readonly memberId: string
  abstract readonly limiterKey: string
  abstract readonly identity: unknown
  abstract readonly seats: PresenceSeats | undefined
  abstract sendMessage(message: ServerMessage): void
  abstract sendVolatile(...args: Parameters<SubscriptionHost['sendVolatile']>): void
  abstract close(code: number, reason: string): void

  get reader(): LogReader {
    return this.context.reader
  }

  get fanOut(): FanOut {
    return this.context.fanOut
  }

  get counters(): ServerCounters {
    return this.context.counters
  }

  get limits(): ServerLimits {
    return this.context.limits
  }

  isAllowed(topic: string): Promise<true | 'forbidden' | 'limit'> {
    return this.#mayEnter(topic, 'subscribe')
  }

  mayJoin(topic: string): Promise<true | 'forbidden' | 'limit'> {
    return this.#mayEnter(topic, 'presence')
  }

  /** Asks the app, unless it has said so lately. */
  check(topic: string, action: RealtimeAction): Promise<boolean> {
    this.#rights ??= new Rights({
      ask: (about, what) => this.ask(about, what),
      now: () => this.context.clock.now(),
      leaseMs: () => jitteredLease(this.context),
    })
    return this.#rights.check(topic, action)
  }

  known(topic: string, action: RealtimeAction): boolean | undefined {
    return this.#rights?.known(topic, action)
  }

  /** Only `true` allows: a function that forgets to return allows nobody. */
  async ask(topic: string, action: RealtimeAction): Promise<boolean> {
    const { authorizations } = this.context
    // Its turn may come when there is nobody left to be allowed anything.
    const question = () =>
      this.isClosed ? false : this.context.authorize({ identity: this.identity, topic, action })
    try {
      return (await authorizations.ask(question)) === true
    } catch (cause) {
      throw new RealtimeError('callback-failed', 'authorize failed; the topic is refused.', { cause })
    }
  }

  refuse(topic: string, code: RefusalCode, cause?: unknown): void {
    this.subscriptions.end(topic)
    tellRefused(this, { topic, code, action: 'subscribe', cause })
  }

  refusePresence(topic: string, code: RefusalCode, cause?: unknown): void {
    tellRefused(this, { topic, code, action: 'presence', cause })
  }

  refuseUndecided(topic: string, action: TopicAction): void {
    if (this.#leave(topic, action)) tellRefused(this, { topic, code: 'unavailable', action })
  }

  revokeTopic(topic: string, action: TopicAction): void {
    if (this.#leave(topic, action)) tellRevoked(this, topic, action)
  }

  /** What the app has said lately does not hold any more, of one topic or of all. */
  protected forgetRights(topic?: string): void {
    this.#rights?.forget(topic)
  }

  /** Made when it is needed, and let go of by `sweepMeter`: most connections are silent most of the time. */
  protected measured(): Meter {
    return (this.#meter ??= new Meter(this.context, this))
  }

  protected sweepMeter(now: number): void {
    if (this.#meter?.isFull(now)) this.#meter = undefined
  }

  async #mayEnter(topic: string, action: TopicAction): Promise<true | 'forbidden' | 'limit'> {
    if (this.context.rateLimiters.subscriptions && !(await this.measured().mayEnter())) return 'limit'
    return (await this.ask(topic, action)) || 'forbidden'
  }

  #leave(topic: string, action: TopicAction): boolean {
    return action === 'presence' ? (this.seats?.leave(topic) ?? false) : this.subscriptions.end(topic)
  }
}
