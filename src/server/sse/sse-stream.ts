/**
 * One event stream as a socket of the server: the frames of `rqb.v1`, each as one event. What the reader has not
 * taken yet is counted, so that a slow one is noticed like a slow WebSocket.
 */
import type { Clock } from '../../core/clock.ts'
import { PROTOCOL } from '../../core/protocol/version.ts'
import type { ServerSocket } from '../connection.ts'
import type { SharedFrames } from '../sockets/shared-frame.ts'
import { readFrame, type TrackedPositions } from './sse-positions.ts'

export interface SseStreamOptions {
  /** Names the stream for the client's messages. */
  readonly id: string
  readonly retryMs: number
  readonly clock: Clock
  /** Called once, when nothing more is sent. */
  readonly onClosed: (code: number, reason: string) => void
}

/** How long a reader may take to read the end before the stream is torn down. */
const CLOSE_TIMEOUT_MS = 5_000

/** RFC 6455: the connection was lost. */
const LOST = 1006

const encoder = new TextEncoder()

const COMMENT = encoder.encode(':\n\n')

/** How the stream began: with a welcome, or not at all. */
export type SseBeginning =
  | { readonly isWelcome: true }
  | {
      readonly isWelcome: false
      readonly code: number
      readonly reason: string
      readonly retryAfterMs: number | undefined
    }

export class SseStream implements ServerSocket {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>
  /** Resolves when it is known whether the client is let in. */
  readonly beginning: Promise<SseBeginning>
  /** Set: every event carries the positions of its topics as its id. */
  positions: TrackedPositions | undefined
  readonly #options: SseStreamOptions
  readonly #resolveBeginning: (beginning: SseBeginning) => void
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>
  #state: 'open' | 'closing' | 'closed' = 'open'
  /** What the client will be told of the end. Set by `close`. */
  #end = { code: LOST, reason: '' }
  #retryAfterMs: number | undefined
  #cancelTimeout = () => {}
  /** Something was sent since the last heartbeat. */
  #isFresh = true

  constructor(options: SseStreamOptions) {
    this.#options = options
    let resolveBeginning!: (beginning: SseBeginning) => void
    this.beginning = new Promise((resolve) => (resolveBeginning = resolve))
    this.#resolveBeginning = resolveBeginning
    this.body = new ReadableStream(
      {
        start: (controller) => {
          this.#controller = controller
        },
        // With a high water mark of 0 it is called only by a reader that has read everything.
        pull: () => {
          if (this.#state === 'closing') this.#finish()
        },
        cancel: () => {
          this.abort()
        },
      },
      { highWaterMark: 0, size: (chunk) => chunk.byteLength },
    )
    this.#write(
      `retry: ${options.retryMs}\nevent: connection\ndata: ${JSON.stringify({ protocol: PROTOCOL, id: options.id })}\n\n`,
    )
  }

  get bufferedAmount(): number {
    return this.#state === 'open' ? -(this.#controller.desiredSize ?? 0) : 0
  }

  send(text: string): void {
    this.#send(text, (make) => make(text))
  }

  sendShared({ list }: SharedFrames): void {
    for (const frame of list) this.#send(frame.text, (make) => frame.as(make))
  }

  close(code: number, reason: string): void {
    if (this.#state !== 'open') return
    this.#end = { code, reason }
    // Who reads nothing would not read this either, and what waits for him is let go of.
    const isSlow = code === 4413
    this.#write(`event: close\ndata: ${JSON.stringify(this.#end)}\n\n`)
    this.#state = 'closing'
    this.#resolveBeginning({ isWelcome: false, ...this.#end, retryAfterMs: this.#retryAfterMs })
    if (isSlow) {
      this.#tearDown()
      return
    }
    this.#cancelTimeout = this.#options.clock.after(CLOSE_TIMEOUT_MS, () => {
      this.#tearDown()
    })
  }

  /** The client is gone. */
  abort(): void {
    if (this.#state === 'closed') return
    if (this.#state === 'open') this.#end = { code: LOST, reason: '' }
    this.#finish()
  }

  /** Keeps proxies from closing a silent stream. */
  beat(): void {
    if (this.#state === 'open' && !this.#isFresh && this.bufferedAmount === 0) this.#enqueue(COMMENT)
    this.#isFresh = false
  }

  /** `as` makes something of the text, or knows it from another stream. */
  #send(text: string, as: <T>(make: (text: string) => T) => T): void {
    if (this.#state !== 'open') return
    const kind = kindOf(text)
    if (kind === 'welcome') this.#resolveBeginning({ isWelcome: true })
    else if (kind === 'going-away') this.#goingAway(text)
    if (this.positions && movesPosition(kind)) this.#write(`id: ${this.positions.follow(as(readFrame))}\n`)
    this.#enqueue(as(encodeEvent))
  }

  /** For a client that reconnects by itself: `retry` sets when. */
  #goingAway(text: string): void {
    const { retryAfterMs } = JSON.parse(text) as { retryAfterMs: number }
    this.#retryAfterMs = retryAfterMs
    this.#write(`retry: ${retryAfterMs}\n\n`)
  }

  #write(text: string): void {
    this.#enqueue(encoder.encode(text))
  }

  #enqueue(chunk: Uint8Array<ArrayBuffer>): void {
    this.#isFresh = true
    this.#controller.enqueue(chunk)
  }

  #finish(): void {
    this.#closed(() => {
      this.#controller.close()
    })
  }

  /** Lets go of everything that was not read. */
  #tearDown(): void {
    this.#closed(() => {
      this.#controller.error(new Error(`The event stream has ended (${this.#end.code}).`))
    })
  }

  #closed(end: () => void): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#cancelTimeout()
    this.#resolveBeginning({ isWelcome: false, ...this.#end, retryAfterMs: this.#retryAfterMs })
    try {
      end()
    } catch {
      // Cancelled by its reader: there is no stream left to end.
    }
    this.#options.onClosed(this.#end.code, this.#end.reason)
  }
}

/** The kind of a message, without decoding it: `t` always stands first. */
function kindOf(frame: string): string | undefined {
  return /^\{"t":"([a-z-]+)"/.exec(frame)?.[1]
}

const movesPosition = (kind: string | undefined) =>
  kind === 'events' || kind === 'subscribed' || kind === 'refused' || kind === 'revoked'

/** JSON may hold line breaks as white space; to a reader of events they are several lines of data. */
const encodeEvent = (frame: string) => encoder.encode(`data: ${frame.replace(/\r\n?|\n/g, '\ndata: ')}\n\n`)
