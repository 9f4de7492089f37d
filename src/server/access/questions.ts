import type { Clock } from '../../core/clock.ts'
import { Gate } from './gate.ts'
import { inTime } from './in-time.ts'
import type { ServerLimits } from '../limits.ts'

interface QuestionsOptions {
  readonly clock: Clock
  readonly limits: ServerLimits
  /** The function of the app that is asked, for people. */
  readonly name: string
  /** The limit that says how many are asked at a time. */
  readonly width: 'maxConcurrentAuthentications' | 'maxConcurrentAuthorizations'
  /** The limit that says how long one may take, its turn included. */
  readonly time: 'helloTimeoutMs' | 'authorizeTimeoutMs'
}

/** Too many others were asked: the function of the app never was, and has not failed. */
export class NotAskedError extends Error {}

/**
 * What a function of the app is asked on behalf of all connections: only so much at a time, in order. When every client
 * comes back at once, a database has as many questions before it as it has use for, and not ten thousand.
 */
export class Questions {
  readonly #options: QuestionsOptions
  readonly #gate: Gate

  constructor(options: QuestionsOptions) {
    this.#options = options
    this.#gate = new Gate(options.limits[options.width])
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#gate.waiting
  }

  /**
   * Rejects when the function fails, or there is no answer in time. An answer that comes at once needs no turn, and a
   * question that has not had its turn in time is never asked. One that is asked keeps its place while the app is at it,
   * also when nobody waits for the answer any more; one that is never answered gives it back after the same time.
   */
  async ask<T>(question: () => T): Promise<Awaited<T>> {
    if (this.#gate.isFull) return this.#inTurn(question)
    const answer = question()
    return isThenable(answer) ? this.#gate.run(() => this.#answered(answer)) : await answer
  }

  async #inTurn<T>(question: () => T): Promise<Awaited<T>> {
    const { clock, limits, time } = this.#options
    let state: 'waiting' | 'asked' | 'over' = 'waiting'
    let cancel = () => {}
    const deadline = new Promise<never>((_, reject) => {
      cancel = clock.after(limits[time], () => {
        reject(state === 'asked' ? new Error(this.#unanswered) : this.#notAsked())
        state = 'over'
      })
    })
    const answered = this.#gate.run(() => {
      if (state === 'over') return deadline
      state = 'asked'
      return this.#answered(question())
    })
    try {
      return await Promise.race([answered, deadline])
    } finally {
      cancel()
    }
  }

  #answered<T>(answer: T): Promise<Awaited<T>> {
    const { clock, limits, time } = this.#options
    return inTime(Promise.resolve(answer), { clock, limitMs: limits[time], message: this.#unanswered })
  }

  get #unanswered(): string {
    const { name, time } = this.#options
    return `${name} has given no answer in time (limits.${time}).`
  }

  #notAsked(): NotAskedError {
    const { limits, name, width, time } = this.#options
    return new NotAskedError(
      `${name} was not asked in time (limits.${time}): it was busy with ${limits[width]} others (limits.${width}). Let it answer sooner, or raise the limit.`,
    )
  }
}

const isThenable = (value: unknown): boolean =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
