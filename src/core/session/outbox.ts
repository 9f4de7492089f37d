/** The shell that runs `outbox-state.ts`: frames, promises and the timer for what waits too long. */
import type { Clock } from '../clock.ts'
import { RealtimeError } from '../errors.ts'
import type { ClientMessage, ServerMessage } from '../protocol/messages.ts'
import { Alarm } from './alarm.ts'
import { jsonCopy } from './json-copy.ts'
import type { SessionLimits } from './limits.ts'
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

export interface OutboxOptions {
  readonly clock: Clock
  readonly limits: SessionLimits
  readonly createId: () => string
  readonly send: (message: ClientMessage) => void
  readonly onError: (error: RealtimeError) => void
  /** `queued` may be another number. */
  readonly onChange: () => void
}

interface PostedItem extends OutboxItem {
  readonly message: ClientMessage & { readonly t: 'send' }
  readonly resolve: (ack: Ack) => void
}

/** What timers can wait for. */
const MAX_TIMER_MS = 2 ** 31 - 1

const WHY: Partial<Record<SendFate, string>> = {
  full: 'too many wait already. Wait for their acks, or raise limits.maxQueuedSends',
  expired: 'no connection came in time. Send it again when the status is live',
  unknown:
    'the connection ended before its answer. Look whether the server has taken it before you send it again',
}

export class Outbox {
  readonly #options: OutboxOptions
  #state: OutboxState<PostedItem> = EMPTY_OUTBOX
  readonly #alarm: Alarm

  constructor(options: OutboxOptions) {
    this.#options = options
    this.#alarm = new Alarm(options.clock, () => {
      this.#put({ type: 'timer' })
    })
  }

  /** How many are not on their way. */
  get queued(): number {
    return this.#state.items.filter(({ isOut }) => !isOut).length
  }

  post(
    type: string,
    data: unknown,
    { topic, ephemeral = false, timeoutMs = this.#options.limits.maxSendAgeMs }: SendOptions,
  ): Promise<Ack> {
    const { clock, createId } = this.#options
    const id = createId()
    const message = { t: 'send', id, type, data: jsonCopy('send()', data), topic } as const
    return new Promise((resolve) => {
      const dueAt = clock.now() + Math.min(timeoutMs, MAX_TIMER_MS)
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

  /** The connection takes messages, or takes no more. */
  connection(isOpen: boolean): void {
    if (isOpen === this.#state.isOpen) return
    this.#put({ type: isOpen ? 'opened' : 'closed' })
  }

  /** Nothing is kept for later, and no promise stays open. */
  stop(): void {
    this.#put({ type: 'stopped' })
  }

  answered(id: string, answer: Answer): void {
    if (answer.t === 'ack') return this.#put({ type: 'answered', id, fate: 'acked' }, answer)
    const { code, retryAfterMs } = answer
    const isEphemeral = this.#state.items.find((item) => item.id === id)?.isEphemeral
    if (code === 'limit' && retryAfterMs !== undefined && !isEphemeral) {
      this.#put({ type: 'busy', id, retryAfterMs })
    } else this.#put({ type: 'answered', id, fate: 'refused' }, answer)
  }

  #put(input: OutboxInput<PostedItem>, answer?: Answer): void {
    const { clock, limits, send, onChange } = this.#options
    const { queued } = this
    const now = clock.now()
    const { outbox, outputs } = post(this.#state, { ...input, now }, limits)
    this.#state = outbox
    const { items, pausedUntil } = outbox
    const dues = items.map(({ dueAt }) => dueAt)
    if (pausedUntil > now) dues.push(pausedUntil)
    this.#alarm.set(items.length ? Math.min(...dues) : undefined)
    for (const output of outputs) {
      if (output.type === 'send') send(output.item.message)
      else this.#settle(output.item, output.fate, answer)
    }
    if (queued !== this.queued) onChange()
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
    this.#options.onError(new RealtimeError('send-failed', text, { details: { id, type, fate } }))
  }
}
