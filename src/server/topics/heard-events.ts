import type { Position } from '../../core/event.ts'
import type { EventBatch } from './event-batch.ts'
import type { LogEvent } from '../event-log.ts'

/** The events of a batch that come after `position`, or `undefined` when it does not continue there. */
export function continuation({ epoch, events }: EventBatch, position: Position): LogEvent[] | undefined {
  const [first] = events
  if (!first) return []
  if (epoch !== position.epoch || first.offset > position.offset + 1) return undefined
  return first.offset === position.offset + 1
    ? events
    : events.filter(({ offset }) => offset > position.offset)
}

/** Events that wait for the log's answer: a bounded number of them, and always the position of the last. */
export class HeardEvents {
  readonly #limit: number
  #batches: EventBatch[] = []
  #count = 0
  /** More was heard than is kept, or not all of it, so it continues nothing. */
  #isSpoilt = false
  last: Position | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  add(batch: EventBatch): void {
    const newest = batch.events.at(-1)
    if (!newest) return
    this.#count += batch.events.length
    if (this.#count > this.#limit) this.spoil()
    else this.#batches.push(batch)
    this.last = { epoch: batch.epoch, offset: newest.offset }
  }

  /** Something is missing among what was heard. */
  spoil(): void {
    this.#isSpoilt = true
    this.#batches = []
    this.last = undefined
  }

  /** What continues at `position`; `undefined` when something between is missing. */
  after(position: Position): LogEvent[] | undefined {
    if (this.#isSpoilt) return undefined
    const rest: LogEvent[] = []
    let { offset } = position
    for (const batch of this.#batches) {
      const more = continuation(batch, { epoch: position.epoch, offset })
      if (!more) return undefined
      rest.push(...more)
      offset = rest.at(-1)?.offset ?? offset
    }
    return rest
  }
}
