import type { Clock } from '../../core/clock.ts'
import { Audience, type TopicListener } from './audience.ts'
import { EventBatch } from './event-batch.ts'
import type { LogEntry } from '../event-log.ts'
import type { Turn, Work, WriteQueue } from '../sockets/write-queue.ts'

/** Full batches that may wait for the round under way. Beyond it, whoever publishes waits until everybody has heard. */
const MAX_FULL_BATCHES = 64

/** How long a round may wait for what else is about to be heard, in ms. */
const MAX_GATHER_MS = 2

/** The log has told of less than there was: everybody who hears the topic looks for themselves. */
class Missed {
  readonly topic: string

  constructor(topic: string) {
    this.topic = topic
  }
}

/**
 * Brings what the log tells to the subscriptions of this process, in rounds: what is heard in turns that follow each
 * other is one frame for each topic, and a round takes as many turns as its audience needs (`WriteQueue`). What is heard
 * meanwhile goes into the next round.
 */
export class FanOut {
  readonly #defer: (run: () => void) => void
  readonly #writes: WriteQueue
  readonly #clock: Clock
  readonly #audiences = new Map<string, Audience>()
  /** What waits for the next round, in the order in which it began. */
  #waiting: (EventBatch | Missed)[] = []
  /** Of each topic that has some, the newest of them. */
  readonly #newest = new Map<string, EventBatch | Missed>()
  /** Batches among them that take no more. */
  #full = 0
  #round: Round | undefined
  #isScheduled = false
  /** Something was heard since this was last looked at. */
  #hasHeard = false

  constructor(defer: (run: () => void) => void, writes: WriteQueue, clock: Clock) {
    this.#defer = defer
    this.#writes = writes
    this.#clock = clock
  }

  hear(entry: LogEntry): void {
    if (!this.#audiences.has(entry.topic)) return
    const newest = this.#newest.get(entry.topic)
    const batch = newest instanceof EventBatch ? newest : undefined
    if (!batch?.add(entry)) {
      if (batch) this.#full += 1
      if (this.#full >= MAX_FULL_BATCHES) this.finish()
      const next = new EventBatch(entry.topic, entry.epoch)
      next.add(entry)
      this.#wait(next)
    }
    this.#hasHeard = true
    if (this.#isScheduled || this.#round) return
    this.#isScheduled = true
    this.#gather(this.#clock.now())
  }

  /** Everybody is told what was heard before, in this very turn; what they are told may wait to be written. */
  finish(): void {
    this.#round?.finish()
    this.#begin()
    this.#round?.finish()
  }

  /** Everybody looks for themselves, in their turn: after what was heard before, and before what is heard from now on. */
  missed(): void {
    for (const topic of this.#audiences.keys()) {
      if (!(this.#newest.get(topic) instanceof Missed)) this.#wait(new Missed(topic))
    }
    this.#begin()
    this.#writes.serve()
  }

  /** Returns the name of the topic as others have it, so that it is kept once. */
  join(topic: string, listener: TopicListener): string {
    let audience = this.#audiences.get(topic)
    if (!audience) this.#audiences.set(topic, (audience = new Audience(topic)))
    audience.add(listener)
    return audience.topic
  }

  leave(topic: string, listener: TopicListener): void {
    const audience = this.#audiences.get(topic)
    audience?.remove(listener)
    if (audience?.isEmpty) this.#audiences.delete(topic)
  }

  /** Everybody who hears a topic. */
  listeners(topic: string): Iterable<TopicListener> {
    return this.#audiences.get(topic) ?? []
  }

  /**
   * Waits for a turn in which nothing was heard, and then begins. Requests that come together are served in turns that
   * follow each other, each a little later than the one before: what all of them publish costs each socket one write.
   */
  #gather(since: number): void {
    this.#defer(() => {
      const elapsedMs = this.#clock.now() - since
      // A clock that was set back ends the wait, too.
      if (this.#hasHeard && elapsedMs >= 0 && elapsedMs < MAX_GATHER_MS) {
        this.#hasHeard = false
        this.#gather(since)
        return
      }
      this.#isScheduled = false
      this.#begin()
      this.#writes.serve()
    })
  }

  #wait(told: EventBatch | Missed): void {
    this.#newest.set(told.topic, told)
    this.#waiting.push(told)
  }

  /** One round at a time, so that nobody hears of a topic in another order. */
  #begin(): void {
    if (this.#round || this.#waiting.length === 0) return
    const told = this.#waiting
    this.#waiting = []
    this.#newest.clear()
    this.#full = 0
    this.#round = new Round(told, {
      writes: this.#writes,
      audience: (topic) => this.#audiences.get(topic),
      ended: () => {
        this.#round = undefined
        this.#begin()
      },
    })
    this.#writes.add(this.#round)
  }
}

/** What a round needs of the fan-out. */
interface RoundHost {
  readonly writes: WriteQueue
  audience(topic: string): Audience | undefined
  ended(): void
}

/**
 * Some batches, or words that there were more, each on its way to the audience of its topic. Who leaves before it has come to them does not hear it;
 * who joins meanwhile hears it as well, and knows by the offsets what of it the log has told already.
 */
class Round implements Work {
  readonly #told: readonly (EventBatch | Missed)[]
  readonly #host: RoundHost
  #next = 0
  /** The audience of the one under way, and how many places of it have been gone through. */
  #places: Audience['places'] | undefined
  #at = 0
  #hasEnded = false

  constructor(told: readonly (EventBatch | Missed)[], host: RoundHost) {
    this.#told = told
    this.#host = host
  }

  work(turn: Turn): boolean {
    const { writes } = this.#host
    // One frame for each: written at once, while what that needs is still in the processor's cache. With several
    // batches a socket may get more than one, which then go out in one write.
    const [told] = this.#told
    if (this.#told.length === 1 && told instanceof EventBatch) writes.direct = told.frame
    const isDone = this.#deliver(turn)
    writes.serveDirect(turn, true)
    writes.direct = undefined
    return isDone
  }

  finish(): void {
    this.#deliver(undefined)
  }

  #deliver(turn: Turn | undefined): boolean {
    for (let told = this.#told[this.#next]; told; told = this.#told[this.#next]) {
      const places = (this.#places ??= this.#host.audience(told.topic)?.places ?? [])
      while (this.#at < places.length) {
        const listener = places[this.#at++]
        if (told instanceof EventBatch) listener?.deliver(told)
        else listener?.missed()
        if (!turn) continue
        this.#host.writes.serveDirect(turn, false)
        if (!turn.hasTime()) return false
      }
      this.#places = undefined
      this.#at = 0
      this.#next += 1
    }
    if (!this.#hasEnded) {
      this.#hasEnded = true
      this.#host.ended()
    }
    return true
  }
}
