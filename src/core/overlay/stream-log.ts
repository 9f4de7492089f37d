/**
 * What has been applied of each topic, and the last events of it: a response that was read before them (a slow one,
 * one of a replica that lags behind) is brought up to date with them instead of taking them back.
 *
 * Bounded: `maxEvents` per topic, and `MAX_TOPICS` topics, of which the one silent longest is forgotten first. What is
 * no longer held cannot be replayed: a response from before it is not current, and the query is fetched again.
 */
import type { Position, RealtimeEvent } from '../event.ts'
import type { Effect } from '../routing/effect.ts'
import { hasReached, type Fact, type Positions } from './fact.ts'

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
  /** Those that are over, the latest first. */
  pastEpochs: readonly string[]
  /** Over as well, and nobody knows which of these and of `pastEpochs` came first. */
  outlivedEpochs: readonly string[]
  /** Those that responses were read in, and that the stream has yet to hear of. The latest is the first. */
  comingEpochs: readonly { readonly epoch: string; readonly tick: number }[]
  /** When the stream was last broken, in ticks. */
  brokenAt: number
}

export class StreamLog {
  readonly #maxEvents: number
  readonly #topics = new Map<string, TopicLog>()
  /** Epochs that queries were read in, and that a reset is about to end. By topic. */
  readonly #outlived = new Map<string, Set<string>>()
  /** Epochs could be put in order: what other queries show may depend on it. For whoever shows them to take back. */
  hasNewOrder = false

  constructor(maxEvents: number) {
    this.#maxEvents = maxEvents
  }

  position(topic: string): Position | undefined {
    return this.#topics.get(topic)?.position
  }

  /** Whether an epoch of this topic is known to be over. */
  isPast(topic: string, { epoch }: Position): boolean {
    const log = this.#topics.get(topic)
    return log !== undefined && [...log.pastEpochs, ...log.outlivedEpochs].includes(epoch)
  }

  /** Whether `at` is not before `position`, also where they are of two epochs; `undefined`: that cannot be told. */
  hasReached(topic: string, at: Position | undefined, position: Position): boolean | undefined {
    const known = hasReached(at, position)
    const log = this.#topics.get(topic)
    if (known !== undefined || at === undefined || log === undefined) return known
    const [age, other] = [ageOf(at, log), ageOf(position, log)]
    if (age === undefined || other === undefined || age === other) return undefined
    const isBlurred = Math.max(age, other) === OUTLIVED && Math.min(age, other) > 0
    return isBlurred ? undefined : age < other
  }

  /** Whether data read at these positions has the event of a fact in it; `undefined`: that cannot be told. */
  contains(positions: Positions | undefined, { event }: Fact): boolean | undefined {
    const { topic, position } = event ?? {}
    if (topic === undefined || position === undefined) return undefined
    return this.hasReached(topic, positions?.get(topic), position)
  }

  /**
   * A response may be of an epoch that is not known here. If it was asked for after the latest that is known was heard
   * of, it is of one that the stream has yet to hear of; else nobody can tell.
   */
  judge(
    topic: string,
    { epoch, offset }: Position,
    { startedAt, tick }: { startedAt: number; tick: number },
  ): void {
    const log = this.#topics.get(topic)
    if (log === undefined || ageOf({ epoch, offset }, log) !== undefined) return
    if (startedAt <= (log.comingEpochs[0]?.tick ?? log.brokenAt)) return
    log.comingEpochs = [{ epoch, tick }, ...log.comingEpochs].slice(0, MAX_PAST_EPOCHS)
    this.hasNewOrder = true
  }

  /** Whether nobody can tell if an epoch comes before the topic's own, or after it. */
  isStrange(topic: string, position: Position): boolean {
    const log = this.#topics.get(topic)
    return log !== undefined && ageOf(position, log) === undefined
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
    for (const epoch of this.#outlived.get(topic) ?? [])
      if (epoch !== position.epoch && !this.isPast(topic, { epoch, offset: 0 }))
        log.outlivedEpochs = [epoch, ...log.outlivedEpochs].slice(0, MAX_PAST_EPOCHS)
    this.#outlived.delete(topic)
    log.brokenAt = tick
    log.position = position
    log.floor = position.offset
    log.events = log.events.filter(({ event }) => event.position.offset > position.offset)
  }

  /** Something was read in another epoch than the one that the next `reset` goes on in. */
  outlive(topic: string, { epoch }: Position): void {
    const epochs = this.#outlived.get(topic) ?? new Set()
    this.#outlived.set(topic, epochs.add(epoch))
  }

  /** Whether events of this topic may have been missed since a tick. */
  wasBroken(topic: string, since: number): boolean {
    return (this.#topics.get(topic)?.brokenAt ?? Infinity) >= since
  }

  /**
   * The events after `position` that have been applied; `undefined` when some of them are not known here any more.
   * Nothing is after a position of an epoch that the stream has yet to hear of.
   */
  after(topic: string, position: Position): readonly LoggedEvent[] | undefined {
    const log = this.#topics.get(topic)
    if (this.isPast(topic, position) || this.isStrange(topic, position)) return undefined
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
    this.#outlived.clear()
  }

  #of(topic: string, { epoch, offset }: Position): TopicLog {
    let log = this.#topics.get(topic)
    if (log === undefined) {
      log = {
        position: { epoch, offset: offset - 1 },
        floor: offset - 1,
        events: [],
        pastEpochs: [],
        outlivedEpochs: [],
        comingEpochs: [],
        brokenAt: -1,
      }
    } else if (log.position.epoch !== epoch) {
      // What was to come has been passed over, save what comes after this one.
      const at = log.comingEpochs.findIndex((coming) => coming.epoch === epoch)
      const passed = log.comingEpochs.slice(at + 1).map((coming) => coming.epoch)
      log.comingEpochs = log.comingEpochs.slice(0, Math.max(at, 0))
      // One that was taken for over is not.
      const others = log.pastEpochs.filter((past) => past !== epoch)
      log.pastEpochs = [...passed, log.position.epoch, ...others].slice(0, MAX_PAST_EPOCHS)
      log.outlivedEpochs = log.outlivedEpochs.filter((past) => past !== epoch)
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

/** Before the topic's own epoch, and nobody knows how long. */
const OUTLIVED = Infinity

/** Of epochs: the lower, the later. `undefined`: it is not known. */
function ageOf(
  { epoch }: Position,
  { position, comingEpochs, pastEpochs, outlivedEpochs }: TopicLog,
): number | undefined {
  if (epoch === position.epoch) return 0
  const coming = comingEpochs.findIndex((one) => one.epoch === epoch)
  if (coming >= 0) return coming - comingEpochs.length
  const index = pastEpochs.indexOf(epoch)
  if (index >= 0) return index + 1
  return outlivedEpochs.includes(epoch) ? OUTLIVED : undefined
}
