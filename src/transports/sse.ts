/**
 * Server-Sent Events as a transport: what the server says comes as an event stream (GET), what the client says goes
 * by POST. `fetch` carries both, since an `EventSource` can send no header and reconnects when it likes; *when* to
 * dial is the session's.
 */
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { RealtimeError } from '../core/errors.ts'
import type { RealtimeEvent } from '../core/event.ts'
import { PROTOCOL } from '../core/protocol/version.ts'
import type {
  CloseInfo,
  HeartbeatOptions,
  Transport,
  TransportConnection,
  TransportHandlers,
} from '../core/transport.ts'
import { closeInfoOf, fieldsOf, LOST, refusalOf } from './sse-refusal.ts'

type Provided<T> = T | (() => T | Promise<T>)

/** One event of a stream, as a plain backend has sent it. */
export interface SseMessage {
  /** Absent: the backend named none, which an `EventSource` calls `message`. */
  readonly event?: string | undefined
  readonly data: string
  readonly id?: string | undefined
}

export interface SseTransportOptions {
  /**
   * Where the stream is: an absolute URL, or a path on the page's own origin (`/realtime/events`). Tokens do not belong
   * here, since URLs are logged: use `token`.
   */
  readonly url: Provided<string>
  /** Sent with every request. A function is asked on every dial. */
  readonly headers?: Provided<HeadersInit | undefined> | undefined
  /** Asked on every dial; what it gives goes into `Authorization: Bearer …` of every request. */
  readonly token?: Transport['token']
  /**
   * Whether cookies go to another origin, too.
   * @default 'same-origin'
   */
  readonly credentials?: RequestCredentials | undefined
  /**
   * A `fetch` whose response bodies are streams.
   * @default globalThis.fetch
   */
  readonly fetch?: typeof globalThis.fetch | undefined
  /**
   * Present: the backend speaks its own messages, and this turns an event of the stream into events. Absent: it speaks
   * `rqb.v1` (`sseHandler` of the server kit).
   */
  readonly decode?:
    ((message: SseMessage) => RealtimeEvent | readonly RealtimeEvent[] | null | undefined) | undefined
  /**
   * With `decode`, nothing is ever sent, and a stream is given up when not even a comment has come for `intervalMs` and
   * `timeoutMs` together. There it is off unless it is given, since not every backend sends comments.
   * @default { intervalMs: 25_000, timeoutMs: 5_000 }
   */
  readonly heartbeat?: Omit<HeartbeatOptions, 'ping'> | false | undefined
}

/** An event that has no end is given up at this many characters. */
const MAX_EVENT_LENGTH = 8 * 1024 * 1024

/** What waits to be sent, in characters. Beyond it the connection is good for nothing. */
const MAX_QUEUED_LENGTH = 1024 * 1024

/** Messages that share a POST, in characters: below the 64 KiB that servers take, whatever the characters. */
const MAX_POST_LENGTH = 16 * 1024

/**
 * Connects over Server-Sent Events, to a server that speaks `rqb.v1` or, with `decode`, to any backend. Making it
 * touches nothing, so it may stand in a module that is also loaded on a server. Without HTTP/2, browsers open six
 * connections to a host, and each stream takes one.
 *
 * @example
 * sseTransport({ url: '/realtime/events', token: () => auth.accessToken() })
 * @example
 * sseTransport({ url: '/feed', decode: ({ event, data }) => ({ type: event ?? 'message', data: JSON.parse(data) }) })
 */
export function sseTransport(options: SseTransportOptions): Transport {
  const { decode, heartbeat, token } = options
  const memory: Memory = { ...NOTHING }
  return {
    name: 'sse',
    mode: 'dialled',
    decode: decode && ((raw) => decode(raw as SseMessage)),
    // The session asks once for the hello, which the dial has answered already; later for another one.
    token:
      token && !decode
        ? () => {
            const { freshToken } = memory
            memory.freshToken = undefined
            return freshToken ?? token()
          }
        : undefined,
    // A plain backend is sent nothing: the connection itself looks for silence.
    heartbeat: decode ? false : heartbeat,
    forget: () => {
      Object.assign(memory, NOTHING)
    },
    connect: (handlers) => new SseConnection(options, handlers, memory),
  }
}

/** What the connections of a session share, until it is stopped or has another user. */
interface Memory {
  /** The name of this client, over its connections. */
  clientId: string | undefined
  /** The last event of a plain backend, which tells it where to go on. */
  lastEventId: string | undefined
  /** The token that the last dial has sent, until the session asks for it. */
  freshToken: string | undefined
}

const NOTHING: Memory = { clientId: undefined, lastEventId: undefined, freshToken: undefined }

class SseConnection implements TransportConnection {
  readonly #options: SseTransportOptions
  readonly #handlers: TransportHandlers
  readonly #memory: Memory
  readonly #fetch: typeof globalThis.fetch
  readonly #abort = new AbortController()
  #isOver = false
  #isOpen = false
  /** What every request of this connection carries: the credential it was opened with. */
  #url = ''
  #headers = new Headers()
  /** Messages that wait for their POST. */
  #queue: string[] = []
  #queuedLength = 0
  #isPosting = false
  #silence: ReturnType<typeof setTimeout> | undefined

  constructor(options: SseTransportOptions, handlers: TransportHandlers, memory: Memory) {
    const { fetch = globalThis.fetch } = options
    if (typeof fetch !== 'function') {
      throw new RealtimeError('usage', 'There is no fetch here. Pass one to sseTransport: { fetch }.')
    }
    this.#options = options
    this.#handlers = handlers
    this.#memory = memory
    // A browser's fetch wants to be called on its window.
    this.#fetch = fetch.bind(globalThis)
    void this.#run()
  }

  send(data: string | Uint8Array): void {
    if (typeof data !== 'string') {
      throw new RealtimeError(
        'usage',
        'Server-Sent Events carry text. Use a codec that writes text, or webSocketTransport.',
      )
    }
    // The request that has opened the stream was the hello.
    if (this.#isOver || data.startsWith('{"t":"hello"')) return
    this.#queue.push(data)
    this.#queuedLength += data.length
    if (this.#queuedLength > MAX_QUEUED_LENGTH) {
      this.#fail(LOST, new RealtimeError('transport-failed', 'More is sent than the server takes.'))
    } else if (!this.#isPosting) void this.#post()
  }

  close(): void {
    this.#release()
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    try {
      // Not before `connect` has returned; and one that is closed at once asks for nothing.
      await Promise.resolve()
      if (this.#isOver) return
      const body = await this.#dial()
      if (body) await this.#read(body)
      this.#end({ code: LOST, reason: 'the stream has ended' })
    } catch (error) {
      this.#fail(LOST, error)
    }
  }

  async #dial(): Promise<ReadableStream<Uint8Array> | undefined> {
    const { url, headers, token, decode } = this.#options
    this.#url = absolute(await provide(url))
    this.#headers = new Headers(await provide(headers))
    if (this.#isOver) return undefined // It took too long. The next dial asks for itself.
    const bearer = token && (await (this.#handlers.askToken?.() ?? token()))
    if (this.#isOver) return undefined
    if (bearer) this.#headers.set('Authorization', `Bearer ${bearer}`)
    const memory = this.#memory
    if (!decode) {
      memory.freshToken = bearer ?? undefined
      memory.clientId ??= newClientId()
      this.#headers.set('Realtime-Client', memory.clientId)
    }
    const asked = new Headers(this.#headers)
    asked.set('Accept', 'text/event-stream')
    if (decode && memory.lastEventId) asked.set('Last-Event-ID', memory.lastEventId)
    const response = await this.#request({ headers: asked, cache: 'no-store' })
    const type = response.headers.get('content-type') ?? ''
    if (response.status === 200 && /^text\/event-stream\b/i.test(type)) {
      if (!response.body) {
        throw new RealtimeError(
          'usage',
          'This fetch gives no body to read as it comes. Pass one that does to sseTransport: { fetch }.',
        )
      }
      if (decode) this.#opened()
      return response.body
    }
    const { code, reason } = await refusalOf(response)
    this.#fail(
      code,
      new Error(`The server answered ${response.status} ${type} and no event stream. ${reason}`),
    )
    return undefined
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader()
    const decoder = new TextDecoder()
    const parser = createParser({
      maxBufferSize: MAX_EVENT_LENGTH,
      onEvent: (message) => {
        if (!this.#isOver) this.#received(message)
      },
      onError: (error) => {
        if (error.type === 'max-buffer-size-exceeded') this.#fail(LOST, error)
      },
    })
    this.#heard()
    while (!this.#isOver) {
      const { done, value } = await reader.read()
      if (done || this.#isOver) break
      this.#heard()
      parser.feed(decoder.decode(value, { stream: true }))
    }
  }

  #received(message: EventSourceMessage): void {
    const { event, data, id } = message
    if (this.#options.decode) {
      // An id that is there and empty clears; one with NUL in it does not count.
      if (id !== undefined && !id.includes('\0')) this.#memory.lastEventId = id
      this.#handlers.onMessage({ event, data, id } satisfies SseMessage)
    } else if (event === undefined || event === 'message') {
      if (this.#isOpen) this.#handlers.onMessage(data)
      else this.#fail(LOST, notOurs())
    } else if (event === 'connection') {
      const { protocol, id: connectionId } = fieldsOf(data)
      if (protocol !== PROTOCOL || typeof connectionId !== 'string') {
        this.#fail(LOST, notOurs())
        return
      }
      this.#headers.set('Realtime-Connection', connectionId)
      this.#headers.set('Content-Type', 'application/x-ndjson')
      this.#opened()
    } else if (event === 'close') {
      this.#end(closeInfoOf(fieldsOf(data)) ?? { code: LOST, reason: '' })
    }
  }

  #opened(): void {
    if (this.#isOpen || this.#isOver) return
    this.#isOpen = true
    this.#handlers.onOpen()
  }

  /** Sends what waits, one request after the other: two at a time could overtake each other. Never rejects. */
  async #post(): Promise<void> {
    this.#isPosting = true
    try {
      while (this.#queue.length > 0 && !this.#isOver) {
        const lines = this.#take()
        const response = await this.#request({ method: 'POST', headers: this.#headers, body: lines })
        if (response.ok) {
          await response.body?.cancel()
          continue
        }
        const { code, reason } = await refusalOf(response)
        // Whoever is refused dials again: it is the stream that decides who is let in.
        this.#fail(
          code === 4401 || code === 4403 ? LOST : code,
          new Error(`The server answered ${response.status} to a message. ${reason}`),
        )
      }
    } catch (error) {
      this.#fail(LOST, error)
    } finally {
      this.#isPosting = false
    }
  }

  #take(): string {
    let body = ''
    for (let next; (next = this.#queue[0]) !== undefined; this.#queue.shift()) {
      if (body !== '' && body.length + next.length > MAX_POST_LENGTH) break
      body += `${next}\n`
      this.#queuedLength -= next.length
    }
    return body
  }

  #request(init: RequestInit): Promise<Response> {
    const { credentials = 'same-origin' } = this.#options
    return this.#fetch(this.#url, { credentials, signal: this.#abort.signal, ...init })
  }

  /** Something has come: the wait for the next begins anew. */
  #heard(): void {
    const { decode, heartbeat } = this.#options
    if (!decode || !heartbeat || this.#isOver) return
    clearTimeout(this.#silence)
    this.#silence = setTimeout(
      () => {
        this.#end({ code: 4900, reason: 'nothing came in time' })
      },
      (heartbeat.intervalMs ?? 25_000) + (heartbeat.timeoutMs ?? 5_000),
    )
  }

  #fail(code: number, error: unknown): void {
    if (this.#isOver) return
    this.#handlers.onError(error)
    this.#end({ code, reason: error instanceof Error ? error.message : String(error) })
  }

  #end(info: CloseInfo): void {
    if (this.#isOver) return
    this.#release()
    this.#handlers.onClose(info)
  }

  #release(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#memory.freshToken = undefined
    clearTimeout(this.#silence)
    this.#queue = []
    this.#abort.abort()
  }
}

const provide = <T>(value: Provided<T>): T | Promise<T> =>
  typeof value === 'function' ? (value as () => T | Promise<T>)() : value

/** A browser's fetch knows the page; elsewhere only whole URLs mean something. */
function absolute(url: string): string {
  try {
    return new URL(url, globalThis.location?.href).href
  } catch (cause) {
    throw new RealtimeError(
      'usage',
      `"${url}" is no URL, or needs the origin of a page: https://host/path.`,
      {
        cause,
      },
    )
  }
}

/** Pages that do not come over TLS have no `randomUUID`. The name is no secret: it counts together with its user. */
const newClientId = (): string =>
  (globalThis.crypto as Partial<Crypto> | undefined)?.randomUUID?.() ?? Math.random().toString(36).slice(2)

const notOurs = () =>
  new RealtimeError(
    'transport-failed',
    `What came is no stream of ${PROTOCOL}. Check the URL, or pass \`decode\` for messages of your own.`,
  )
