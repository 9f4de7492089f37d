import { RealtimeError } from '../../core/errors.ts'
import type { ClientMessage, ServerMessage } from '../../core/protocol/messages.ts'
import { consume } from '../access/rate-limiter.ts'
import { retryTime } from '../access/retry-time.ts'
import type { RealtimeAction } from '../access/rights.ts'
import type { ServerContext } from '../server-context.ts'

/** A message of a client, as `onSend` gets it. */
export interface SentMessage<TIdentity> {
  readonly identity: TIdentity
  readonly connectionId: string
  /** Names the message among those of its client. One that is sent again after a drop has the same. */
  readonly id: string
  /** The client across its connections, when it has a name. */
  readonly clientId: string | undefined
  readonly type: string
  /** Whatever the client sent: check it with a schema. */
  readonly data: unknown
  /** What it is about. `authorize` has allowed the action `send`. */
  readonly topic: string | undefined
}

/**
 * What `onSend` throws so that the client gets an answer of the app's own. Everything else that it throws is told to
 * `onError`, and to the client only as `unavailable`.
 */
export class SendError extends Error {
  override readonly name = 'SendError'
  /** For the client's program: `conflict`, `invalid`, whatever the app has agreed upon. */
  readonly code: string
  /** When it may be tried again. */
  readonly retryAfterMs: number | undefined

  /** `message` is sent to the client. */
  constructor(code: string, message: string, options: { retryAfterMs?: number | undefined } = {}) {
    super(message)
    this.code = code
    this.retryAfterMs = options.retryAfterMs
  }
}

type Send = Extract<ClientMessage, { t: 'send' }>
type SendFailure = Omit<Extract<ServerMessage, { t: 'error' }>, 't'>

/** The connection, as its sends see it. */
export interface SendHost {
  readonly id: string
  readonly identity: unknown
  readonly clientId: string | undefined
  /** What shared limits count by. */
  readonly limiterKey: string
  readonly isReady: boolean
  check(topic: string, action: RealtimeAction): Promise<boolean>
  sendMessage(message: ServerMessage): void
}

const MAX_ID_LENGTH = 128

/** As many as no client has on its way. The oldest are forgotten first. */
const MAX_PUT_OFF = 1_000

/** The messages of one connection for the app's handler: one after the other, in order, each answered once. */
export class SendQueue {
  readonly #context: ServerContext
  readonly #host: SendHost
  readonly #waiting: Send[] = []
  /** Sends that a limit has put off, with their times: what comes after one of them is put off as well. */
  readonly #putOff = new Map<string, number>()
  #isRunning = false
  #cancelTimeout: (() => void) | undefined

  constructor(context: ServerContext, host: SendHost) {
    this.#context = context
    this.#host = host
  }

  add(send: Send): void {
    const { maxPendingSends } = this.#context.limits
    this.#context.counters.sends++
    if (send.id.length > MAX_ID_LENGTH) {
      this.#fail({ code: 'invalid', message: `The id of a send has at most ${MAX_ID_LENGTH} characters.` })
    } else if (this.#waiting.length + (this.#isRunning ? 1 : 0) >= maxPendingSends) {
      this.#fail({
        code: 'limit',
        message: `At most ${maxPendingSends} sends at a time.`,
        id: send.id,
        retryAfterMs: 1_000,
      })
    } else {
      this.#waiting.push(send)
      if (!this.#isRunning) void this.#run()
    }
  }

  /** The connection is over: what its handler still does is not waited for. */
  end(): void {
    this.#waiting.length = 0
    this.#cancelTimeout?.()
  }

  /** Never rejects. What has not begun when the connection ends is not begun: its client cannot know, and asks again. */
  async #run(): Promise<void> {
    this.#isRunning = true
    for (let next = this.#waiting.shift(); next && this.#host.isReady; next = this.#waiting.shift()) {
      const { id } = next
      try {
        const failure = await this.#refusal(next)
        if (!this.#host.isReady) break
        if (failure) this.#fail({ ...failure, id })
        else {
          const data = await this.#inTime(this.#handle(next)).finally(() => this.#cancelTimeout?.())
          this.#putOff.delete(id)
          this.#host.sendMessage({ t: 'ack', id, data })
        }
      } catch (cause) {
        this.#fail({ ...this.#failureOf(next, cause), id })
      }
    }
    this.#waiting.length = 0
    this.#isRunning = false
  }

  /** Why the message does not reach the handler. */
  async #refusal({ topic, after }: Send): Promise<SendFailure | undefined> {
    const { onSend, rateLimiters, limits } = this.#context
    if (!onSend) return { code: 'unsupported', message: 'This server takes no messages.' }
    const retryAfterMs = after === undefined ? undefined : this.#putOff.get(after)
    if (retryAfterMs !== undefined) {
      return { code: 'limit', message: 'The send before it was put off.', retryAfterMs }
    }
    if (topic !== undefined) {
      if (topic.length > limits.maxTopicLength) return FORBIDDEN
      if (!(await this.#host.check(topic, 'send'))) return FORBIDDEN
    }
    const limit = await consume(rateLimiters.sends, {
      key: this.#host.limiterKey,
      clock: this.#context.clock,
      onTrouble: (cause) => {
        this.#report('A rate limiter failed; nobody is limited by it.', cause)
      },
    })
    if (!limit.isLimited) return undefined
    return { code: 'limit', message: 'Too many sends.', retryAfterMs: limit.retryAfterMs }
  }

  async #handle({ id, type, data, topic }: Send): Promise<unknown> {
    const { identity, id: connectionId, clientId } = this.#host
    return await this.#context.onSend?.({ identity, connectionId, clientId, id, type, data, topic })
  }

  #inTime<T>(handled: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#cancelTimeout = this.#context.clock.after(this.#context.limits.sendTimeoutMs, () => {
        reject(new Error('onSend has given no answer in time (limits.sendTimeoutMs).'))
      })
      handled.then(resolve, reject)
    })
  }

  #failureOf({ type }: Send, cause: unknown): SendFailure {
    if (cause instanceof SendError) {
      return {
        code: cause.code || 'failed',
        message: cause.message,
        retryAfterMs: retryTime(cause.retryAfterMs),
      }
    }
    this.#report(`A send of type '${type.slice(0, 80)}' was not handled.`, cause)
    return { code: 'unavailable', message: 'The server could not handle this now.' }
  }

  #fail(failure: SendFailure): void {
    const { id, code, retryAfterMs } = failure
    this.#context.counters.sendErrors++
    if (id !== undefined) {
      this.#putOff.delete(id)
      if (code === 'limit' && retryAfterMs !== undefined) this.#putOff.set(id, retryAfterMs)
      if (this.#putOff.size > MAX_PUT_OFF) this.#putOff.delete(this.#putOff.keys().next().value ?? '')
    }
    this.#host.sendMessage({ t: 'error', ...failure })
  }

  #report(message: string, cause: unknown): void {
    this.#context.report(
      new RealtimeError('callback-failed', message, { cause, details: { connectionId: this.#host.id } }),
    )
  }
}

const FORBIDDEN: SendFailure = { code: 'forbidden', message: 'You may not send to this topic.' }
