import type { TopicCounts } from './record.ts'

/** The one silent longest is forgotten first. */
const MAX_TOPICS = 1_000

const NONE: TopicCounts = { events: 0, gaps: 0, resets: 0, replays: 0 }

/** Counts what happens to topics. */
export class TopicTally {
  readonly #counts = new Map<string, TopicCounts>()

  of(topic: string): TopicCounts {
    return this.#counts.get(topic) ?? NONE
  }

  count(topic: string, what: keyof TopicCounts): void {
    const counts = this.of(topic)
    this.#counts.delete(topic) // Set again, it is the youngest.
    this.#counts.set(topic, { ...counts, [what]: counts[what] + 1 })
    const [oldest] = this.#counts.keys()
    if (this.#counts.size > MAX_TOPICS && oldest !== undefined) this.#counts.delete(oldest)
  }

  clear(): void {
    this.#counts.clear()
  }
}
