import type { Position } from '../../core/event.ts'
import { TopicSubscription, type SubscriptionHost } from './topic-subscription.ts'

/** Up to so many are a list: it is a quarter of the size of a map, and found in as fast. */
const MAX_LISTED = 16

/** The topics that one connection is subscribed to, or about to be. */
export class Subscriptions {
  readonly #host: SubscriptionHost
  #topics: readonly TopicSubscription[] | Map<string, TopicSubscription> = []

  constructor(host: SubscriptionHost) {
    this.#host = host
  }

  get size(): number {
    return this.#topics instanceof Map ? this.#topics.size : this.#topics.length
  }

  /** The subscriptions as they are now: they may end while the list is read. */
  list(): readonly TopicSubscription[] {
    return this.#topics instanceof Map ? [...this.#topics.values()] : this.#topics
  }

  /** Whether it is live: events and signals of the topic reach the client. */
  isLive(topic: string): boolean {
    return this.#find(topic)?.isLive ?? false
  }

  subscribe(topic: string, position: Position | undefined): void {
    let subscription = this.#find(topic)
    if (!subscription) {
      const { maxTopicsPerConnection, maxTopicLength } = this.#host.limits
      if (topic.length > maxTopicLength || this.size >= maxTopicsPerConnection) {
        this.#host.refuse(topic, 'limit')
        return
      }
      subscription = new TopicSubscription(topic, this.#host)
      this.#add(subscription)
    }
    subscription.request(position)
  }

  /** `false`: it was not there. */
  end(topic: string): boolean {
    const subscription = this.#find(topic)
    if (!subscription) return false
    subscription.end()
    if (this.#topics instanceof Map) this.#topics.delete(topic)
    else this.#topics = this.#topics.filter((one) => one !== subscription)
    return true
  }

  /** Whether this very subscription is still the one of its topic. */
  has(subscription: TopicSubscription): boolean {
    return this.#find(subscription.topic) === subscription
  }

  endAll(): void {
    for (const subscription of this.list()) subscription.end()
    this.#topics = []
  }

  resume(): void {
    for (const subscription of this.list()) subscription.resume()
  }

  /** fromEntries defines keys and never assigns them, so that `__proto__` is a topic like any other. */
  heads(): Record<string, Position> {
    return Object.fromEntries(
      this.list().flatMap(({ topic, sent }) => (sent ? [[topic, sent] as const] : [])),
    )
  }

  #find(topic: string): TopicSubscription | undefined {
    if (this.#topics instanceof Map) return this.#topics.get(topic)
    return this.#topics.find((one) => one.topic === topic)
  }

  #add(subscription: TopicSubscription): void {
    if (this.#topics instanceof Map) {
      this.#topics.set(subscription.topic, subscription)
    } else if (this.#topics.length < MAX_LISTED) {
      // A new one, as long as it has to be: `push` and `...` make room for sixteen more.
      this.#topics = this.#topics.concat(subscription)
    } else {
      this.#topics = new Map([...this.#topics, subscription].map((one) => [one.topic, one]))
    }
  }
}
