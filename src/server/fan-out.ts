import type { LogEntry, LogEvent } from './event-log.ts'
import { eventsFrame } from './frames.ts'
import { SharedFrame } from './shared-frame.ts'
import type { SignalListener } from './signal-hub.ts'
import type { WriteQueue } from './write-queue.ts'

/** A batch is flushed early at this size, so that a burst does not become one huge frame. */
const MAX_BATCH_EVENTS = 100
const MAX_BATCH_CHARACTERS = 65_536

/** Events of one topic and epoch that follow each other without a hole. */
export class EventBatch {
  readonly topic: string
  readonly epoch: string
  readonly events: LogEvent[]
  /** For everybody who needs all of it. */
  readonly frame = new SharedFrame(() => eventsFrame(this.topic, this.epoch, this.events))
  #characters = 0

  constructor(topic: string, epoch: string, events: LogEvent[] = []) {
    this.topic = topic
    this.epoch = epoch
    this.events = events
  }

  /** `false`: the entry does not continue this batch, or the batch is full. */
  add({ epoch, event }: LogEntry): boolean {
    const last = this.events.at(-1)
    if (last) {
      const isFull = this.events.length >= MAX_BATCH_EVENTS || this.#characters >= MAX_BATCH_CHARACTERS
      if (isFull || epoch !== this.epoch || event.offset !== last.offset + 1) return false
    }
    this.events.push(event)
    this.#characters += event.json.length
    return true
  }
}

/** Who hears a topic. Must not throw. */
export interface TopicListener {
  deliver(batch: EventBatch): void
  /** The log may have kept events from it. */
  missed(): void
  /** Who hears the signals of the topic by it. `undefined`: nobody yet. */
  readonly signalListener?: SignalListener | undefined
}

/** Brings what the log tells to the subscriptions of this process, in one frame per topic and turn (`WriteQueue` sends it). */
export class FanOut {
  readonly #defer: (run: () => void) => void
  readonly #writes: WriteQueue
  readonly #listeners = new Map<string, Set<TopicListener>>()
  /** What was heard in this turn, in the order of topics. Emptied by `flush`. */
  readonly #pending = new Map<string, EventBatch>()
  #isScheduled = false

  constructor(defer: (run: () => void) => void, writes: WriteQueue) {
    this.#defer = defer
    this.#writes = writes
  }

  hear(entry: LogEntry): void {
    if (!this.#listeners.has(entry.topic)) return
    let batch = this.#pending.get(entry.topic)
    if (!batch?.add(entry)) {
      if (batch) this.#deliver(batch)
      batch = new EventBatch(entry.topic, entry.epoch)
      batch.add(entry)
      this.#pending.set(entry.topic, batch)
    }
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#defer(() => {
      this.flush()
    })
  }

  flush(): void {
    this.#isScheduled = false
    const batches = [...this.#pending.values()]
    this.#pending.clear()
    const [only] = batches
    // With several, a socket may get more than one frame, which then go out in one write.
    if (only && batches.length === 1) {
      this.#writes.directly(() => {
        this.#deliver(only)
      })
    } else {
      for (const batch of batches) this.#deliver(batch)
    }
    this.#writes.serve()
  }

  /** The log has told of less than there was: everybody looks for themselves. */
  missed(): void {
    this.flush()
    for (const listeners of this.#listeners.values()) for (const listener of listeners) listener.missed()
  }

  join(topic: string, listener: TopicListener): void {
    const listeners = this.#listeners.get(topic)
    if (listeners) listeners.add(listener)
    else this.#listeners.set(topic, new Set([listener]))
  }

  leave(topic: string, listener: TopicListener): void {
    const listeners = this.#listeners.get(topic)
    if (listeners?.delete(listener) && listeners.size === 0) this.#listeners.delete(topic)
  }

  /** Everybody who hears a topic. */
  listeners(topic: string): Iterable<TopicListener> {
    return this.#listeners.get(topic) ?? []
  }

  #deliver(batch: EventBatch): void {
    for (const listener of this.#listeners.get(batch.topic) ?? []) listener.deliver(batch)
  }
}
