/**
 * What has been applied of each topic, and the last events of it: a response that was read before them (a slow one,
 * one of a replica that lags behind) is brought up to date with them instead of taking them back.
 *
 * Bounded: `maxEvents` per topic, and `MAX_TOPICS` topics, of which the one silent longest is forgotten first. What is
 * no longer held cannot be replayed: a response from before it is not current, and the query is fetched again.
 */
import type { Position, RealtimeEvent } from '../event.ts'
import type { Effect } from '../routing/effect.ts'

const MAX_TOPICS = 1_000

/** Epochs of a topic that are over, kept to tell a response of the past from one of the future. */
const MAX_PAST_EPOCHS = 8

export interface LoggedEvent {
  readonly event: RealtimeEvent & { readonly position: Position }
  readonly effects: readonly Effect[]
}

interface TopicLog {
  /** Everything up to here was applied, or announced as lost. */
  position: Position
  /** Events up to this offset may be missing below. */
  floor: number
  /** In order of their offsets. */
  events: LoggedEvent[]
  pastEpochs: string[]
  /** When the stream was last broken, in ticks. */
  brokenAt: number
}

export class StreamLog {
  readonly #maxEvents: number
  readonly #topics = new Map<string, TopicLog>()

  constructor(maxEvents: number) {
    this.#maxEvents = maxEvents
  }

  position(topic: string): Position | undefined {
    return this.#topics.get(topic)?.position
  }

  /** Whether an epoch of this topic is known to be over. */
  isPast(topic: string, { epoch }: Position): boolean {
    return this.#topics.get(topic)?.pastEpochs.includes(epoch) === true
  }

  /** An event was applied. They come in order: the session sees to that. */
  append(topic: string, logged: LoggedEvent): void {
    const { position } = logged.event
    const log = this.#of(topic, position)
    log.position = position
    log.events.push(logged)
    // In one go now and then: taking one off the front at each event would move all the others.
    if (log.events.length >= 2 * this.#maxEvents) {
      const gone = log.events.splice(0, log.events.length - this.#maxEvents).at(-1)
      if (gone) log.floor = Math.max(log.floor, gone.event.position.offset)
    }
  }

  /** The stream is at `position`, and nothing before it is missing. */
  advance(topic: string, position: Position, tick: number): void {
    const log = this.#topics.get(topic)
    if (log?.position.epoch !== position.epoch) this.reset(topic, position, tick)
    else if (position.offset > log.position.offset) log.position = position
  }

  /** The stream goes on from `position`, and what came before it may have been missed. */
  reset(topic: string, position: Position, tick: number): void {
    const log = this.#of(topic, position)
    log.brokenAt = tick
    log.position = position
    log.floor = position.offset
    log.events = log.events.filter(({ event }) => event.position.offset > position.offset)
  }

  /** Whether events of this topic may have been missed since a tick. */
  wasBroken(topic: string, since: number): boolean {
    return (this.#topics.get(topic)?.brokenAt ?? Infinity) >= since
  }

  /**
   * The events after `position` that have been applied; `undefined` when some of them are not known here any more.
   * Nothing is after a position of an epoch that is not the topic's: it is of the future, as far as is known.
   */
  after(topic: string, position: Position): readonly LoggedEvent[] | undefined {
    const log = this.#topics.get(topic)
    if (log === undefined || log.position.epoch !== position.epoch) return []
    if (position.offset < log.floor && position.offset < log.position.offset) return undefined
    let from = log.events.length
    while (from > 0 && log.events[from - 1]!.event.position.offset > position.offset) from--
    return log.events.slice(from)
  }

  /** The events after `position` that are still known, whether or not some are missing before them. */
  knownAfter(topic: string, position: Position): readonly LoggedEvent[] {
    const log = this.#topics.get(topic)
    if (log?.position.epoch !== position.epoch) return []
    return log.events.filter(({ event }) => event.position.offset > position.offset)
  }

  clear(): void {
    this.#topics.clear()
  }

  #of(topic: string, { epoch, offset }: Position): TopicLog {
    let log = this.#topics.get(topic)
    if (log === undefined) {
      log = {
        position: { epoch, offset: offset - 1 },
        floor: offset - 1,
        events: [],
        pastEpochs: [],
        brokenAt: -1,
      }
    } else if (log.position.epoch !== epoch) {
      log.pastEpochs = [log.position.epoch, ...log.pastEpochs].slice(0, MAX_PAST_EPOCHS)
      log.position = { epoch, offset: offset - 1 }
      log.floor = offset - 1
      log.events = []
    }
    this.#topics.delete(topic) // Set again, it is the youngest.
    this.#topics.set(topic, log)
    if (this.#topics.size > MAX_TOPICS) {
      const oldest = this.#topics.keys().next()
      if (!oldest.done) this.#topics.delete(oldest.value)
    }
    return log
  }
}
