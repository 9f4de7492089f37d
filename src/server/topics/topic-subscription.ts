/**
 * One topic on one connection: brings the client up to date from the log, then passes on what is heard live,
 * so that every event after the client's position is sent exactly once and in order.
 *
 *   request ──▶ authorize ──▶ join the fan-out ──▶ read the log ──▶ answer ──▶ live
 *                                  └─ what is heard from here on waits in `heard` ──┘
 *
 * Joining comes before reading: an event is then in the log's answer, or heard, or both, and offsets tell which.
 * A hole, another epoch, or a client that has caught up with its own buffer goes back to reading (`#repair`).
 */
import type { Position } from '../../core/event.ts'
import type { RefusalCode, ResyncOutcome } from '../../core/protocol/messages.ts'
import type { TopicListener } from './audience.ts'
import type { LogEvent } from '../event-log.ts'
import { EventBatch } from './event-batch.ts'
import type { FanOut } from './fan-out.ts'
import { eventsFrame, subscribedFrame } from '../sockets/frames.ts'
import { continuation, HeardEvents } from './heard-events.ts'
import type { ServerLimits } from '../limits.ts'
import type { LogReader } from './log-reader.ts'
import { SharedFrame } from '../sockets/shared-frame.ts'
import type { ServerCounters } from '../server-stats.ts'
import type { SignalListener } from '../presence/signal-hub.ts'

/** What a subscription sees of its connection. */
export interface SubscriptionHost extends SignalListener {
  readonly reader: LogReader
  readonly fanOut: FanOut
  readonly limits: ServerLimits
  readonly counters: ServerCounters
  /** Asks the app. Rejects when it fails. */
  isAllowed(topic: string): Promise<true | 'forbidden' | 'limit'>
  send(frame: string): void
  /** Sends what others are sent as well. It may wait for its turn; what is sent meanwhile comes after it. */
  sendShared(frame: SharedFrame): void
  /** Bytes that may be sent before events are held back. 0 while they are held back. */
  room(): number
  /** The subscription is over, and the client is told why. `cause` is for the app only. */
  refuse(topic: string, code: RefusalCode, cause?: unknown): void
}

interface Wanted {
  readonly position: Position | undefined
  /** The client has asked, so it is authorized and answered with `subscribed`. Otherwise the server repairs. */
  readonly isAsked: boolean
}

interface Answer {
  readonly outcome: ResyncOutcome
  readonly position: Position
  readonly events: readonly LogEvent[]
  readonly quietMs?: number | undefined
}

/** What a subscription keeps while it brings its client up to date; most subscriptions are idle. */
interface CatchUp {
  /** What was heard while the log is read. `undefined` when live. */
  heard: HeardEvents | undefined
  /** What to do next; a new request replaces one that has not begun. */
  wanted: Wanted | undefined
}

/** How often the log is read again because it changed meanwhile, before the client is reset. */
const MAX_READS = 3

export class TopicSubscription implements TopicListener {
  place = -1
  #topic: string
  readonly #host: SubscriptionHost
  /**
   * What the client has been sent: an epoch, `undefined` until the first answer, and an offset. Not one object, since
   * a fan-out writes it for thousands of subscriptions, and a number is cheaper for the garbage collector.
   */
  #epoch: string | undefined
  #offset = 0
  /** `behind`: events were held back from a slow consumer, until the next answer. One word: there are very many of it. */
  #state: 'open' | 'behind' | 'ended' | CatchUp = 'open'

  constructor(topic: string, host: SubscriptionHost) {
    this.#topic = topic
    this.#host = host
  }

  get topic(): string {
    return this.#topic
  }

  /** The last position that was sent. `undefined` while it is not known. */
  get sent(): Position | undefined {
    return this.#heard ? undefined : this.#position
  }

  /** It was answered, so the client hears of the topic. */
  get isLive(): boolean {
    return this.#epoch !== undefined && this.#state !== 'ended'
  }

  /** Who hears signals of the topic by it. */
  get signalListener(): SignalListener | undefined {
    return this.isLive ? this.#host : undefined
  }

  /** The client asks: for the topic, or again, for what it has missed. One request is served at a time. */
  request(position: Position | undefined): void {
    this.#want({ position, isAsked: true })
  }

  /** Events may be sent again: brings a client from whom some were held back up to date. */
  resume(): void {
    if (this.#state === 'behind') this.#repair()
  }

  end(): void {
    this.#state = 'ended'
    this.#host.fanOut.leave(this.topic, this)
  }

  deliver(batch: EventBatch): void {
    if ((this.#state !== 'open' && !this.#mayDeliver(batch)) || this.#epoch === undefined) return
    const { events } = batch
    const isNext = batch.epoch === this.#epoch && events[0]?.offset === this.#offset + 1
    const rest = isNext ? events : continuation(batch, { epoch: this.#epoch, offset: this.#offset })
    if (!rest) {
      this.#repair()
      return
    }
    if (rest.length === 0) return
    if (this.#host.room() <= 0) {
      this.#state = 'behind'
      return
    }
    if (rest.length === events.length) this.#host.sendShared(batch.frame)
    else this.#host.send(eventsFrame(this.topic, batch.epoch, rest))
    this.#offset = rest.at(-1)!.offset
  }

  missed(): void {
    // A read that is under way may be older than what was missed.
    if (this.#heard) this.#heard.spoil()
    // Whoever is behind reads anyway, once there is room.
    else if (this.isLive && this.#state !== 'behind') this.#repair()
  }

  /** What was heard while the log is read. */
  get #heard(): HeardEvents | undefined {
    return typeof this.#state === 'string' ? undefined : this.#state.heard
  }

  /** It is not simply open: what is heard now waits, or is for nobody. */
  #mayDeliver(batch: EventBatch): boolean {
    if (typeof this.#state === 'string') return false
    this.#heard?.add(batch)
    return this.#heard === undefined
  }

  get #hasEnded(): boolean {
    return this.#state === 'ended'
  }

  get #position(): Position | undefined {
    return this.#epoch === undefined ? undefined : { epoch: this.#epoch, offset: this.#offset }
  }

  #repair(): void {
    this.#want({ position: this.#position, isAsked: false })
  }

  #want(wanted: Wanted): void {
    const heard = new HeardEvents(this.#host.limits.maxReplayEvents)
    if (this.#state === 'ended') return
    if (typeof this.#state === 'string') {
      void this.#run((this.#state = { heard, wanted }))
    } else {
      this.#state.wanted = wanted
      this.#state.heard ??= heard
    }
  }

  /** Never rejects: what fails refuses the topic. */
  async #run(catchUp: CatchUp): Promise<void> {
    try {
      for (let next = catchUp.wanted; next && !this.#hasEnded; next = catchUp.wanted) {
        catchUp.wanted = undefined
        await this.#bringUpToDate(next, catchUp)
      }
    } catch (cause) {
      if (!this.#hasEnded) this.#host.refuse(this.topic, 'unavailable', cause)
    } finally {
      if (this.#state === catchUp) this.#state = 'open'
    }
  }

  async #bringUpToDate({ position, isAsked }: Wanted, catchUp: CatchUp): Promise<void> {
    // After every wait: the subscription may be over, or the client may have asked for something else.
    const isSuperseded = () => this.#hasEnded || catchUp.wanted !== undefined
    const { fanOut, limits } = this.#host
    if (isAsked) {
      const answer = await this.#host.isAllowed(this.topic)
      if (this.#hasEnded) return
      // Also when something newer is wanted: it asks the same question.
      if (answer !== true) {
        this.#host.refuse(this.topic, answer)
        return
      }
      if (isSuperseded()) return
    }
    this.#topic = fanOut.join(this.topic, this)
    for (let reads = 1; ; reads++) {
      const heard = (catchUp.heard = new HeardEvents(limits.maxReplayEvents))
      const answer = await this.#read(position)
      if (isSuperseded()) return
      const rest = heard.after(answer.position)
      if (rest) {
        // What was read is read again when there is room.
        if (this.#answer(answer, isAsked)) this.#goLive(answer.position, rest)
        else this.#state = 'behind'
        return
      }
      if (reads < MAX_READS || !heard.last) continue
      // Events come faster than the log answers. From the last one heard on, all of them will be seen.
      this.#answer({ outcome: 'reset', position: heard.last, events: [] }, isAsked)
      this.#goLive(heard.last, [])
      return
    }
  }

  async #read(position: Position | undefined): Promise<Answer> {
    const { reader, limits } = this.#host
    if (!position) {
      const { head, quietMs } = await reader.head(this.topic)
      return { outcome: 'fresh', position: head, events: [], quietMs }
    }
    const read = await reader.read(this.topic, position)
    const reset = async (): Promise<Answer> => {
      return { outcome: 'reset', position: read.head, events: [], quietMs: await reader.quietMs(this.topic) }
    }
    if (read.outcome === 'reset' || read.events.length > limits.maxReplayEvents) return reset()
    const size = read.events.reduce((sum, event) => sum + event.json.length + event.type.length + 64, 0)
    if (size > limits.maxReplayBytes && read.events.length > 0) return reset()
    const offset = read.events.at(-1)?.offset ?? position.offset
    return { outcome: 'replayed', position: { epoch: position.epoch, offset }, events: read.events }
  }

  /**
   * A repair is silent when nothing is lost: what was missing simply comes. `false`: it cannot come now, since the client
   * does not read. Whoever has asked is answered all the same, with a reset.
   */
  #answer({ outcome, position, events, quietMs }: Answer, isAsked: boolean): boolean {
    const { topic } = this
    // Only now: many topics are answered at once, and each finds the room that those before it have left.
    if (events.length > 0 && this.#host.room() <= 0) {
      if (!isAsked) return false
      this.#host.counters.reset++
      this.#host.send(subscribedFrame({ topic, outcome: 'reset', position }))
      return true
    }
    this.#host.counters[outcome]++
    if (outcome !== 'replayed' || (isAsked && events.length === 0)) {
      const replay = outcome === 'replayed' ? events : undefined
      this.#host.send(subscribedFrame({ topic, outcome, position, events: replay, quietMs }))
    } else if (events.length > 0) {
      const frame = replayFrame(events, { topic, position, isAsked })
      // An answer is not held back: the topic may be given up before its turn would come.
      if (isAsked) this.#host.send(frame.text)
      else this.#host.sendShared(frame)
    }
    return true
  }

  #goLive(position: Position, rest: LogEvent[]): void {
    this.#epoch = position.epoch
    this.#offset = position.offset
    if (typeof this.#state !== 'string') this.#state.heard = undefined
    if (rest.length > 0) this.deliver(new EventBatch(this.topic, position.epoch, rest))
  }
}

/** By the answer of the log, which many have asked for together. */
const replayFrames = {
  asked: new WeakMap<object, SharedFrame>(),
  unasked: new WeakMap<object, SharedFrame>(),
}

/** What was missed, as one frame for all who have missed the same. */
function replayFrame(
  events: readonly LogEvent[],
  { topic, position, isAsked }: { topic: string; position: Position; isAsked: boolean },
): SharedFrame {
  const frames = isAsked ? replayFrames.asked : replayFrames.unasked
  let frame = frames.get(events)
  if (!frame) {
    frame = new SharedFrame(() =>
      isAsked
        ? subscribedFrame({ topic, outcome: 'replayed', position, events })
        : eventsFrame(topic, position.epoch, events),
    )
    frames.set(events, frame)
  }
  return frame
}
