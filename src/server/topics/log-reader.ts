/**
 * What subscriptions ask of the log. When many clients come back at once, or the log has kept something from all of
 * them, most ask the same: where a topic stands, or what came after one position. Who asks what is about to be asked
 * shares the answer, and only so many questions are under way at a time.
 *
 * A question that has begun is shared with nobody: what was appended since would be missing for whoever has just begun
 * to listen. So each waits for the one before it, and all that come meanwhile are one.
 */
import type { Clock } from '../../core/clock.ts'
import type { Position } from '../../core/event.ts'
import type { EventLog, LogRead } from '../event-log.ts'

/** One question for the log, and all who wait for its answer. */
class Question {
  readonly answer: Promise<unknown>
  readonly #ask: () => Promise<unknown>
  #resolve!: (answer: unknown) => void
  #reject!: (cause: unknown) => void
  /** When it began. */
  at = 0

  constructor(ask: () => Promise<unknown>) {
    this.#ask = ask
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Settles with the answer. Never rejects. */
  async begin(): Promise<void> {
    try {
      this.#resolve(await this.#ask())
    } catch (cause) {
      this.#reject(cause)
    }
  }

  giveUp(cause: Error): void {
    this.#reject(cause)
  }
}

export interface FreshHead {
  readonly head: Position
  readonly quietMs: number | undefined
}

/** Questions under way at a time: what a log answers in one round trip, and no more than its pool has use for. */
const WIDTH = 64

/** A log that has not answered for so long may never: the place is for others. */
const TIMEOUT_MS = 30_000

export class LogReader {
  readonly #log: EventLog
  readonly #clock: Clock
  readonly #limit: number
  /** In the order in which they came. */
  readonly #waiting = new Map<string, Question>()
  readonly #running = new Map<string, Question>()
  /** One for all that run. */
  #cancelDeadline: (() => void) | undefined
  #isScheduled = false

  /** `limit`: how many events one answer has at most. */
  constructor(log: EventLog, { clock, limit }: { clock: Clock; limit: number }) {
    this.#log = log
    this.#clock = clock
    this.#limit = limit
  }

  /** Where the topic stands, and for how long it has been quiet. */
  head(topic: string): Promise<FreshHead> {
    return this.#ask(`h${topic}`, async () => {
      const head = await this.#log.head(topic)
      // After the head: what is appended between the two makes the topic less quiet, and is heard.
      return { head, quietMs: await this.#log.quietMs?.(topic) }
    })
  }

  /** What came after `after`. */
  read(topic: string, after: Position): Promise<LogRead> {
    return this.#ask(`r${after.offset}:${after.epoch.length}:${after.epoch}${topic}`, () =>
      this.#log.read(topic, after, this.#limit),
    )
  }

  quietMs(topic: string): Promise<number | undefined> {
    return this.#ask(`q${topic}`, async () => this.#log.quietMs?.(topic))
  }

  /** The key says what is asked, so whoever has the same one takes the same answer. */
  #ask<T>(key: string, ask: () => Promise<T>): Promise<T> {
    let question = this.#waiting.get(key)
    if (!question) {
      question = new Question(ask)
      this.#waiting.set(key, question)
      this.#beginSoon()
    }
    return question.answer as Promise<T>
  }

  /** What is asked in the same turn is gathered first. */
  #beginSoon(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#begin()
    })
  }

  #begin(): void {
    const at = this.#clock.now()
    for (const [key, question] of this.#waiting) {
      if (this.#running.size >= WIDTH) break
      if (this.#running.has(key)) continue
      this.#waiting.delete(key)
      this.#running.set(key, question)
      question.at = at
      void question.begin().then(() => {
        this.#end(key, question)
      })
    }
    if (this.#running.size > 0)
      this.#cancelDeadline ??= this.#clock.after(TIMEOUT_MS, () => {
        this.#giveUp()
      })
  }

  #end(key: string, question: Question): void {
    if (this.#running.get(key) !== question) return
    this.#running.delete(key)
    if (this.#waiting.size > 0) this.#beginSoon()
    else if (this.#running.size === 0) this.#stopWatching()
  }

  /** The places of those that have had their time are for others. */
  #giveUp(): void {
    this.#stopWatching()
    const now = this.#clock.now()
    for (const [key, question] of this.#running) {
      if (now - question.at < TIMEOUT_MS) continue
      question.giveUp(new Error(`The event log has not answered for ${TIMEOUT_MS} ms.`))
      this.#running.delete(key)
    }
    this.#begin()
  }

  #stopWatching(): void {
    this.#cancelDeadline?.()
    this.#cancelDeadline = undefined
  }
}
