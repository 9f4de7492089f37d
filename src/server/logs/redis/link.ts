import type { Clock } from '../../../core/clock.ts'
import { RealtimeError } from '../../../core/errors.ts'
import type { Script } from './scripts.ts'

/** A `Redis` or a `Cluster` of ioredis 5 or 6. Its options are taken for connections of our own. */
export interface RedisClient {
  readonly isCluster: boolean
  duplicate: (...args: never[]) => unknown
}

/** What is used of a connection of our own. */
interface Connection {
  readonly status: string
  readonly stream?: { destroy(): void } | undefined
  nodes?(): Connection[]
  call(command: string, ...args: (string | number)[]): Promise<unknown>
  on(event: 'ready' | 'close' | 'end' | 'error', listener: (error?: unknown) => void): unknown
  disconnect(): void
}

export interface RedisLinkOptions {
  readonly client: RedisClient
  readonly clock: Clock
  /** From 0 up to 1. */
  readonly random: () => number
  readonly report: (error: RealtimeError) => void
}

/** The connection failed. `mayHaveRun`: the command was sent, and nobody knows what became of it. */
export class LinkError extends Error {
  override readonly name = 'LinkError'
  readonly mayHaveRun: boolean

  constructor(message: string, options: { mayHaveRun: boolean; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.mayHaveRun = options.mayHaveRun
  }
}

const RETRY_BASE_MS = 50
const RETRY_MAX_MS = 2_000

/** Redis has answered with an error, so the command did not run. */
export const isRefusal = (error: unknown): error is Error =>
  error instanceof Error && error.name === 'ReplyError'

/** It would refuse anything now, and may take it soon: it loads, fails over, or is a replica that was a primary. */
export const isPassing = (error: Error) =>
  // Redis 6 says in the middle what a script has met.
  /(?:^|: -)(LOADING|READONLY|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|UNBLOCKED|BUSY|MOVED|ASK)\b/.test(error.message)

/**
 * One connection of our own, that comes back by itself. A command is sent once: what is on its way when the connection
 * breaks fails and is not sent again behind the caller's back, as ioredis would do it, because an append that runs
 * twice is an event too many.
 */
export class RedisLink {
  readonly #connection: Connection
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()
  #lastError: unknown
  /** The outage is reported. Cleared when the connection is back. */
  #isDown = false
  #isClosed = false

  constructor({ client, clock, random, report }: RedisLinkOptions) {
    this.#clock = clock
    this.#connection = duplicate(client, (attempt) =>
      Math.round(Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.min(attempt, 10)) * (0.5 + random() / 2)),
    )
    const down = () => {
      if (this.#isDown || this.#isClosed) return
      this.#isDown = true
      const cause = this.#lastError
      report(
        new RealtimeError(
          'log-failed',
          'The connection to Redis is lost; it is tried again until it is back.',
          {
            cause,
          },
        ),
      )
    }
    this.#connection.on('error', (error) => {
      this.#lastError = error
    })
    this.#connection.on('close', down)
    this.#connection.on('ready', () => {
      this.#isDown = false
      this.#lastError = undefined
      this.#wake()
    })
  }

  /**
   * Rejects with Redis' own error (`isRefusal`) or with a `LinkError`, after `withinMs` at the latest, and with
   * another error once it is closed.
   */
  async call(command: string, args: readonly (string | number)[], withinMs: number): Promise<unknown> {
    const deadline = this.#clock.now() + withinMs
    await this.#ready(withinMs)
    let cancel = () => {}
    const isLate = Symbol('late')
    const late = new Promise<typeof isLate>((resolve) => {
      cancel = this.#clock.after(Math.max(0, deadline - this.#clock.now()), () => {
        resolve(isLate)
      })
    })
    try {
      const reply = await Promise.race([this.#connection.call(command, ...args), late])
      if (reply !== isLate) return reply
    } catch (cause) {
      if (isRefusal(cause)) {
        // The connection leads to a Redis that has become a replica: a new one may lead to the primary.
        if (cause.message.includes('READONLY')) this.#break()
        throw cause
      }
      // ioredis says so when it has not written the command.
      const mayHaveRun = !(cause instanceof Error && cause.message.includes('enableOfflineQueue'))
      throw new LinkError('The connection to Redis broke.', { mayHaveRun, cause })
    } finally {
      cancel()
    }
    // Whoever is silent for so long may be gone without a word.
    this.#break()
    throw new LinkError(`Redis has not answered within ${withinMs} ms.`, { mayHaveRun: true })
  }

  /** Runs a script, and hands it over when Redis does not know it yet. */
  async run(
    { source, sha }: Script,
    input: { keys: readonly string[]; args: readonly (string | number)[] },
    withinMs: number,
  ): Promise<unknown> {
    const args = [input.keys.length, ...input.keys, ...input.args]
    try {
      return await this.call('evalsha', [sha, ...args], withinMs)
    } catch (error) {
      if (!isRefusal(error) || !error.message.startsWith('NOSCRIPT')) throw error
      return await this.call('eval', [source, ...args], withinMs)
    }
  }

  close(): void {
    this.#isClosed = true
    this.#connection.disconnect()
    this.#wake()
  }

  async #ready(withinMs: number): Promise<void> {
    if (!this.#isClosed && this.#connection.status !== 'ready') {
      await new Promise<void>((resolve) => {
        const done = () => {
          cancel()
          this.#waiting.delete(done)
          resolve()
        }
        const cancel = this.#clock.after(withinMs, done)
        this.#waiting.add(done)
      })
    }
    // Not a `LinkError`: there is no use in trying again.
    if (this.#isClosed) throw new Error('The event log was closed meanwhile.')
    if (this.#connection.status === 'ready') return
    throw new LinkError('Redis cannot be reached.', { mayHaveRun: false, cause: this.#lastError })
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done()
  }

  /** Ends the connection without waiting for the other side, which may not be there. It is opened anew. */
  #break(): void {
    for (const node of this.#connection.nodes?.() ?? [this.#connection]) node.stream?.destroy()
  }
}

/** A connection with the address, the credentials and the key prefix of the app's, and with manners of our own. */
function duplicate(client: RedisClient, retryDelay: (attempt: number) => number): Connection {
  const options = {
    lazyConnect: false,
    enableReadyCheck: true,
    enableOfflineQueue: false,
    enableAutoPipelining: false,
    autoResendUnfulfilledCommands: false,
    // What is on its way fails when the connection breaks, instead of waiting for the next one.
    maxRetriesPerRequest: 0,
    reconnectOnError: null,
    // We count the time ourselves: a read that blocks is silent for long.
    commandTimeout: undefined,
    socketTimeout: undefined,
    blockingTimeout: undefined,
    readOnly: false,
    stringNumbers: false,
    // The shapes of replies that every version gives.
    protocol: 2,
    replyMapping: 'legacy',
  }
  const make = client.duplicate as (...args: unknown[]) => unknown
  if (!client.isCluster) return make.call(client, { ...options, retryStrategy: retryDelay }) as Connection
  const { enableOfflineQueue, lazyConnect, enableAutoPipelining, ...redisOptions } = options
  return make.call(client, [], {
    enableOfflineQueue,
    lazyConnect,
    enableAutoPipelining,
    scaleReads: 'master',
    clusterRetryStrategy: retryDelay,
    retryDelayOnFailover: 0,
    redisOptions: {
      ...(client as { options?: { redisOptions?: object } }).options?.redisOptions,
      ...redisOptions,
    },
  }) as Connection
}
