/**
 * One connection to the database that comes back by itself, and work that is done on it again and again:
 *
 *   connect ──▶ listen ──▶ work ──▶ wait (wake, poll, somebody asks) ──▶ work ──▶ …
 *      ▲                     └─ failed, timed out, connection lost ─┐
 *      └────────────────────────── backoff ◀────────────────────────┘
 */
import type { Clock } from '../../../core/clock.ts'
import { inTime } from '../../access/in-time.ts'
import type { ListeningConnection, ListeningHandlers } from './sql-client.ts'

export interface FollowerOptions {
  readonly open: (handlers: ListeningHandlers) => Promise<ListeningConnection>
  /** Done on every new connection, when woken, and every `pollMs`. What throws ends the connection. */
  readonly work: (connection: ListeningConnection) => Promise<void>
  readonly onNotification: (payload: string) => void
  /** Once for each outage. */
  readonly onOutage: (cause: unknown) => void
  readonly clock: Clock
  readonly random: () => number
  readonly pollMs: number
  /** For the connection. */
  readonly timeoutMs: number
}

/** Somebody who waits for work that begins after the question. */
interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

const MIN_BACKOFF_MS = 50
const MAX_BACKOFF_MS = 5_000

export class Follower {
  readonly #options: FollowerOptions
  readonly #ended: Promise<void>
  #connection: ListeningConnection | undefined
  /** Why the connection that is there is of no use. Cleared by the next one. */
  #lost: Error | undefined
  /** The last attempt has failed, and the next one waits. */
  #failure: unknown
  #isWoken = false
  #wake = () => {}
  #waiters: Waiter[] = []
  #isStopped = false
  /** Failed attempts in a row. */
  #attempts = 0

  constructor(options: FollowerOptions) {
    this.#options = options
    this.#ended = this.#run()
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  /** Whether notifications tell it of everything. */
  get hearsNotifications(): boolean {
    return this.#connection?.isWoken ?? false
  }

  /** There is work. */
  wake(): void {
    this.#isWoken = true
    this.#wake()
  }

  /** Resolves when work that began after the call is done. Rejects when the database cannot be reached. */
  worked(): Promise<void> {
    if (this.#isStopped) return Promise.reject(new Error('It has been stopped.'))
    if (this.#failure !== undefined) return Promise.reject(asError(this.#failure))
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      this.#wake()
    })
  }

  /** Resolves when the connection is closed, or after a while when the database does not answer. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#wake()
    const connection = this.#connection
    await inTime(this.#ended, unanswered(this.#options.clock, 1_000)).catch(() => connection?.close())
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#follow()
      } catch (cause) {
        this.#fail(cause)
      } finally {
        await this.#connection?.close()
        this.#connection = undefined
      }
      if (this.#isStopped) break
      const longest = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** this.#attempts++)
      await this.#wait(longest * (0.5 + this.#options.random() / 2))
      this.#failure = undefined
    }
    this.#reject(new Error('It has been stopped.'))
  }

  /** Connects and works until something fails or it is stopped. */
  async #follow(): Promise<void> {
    const connection = await this.#open()
    this.#connection = connection
    while (!this.#isStopped) {
      if (this.#lost) throw asError(this.#lost)
      this.#isWoken = false
      const waiters = this.#waiters.splice(0)
      try {
        await this.#options.work(connection)
      } catch (error) {
        this.#waiters.push(...waiters)
        throw error
      }
      this.#attempts = 0
      for (const { resolve } of waiters) resolve()
      if (!this.#isWoken && this.#waiters.length === 0 && !this.#isDone())
        await this.#wait(this.#options.pollMs)
    }
  }

  async #open(): Promise<ListeningConnection> {
    const { open, onNotification, clock, timeoutMs } = this.#options
    this.#lost = undefined
    const opening = open({
      onNotification,
      onLost: (error) => {
        this.#lost ??= error
        this.#wake()
      },
    })
    return inTime(opening, unanswered(clock, timeoutMs)).catch((error: unknown) => {
      // One that comes too late is not needed any more.
      void opening.then(
        (late) => late.close(),
        () => undefined,
      )
      throw asError(error)
    })
  }

  #isDone(): boolean {
    return this.#isStopped || this.#lost !== undefined
  }

  #fail(cause: unknown): void {
    if (this.#isStopped) return
    const isNew = this.#failure === undefined && this.#attempts === 0
    this.#failure = cause
    this.#reject(cause)
    if (isNew) this.#options.onOutage(cause)
  }

  #reject(cause: unknown): void {
    for (const { reject } of this.#waiters.splice(0)) reject(cause)
  }

  /** Until it is woken, for so long at most. */
  async #wait(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(delayMs, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
    this.#wake = () => {}
  }
}

/** What a database that is not heard of is given up with. */
export const unanswered = (clock: Clock, limitMs: number) => ({
  clock,
  limitMs,
  message: `The database has not answered for ${limitMs} ms.`,
})

const asError = (cause: unknown) => (cause instanceof Error ? cause : new Error(String(cause)))
