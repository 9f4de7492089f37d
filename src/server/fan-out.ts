import { Audience, type TopicListener } from './audience.ts'
import { EventBatch } from './event-batch.ts'
import type { LogEntry } from './event-log.ts'
import type { Turn, Work, WriteQueue } from './write-queue.ts'

/** Full batches that may wait for the round under way. Beyond it, whoever publishes waits until everybody has heard. */
const MAX_FULL_BATCHES = 64

/**
 * Brings what the log tells to the subscriptions of this process, in rounds: what is heard in one turn is one frame
 * for each topic, and a round takes as many turns as its audience needs (`WriteQueue`). What is heard meanwhile goes
 * into the next round.
 */
export class FanOut {
  readonly #defer: (run: () => void) => void
  readonly #writes: WriteQueue
  readonly #audiences = new Map<string, Audience>()
  /** What waits for the next round, in the order in which it began. */
  #waiting: EventBatch[] = []
  /** Of each topic that has some, the newest of them. */
  readonly #growing = new Map<string, EventBatch>()
  #round: Round | undefined
  #isScheduled = false

  constructor(defer: (run: () => void) => void, writes: WriteQueue) {
    this.#defer = defer
    this.#writes = writes
  }

  hear(entry: LogEntry): void {
    if (!this.#audiences.has(entry.topic)) return
    const batch = this.#growing.get(entry.topic)
    if (!batch?.add(entry)) {
      if (this.#waiting.length - this.#growing.size >= MAX_FULL_BATCHES) this.finish()
      const next = new EventBatch(entry.topic, entry.epoch)
      next.add(entry)
      this.#growing.set(entry.topic, next)
      this.#waiting.push(next)
    }
    if (this.#isScheduled || this.#round) return
    this.#isScheduled = true
    this.#defer(() => {
      this.#isScheduled = false
      this.#begin()
      this.#writes.serve()
    })
  }

  /** Everybody is told what was heard before, in this very turn; what they are told may wait to be written. */
  finish(): void {
    this.#round?.finish()
    this.#begin()
    this.#round?.finish()
  }

  /** The log has told of less than there was: everybody looks for themselves. */
  missed(): void {
    this.finish()
    for (const audience of this.#audiences.values()) for (const listener of audience) listener.missed()
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

  /** One round at a time, so that nobody hears of a topic in another order. */
  #begin(): void {
    if (this.#round || this.#waiting.length === 0) return
    const batches = this.#waiting
    this.#waiting = []
    this.#growing.clear()
    this.#round = new Round(batches, {
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
 * Some batches, each on its way to the audience of its topic. Who leaves before it has come to them does not hear it;
 * who joins meanwhile hears it as well, and knows by the offsets what of it the log has told already.
 */
class Round implements Work {
  readonly #batches: readonly EventBatch[]
  readonly #host: RoundHost
  #next = 0
  /** The audience of the batch under way, and how many places of it have been gone through. */
  #places: Audience['places'] | undefined
  #at = 0
  #hasEnded = false

  constructor(batches: readonly EventBatch[], host: RoundHost) {
    this.#batches = batches
    this.#host = host
  }

  work(turn: Turn): boolean {
    const { writes } = this.#host
    // One frame for each: written at once, while what that needs is still in the processor's cache. With several
    // batches a socket may get more than one, which then go out in one write.
    writes.isDirect = this.#batches.length === 1
    const isDone = this.#deliver(turn)
    writes.isDirect = false
    return isDone
  }

  finish(): void {
    this.#deliver(undefined)
  }

  #deliver(turn: Turn | undefined): boolean {
    for (let batch = this.#batches[this.#next]; batch; batch = this.#batches[this.#next]) {
      const places = (this.#places ??= this.#host.audience(batch.topic)?.places ?? [])
      while (this.#at < places.length) {
        places[this.#at++]?.deliver(batch)
        if (turn && !turn.hasTime()) return false
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
