import type { Position } from '../../core/event.ts'
import type { LogEntry, LogEvent, LogRead, NewLogEvent } from '../event-log.ts'

export interface MemoryBounds {
  readonly maxEventsPerTopic: number
  readonly maxAgeMs: number
  readonly maxBytes: number
  readonly maxTopics: number
}

interface Topic {
  readonly epoch: string
  /** When the newest event was appended. */
  lastAt: number
  /** Offset of the newest event. */
  head: number
  /** What is kept, without a hole, up to `head`. It begins at `start`; what stands before is trimmed. */
  events: LogEvent[]
  start: number
}

/** An event in the order of the whole log: what `maxBytes` and `maxAgeMs` take from. */
interface Kept {
  readonly topic: Topic
  readonly offset: number
  readonly at: number
}

/** Two bytes a character, and what an object costs. */
const bytesOf = (event: NewLogEvent) => 2 * (event.json.length + event.type.length) + 128

const sizeOf = (topic: Topic) => topic.events.length - topic.start

const isKept = ({ topic, offset }: Kept) => offset > topic.head - sizeOf(topic)

/** The bounded history behind `memoryEventLog`. Synchronous; the time comes in with each call. */
export class MemoryHistory {
  readonly #epoch: string
  readonly #bounds: MemoryBounds
  /** In the order of their last append, oldest first. */
  readonly #topics = new Map<string, Topic>()
  /** In the order of appending. Events that `maxEventsPerTopic` has trimmed stay in it until they are passed. */
  #order: Kept[] = []
  #orderStart = 0
  #events = 0
  #bytes = 0
  /** A topic that is not here may have been evicted, so each eviction renames all that are not here. */
  #evictions = 0
  /** When a topic was last evicted, or the history began. */
  #evictedAt: number

  constructor(epoch: string, bounds: MemoryBounds, at: number) {
    this.#evictedAt = at
    this.#epoch = epoch
    this.#bounds = bounds
  }

  append(name: string, { type, json, mutationId }: NewLogEvent, at: number): LogEntry {
    const topic = this.#touch(name, at)
    topic.lastAt = at
    const event: LogEvent = { type, json, mutationId, offset: ++topic.head }
    topic.events.push(event)
    this.#order.push({ topic, offset: event.offset, at })
    this.#events++
    this.#bytes += bytesOf(event)
    if (sizeOf(topic) > this.#bounds.maxEventsPerTopic) this.#trim(topic)
    this.#trimOldest(at)
    return { topic: name, epoch: topic.epoch, event }
  }

  head(name: string): Position {
    const topic = this.#topics.get(name)
    return topic ? { epoch: topic.epoch, offset: topic.head } : { epoch: this.#newEpoch(), offset: 0 }
  }

  /** Since when nothing has been appended, at the latest. A topic that was evicted may have been busy until then. */
  quietSince(name: string): number {
    return this.#topics.get(name)?.lastAt ?? this.#evictedAt
  }

  read(name: string, after: Position, options: { limit: number; at: number }): LogRead {
    this.#trimOldest(options.at)
    const head = this.head(name)
    const missed = head.offset - after.offset
    if (after.epoch !== head.epoch || missed < 0) return { outcome: 'reset', head }
    const topic = this.#topics.get(name)
    if (!topic || missed === 0) return { outcome: 'events', events: [], head }
    if (missed > sizeOf(topic)) return { outcome: 'reset', head }
    const first = topic.events.length - missed
    return { outcome: 'events', events: topic.events.slice(first, first + options.limit), head }
  }

  #newEpoch(): string {
    return this.#evictions === 0 ? this.#epoch : `${this.#epoch}.${this.#evictions.toString(36)}`
  }

  /** Gives the topic, as the one that was appended to last. */
  #touch(name: string, at: number): Topic {
    let topic = this.#topics.get(name)
    if (topic) this.#topics.delete(name)
    else {
      if (this.#topics.size >= this.#bounds.maxTopics) this.#evictTopic(at)
      topic = { epoch: this.#newEpoch(), lastAt: 0, head: 0, events: [], start: 0 }
    }
    this.#topics.set(name, topic)
    return topic
  }

  #evictTopic(at: number): void {
    const oldest = this.#topics.entries().next()
    if (oldest.done) return
    const [name, topic] = oldest.value
    while (sizeOf(topic) > 0) this.#trim(topic)
    this.#topics.delete(name)
    this.#evictions++
    this.#evictedAt = at
  }

  /** Takes away the oldest event of a topic. */
  #trim(topic: Topic): void {
    const event = topic.events[topic.start]
    if (!event) return
    topic.start++
    this.#events--
    this.#bytes -= bytesOf(event)
    // Copied now and then, so that a trim is O(1) on average and what is trimmed is let go of.
    if (topic.start * 2 > topic.events.length) {
      topic.events = topic.events.slice(topic.start)
      topic.start = 0
    }
  }

  #trimOldest(at: number): void {
    const { maxBytes, maxAgeMs } = this.#bounds
    for (let oldest = this.#order[this.#orderStart]; oldest; oldest = this.#order[this.#orderStart]) {
      if (isKept(oldest)) {
        if (this.#bytes <= maxBytes && at - oldest.at <= maxAgeMs) break
        this.#trim(oldest.topic)
      }
      this.#orderStart++
    }
    if (this.#order.length > 64 && this.#order.length > this.#events * 2) {
      this.#order = this.#order.slice(this.#orderStart).filter(isKept)
      this.#orderStart = 0
    }
  }
}
