/** The shell that runs `outbox-state.ts`: frames, promises and the timer for what waits too long. */
import { RealtimeError } from '../../errors.ts'
import type { ClientMessage, ServerMessage } from '../../protocol/messages.ts'
import { isName } from '../../protocol/shape.ts'
import { Alarm } from '../alarm.ts'
import { bytesOf } from '../bytes-of.ts'
import type { SessionExtension, SessionLink } from './extension.ts'
import { jsonCopy } from './json-copy.ts'
import {
  EMPTY_OUTBOX,
  post,
  type OutboxInput,
  type OutboxItem,
  type OutboxState,
  type SendFate,
} from './outbox-state.ts'

export interface SendOptions {
  /** The topic that it is about. The server asks whether the user may send to it. */
  readonly topic?: string | undefined
  /**
   * Worth something now or never. Dropped while there is no connection, and never sent a second time.
   * @default false
   */
  readonly ephemeral?: boolean | undefined
  /**
   * How long it may wait for a connection and for the answer, in ms.
   * @default `limits.maxSendAgeMs`, 5 minutes
   */
  readonly timeoutMs?: number | undefined
}

/** What became of a send. It never rejects: a network that fails is no exception. */
export type Ack =
  /** The server has taken it. `data`: what its handler gave. */
  | { readonly fate: 'acked'; readonly data?: unknown }
  | {
      readonly fate: 'refused'
      readonly code: string
      readonly message: string
      /** When it may be sent again, in ms. Absent: it would be refused again, or the server does not know. */
      readonly retryAfterMs?: number | undefined
    }
  | { readonly fate: Exclude<SendFate, 'acked' | 'refused'> }

type Answer = Extract<ServerMessage, { t: 'ack' | 'error' }>

interface PostedItem extends OutboxItem {
  readonly message: ClientMessage & { readonly t: 'send' }
  readonly resolve: (ack: Ack) => void
}

/** What timers can wait for. */
const MAX_TIMER_MS = 2 ** 31 - 1

const WHY: Partial<Record<SendFate, string>> = {
  full: 'too many wait already',
  expired: 'no connection came in time',
  unknown: 'the connection ended before its answer',
}

const REMEDIES: Partial<Record<SendFate, string>> =
  process.env['NODE_ENV'] === 'production'
    ? {}
    : {
        full: 'Wait for their acks, or raise limits.maxQueuedSends.',
        expired: 'Send it again when the status is live.',
        unknown: 'Look whether the server has taken it before you send it again.',
      }

export class Outbox implements SessionExtension {
  readonly #link: SessionLink
  #state: OutboxState<PostedItem> = EMPTY_OUTBOX
  readonly #alarm: Alarm

  constructor(link: SessionLink) {
    this.#link = link
    this.#alarm = new Alarm(link.clock, () => {
      this.#put({ type: 'timer' })
    })
  }

  /** Sends a message of the app. See `Ack` for how it may end. */
  send(
    type: string,
    data?: unknown,
    { topic, ephemeral = false, timeoutMs }: SendOptions = {},
  ): Promise<Ack> {
    const { clock, createId, limits, reporter, isPlain, isStopped } = this.#link
    if (isPlain) {
      throw new RealtimeError('usage', 'The transport speaks the messages of its backend: send there.')
    }
    if (!isName(type) || !isName(topic ?? type))
      throw new RealtimeError('usage', 'send(): a type, or a topic, has no name.')
    if (isStopped()) return Promise.resolve({ fate: 'stopped' }) // Nothing may wait after the end (L9).
    const id = createId()
    const message = { t: 'send', id, type, data: jsonCopy('send()', data), topic } as const
    if (bytesOf(JSON.stringify(message)) > limits.maxMessageBytes) {
      const why = `more than ${limits.maxMessageBytes} bytes (limits.maxMessageBytes)`
      reporter.report('send-failed', `send("${type}") has failed, ${why}.`)
      return Promise.resolve({ fate: 'refused', code: 'too-large', message: why })
    }
    return new Promise((resolve) => {
      const dueAt = clock.now() + Math.min(timeoutMs ?? limits.maxSendAgeMs, MAX_TIMER_MS)
      const item: PostedItem = {
        id,
        isEphemeral: ephemeral,
        dueAt,
        wasSent: false,
        isOut: false,
        message,
        resolve,
      }
      this.#put({ type: 'posted', item })
    })
  }

  /** @internal */
  connected(): void {
    this.#put({ type: 'opened' })
  }

  /** @internal */
  disconnected(): void {
    if (this.#state.isOpen) this.#put({ type: 'closed' })
  }

  /** Nothing is kept for later, and no promise stays open. @internal */
  stopped(): void {
    this.#put({ type: 'stopped' })
  }

  /** @internal */
  forget(): void {
    this.stopped()
  }

  /** @internal */
  received(message: ServerMessage): boolean {
    // An error without an id is no answer to a send. Of the others the outbox knows which send they end.
    if ((message.t !== 'ack' && message.t !== 'error') || message.id === undefined) return false
    this.#answered(message.id, message)
    return true
  }

  #answered(id: string, answer: Answer): void {
    if (answer.t === 'ack') return this.#put({ type: 'answered', id, fate: 'acked' }, answer)
    const { code, retryAfterMs } = answer
    const isEphemeral = this.#state.items.find((item) => item.id === id)?.isEphemeral
    if (code === 'limit' && retryAfterMs !== undefined && !isEphemeral) {
      this.#put({ type: 'busy', id, retryAfterMs })
    } else this.#put({ type: 'answered', id, fate: 'refused' }, answer)
  }

  #put(input: OutboxInput<PostedItem>, answer?: Answer): void {
    const { clock, limits, send, onQueued } = this.#link
    const now = clock.now()
    const { outbox, outputs } = post(this.#state, { ...input, now }, limits)
    this.#state = outbox
    const { items, pausedUntil } = outbox
    const dues = items.map(({ dueAt }) => dueAt)
    if (pausedUntil > now) dues.push(pausedUntil)
    this.#alarm.set(items.length ? Math.min(...dues) : undefined)
    for (const output of outputs) {
      if (output.type === 'send') send({ ...output.item.message, after: output.after })
      else this.#settle(output.item, output.fate, answer)
    }
    onQueued(this.#state.items.filter(({ isOut }) => !isOut).length)
  }

  #settle({ message, isEphemeral, resolve }: PostedItem, fate: SendFate, answer?: Answer): void {
    if (fate === 'acked') return resolve({ fate, data: answer?.t === 'ack' ? answer.data : undefined })
    const { type, id } = message
    let why = WHY[fate]
    if (fate !== 'refused') resolve({ fate })
    else if (answer?.t === 'error') {
      const { code, retryAfterMs } = answer
      why = `the server refused it: ${answer.message} (${code})`
      resolve({ fate, code, message: answer.message, ...(retryAfterMs !== undefined && { retryAfterMs }) })
    }
    // What is ephemeral may be lost, and who stops the bridge knows that it stops.
    if (why === undefined || (isEphemeral && fate !== 'refused')) return
    const text = `send("${type}") has failed, ${why}.`
    const details = { id, type, fate }
    this.#link.reporter.error(new RealtimeError('send-failed', text, { details, remedy: REMEDIES[fate] }))
  }
}
