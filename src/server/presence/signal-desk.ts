import { Buffer } from 'node:buffer'
import { RealtimeError } from '../../core/errors.ts'
import type { ClientMessage, ServerMessage } from '../../core/protocol/messages.ts'
import type { RealtimeAction } from '../access/rights.ts'
import type { ServerContext } from '../server-context.ts'

/** The connection, as its signals see it. */
interface SignallingConnection {
  readonly memberId: string
  readonly user: string | undefined
  readonly isReady: boolean
  known(topic: string, action: RealtimeAction): boolean | undefined
  check(topic: string, action: RealtimeAction): Promise<boolean>
  sendMessage(message: ServerMessage): void
}

/** Between two errors about signals: they come in floods, and so would their errors. */
const ERROR_MS = 1_000

/** Takes the signals of one connection, and says so when they may not be sent. */
export class SignalDesk {
  readonly #context: ServerContext
  readonly #connection: SignallingConnection
  #errorAt = -Infinity

  constructor(context: ServerContext, connection: SignallingConnection) {
    this.#context = context
    this.#connection = connection
  }

  /** Never rejects. */
  async add({ topic, type, data }: Extract<ClientMessage, { t: 'signal' }>): Promise<void> {
    const { maxTopicLength, maxSignalBytes } = this.#context.limits
    if (data !== undefined && Buffer.byteLength(JSON.stringify(data)) > maxSignalBytes) {
      this.#fail(topic, 'limit', `The data of a signal has at most ${maxSignalBytes} bytes.`)
      return
    }
    let isAllowed = topic.length <= maxTopicLength && type.length <= maxTopicLength
    try {
      // Not awaited when it is known: signals come often.
      if (isAllowed) {
        isAllowed = this.#connection.known(topic, 'signal') ?? (await this.#connection.check(topic, 'signal'))
      }
    } catch (cause) {
      if (cause instanceof RealtimeError) this.#context.report(cause)
      this.#fail(topic, 'unavailable', 'The server could not decide whether you may signal here.')
      return
    }
    if (!isAllowed) {
      this.#fail(topic, 'forbidden', 'You may not signal to this topic.')
      return
    }
    if (!this.#connection.isReady) return
    this.#context.counters.signals++
    const { memberId: from, user } = this.#connection
    this.#context.signals.add(
      topic,
      { type, data, from, ...(user === undefined ? undefined : { user }) },
      true,
    )
  }

  #fail(topic: string, code: string, message: string): void {
    const now = this.#context.clock.now()
    if (now - this.#errorAt < ERROR_MS || !this.#connection.isReady) return
    this.#errorAt = now
    this.#connection.sendMessage({ t: 'error', code, message, topic: topic.slice(0, 255) })
  }
}
