import type { Position } from '../core/event.ts'
import { TopicSubscription, type SubscriptionHost } from './topic-subscription.ts'

/** The topics that one connection is subscribed to, or about to be. */
export class Subscriptions {
  readonly #host: SubscriptionHost
  readonly #topics = new Map<string, TopicSubscription>()

  constructor(host: SubscriptionHost) {
    this.#host = host
  }

  get size(): number {
    return this.#topics.size
  }

  /** The subscriptions as they are now: they may end while the list is read. */
  list(): TopicSubscription[] {
    return [...this.#topics.values()]
  }

  /** Whether it is live: events and signals of the topic reach the client. */
  isLive(topic: string): boolean {
    return this.#topics.get(topic)?.isLive ?? false
  }

  subscribe(topic: string, position: Position | undefined): void {
    let subscription = this.#topics.get(topic)
    if (!subscription) {
      const { maxTopicsPerConnection, maxTopicLength } = this.#host.limits
      if (topic.length > maxTopicLength || this.#topics.size >= maxTopicsPerConnection) {
        this.#host.refuse(topic, 'limit')
        return
      }
      subscription = new TopicSubscription(topic, this.#host)
      this.#topics.set(topic, subscription)
    }
    subscription.request(position)
  }

  /** `false`: it was not there. */
  end(topic: string): boolean {
    this.#topics.get(topic)?.end()
    return this.#topics.delete(topic)
  }

  /** Whether this very subscription is still the one of its topic. */
  has(subscription: TopicSubscription): boolean {
    return this.#topics.get(subscription.topic) === subscription
  }

  endAll(): void {
    for (const subscription of this.#topics.values()) subscription.end()
    this.#topics.clear()
  }

  resume(): void {
    for (const subscription of this.#topics.values()) subscription.resume()
  }

  /** fromEntries defines keys and never assigns them, so that `__proto__` is a topic like any other. */
  heads(): Record<string, Position> {
    return Object.fromEntries(
      [...this.#topics].flatMap(([topic, { sent }]) => (sent ? [[topic, sent] as const] : [])),
    )
  }
}
