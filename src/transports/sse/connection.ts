import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { RealtimeError } from '../../core/errors.ts'
import { PROTOCOL } from '../../core/protocol/version.ts'
import type { CloseInfo, TransportConnection, TransportHandlers } from '../../core/transport.ts'
import { absoluteUrl, provide } from '../provided.ts'
import type { SseMessage, SseTransportOptions } from '../sse.ts'
import { Posts } from './posts.ts'
import { closeInfoOf, fieldsOf, LOST, refusalOf } from './refusal.ts'

/** An event that has no end is given up at this many characters. */
const MAX_EVENT_LENGTH = 8 * 1024 * 1024

/** What the connections of a session share, until it is stopped or has another user. */
export interface Memory {
  /** The name of this client, over its connections. */
  clientId: string | undefined
  /** The last event of a plain backend, which tells it where to go on. */
  lastEventId: string | undefined
  /** The token that the last dial has sent, until the session asks for it. */
  freshToken: string | undefined
}

export const NO_MEMORY: Memory = { clientId: undefined, lastEventId: undefined, freshToken: undefined }

/** One stream, with what is said to the server beside it. Dialled when it is made. */
export class SseConnection implements TransportConnection {
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
  readonly #posts = new Posts({
    post: (body) => this.#request({ method: 'POST', headers: this.#headers, body }),
    onFailed: (code, error) => {
      this.#fail(code, error)
    },
  })
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
    if (!this.#isOver && !data.startsWith('{"t":"hello"')) this.#posts.push(data)
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
    this.#url = absoluteUrl(await provide(url), 'https://host/path')
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
    this.#posts.stop()
    this.#abort.abort()
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
