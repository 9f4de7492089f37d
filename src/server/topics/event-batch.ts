import type { LogEntry, LogEvent } from '../event-log.ts'
import { eventsFrame } from '../sockets/frames.ts'
import { SharedFrame } from '../sockets/shared-frame.ts'

/** A batch takes no more from this size on, so that a burst does not become one huge frame. */
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
