import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { onTestFinished } from 'vitest'
import type { RealtimeError } from '../../src/core/errors.ts'
import type { Position } from '../../src/core/event.ts'
import { decodeServerMessage } from '../../src/core/protocol/codec.ts'
import type { ServerMessage, WireEvent } from '../../src/core/protocol/messages.ts'
import {
  createRealtimeServer,
  nodeListener,
  sseHandler,
  type RealtimeServerOptions,
  type SseHandler,
  type SseHandlerOptions,
} from '../../src/server/index.ts'

type MessageOf<T extends ServerMessage['t']> = Extract<ServerMessage, { t: T }>

/** What turns the handler into a listener of Node's HTTP server. */
export const LISTENERS = {
  nodeListener: (handler: SseHandler) => nodeListener(handler),
  'the Node adapter of Hono': (handler: SseHandler) => getRequestListener(handler),
}

/** A server of event streams on a free port, and what it reported. Gone when the test is. */
export async function startSseServer(
  options: Partial<RealtimeServerOptions<{ user: string }>> & {
    handle?: SseHandlerOptions
    listen?: (handler: SseHandler) => Parameters<typeof createServer>[1]
  } = {},
) {
  const { handle, listen = LISTENERS.nodeListener, ...rest } = options
  const errors: RealtimeError[] = []
  /** Ids of connections that the server holds. */
  const open = new Set<unknown>()
  const server = createRealtimeServer<{ user: string }>({
    authenticate: ({ token }) => (token === undefined ? { user: 'guest' } : { user: token }),
    authorize: () => true,
    onError: (error) => errors.push(error),
    logger: {
      debug(message, { connectionId }) {
        if (message === 'connection opened') open.add(connectionId)
        if (message === 'connection closed') open.delete(connectionId)
      },
    },
    ...rest,
  })
  const http: Server = createServer(listen(sseHandler(server, handle)))
  await once(http.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    http.closeAllConnections()
    http.close()
  })
  const { port } = http.address() as AddressInfo
  return { server, http, port, url: `http://127.0.0.1:${port}/events`, errors, open }
}

/** A client that knows the stream and nothing else. */
export class SseClient {
  readonly response: Response
  readonly url: string
  readonly events: EventSourceMessage[] = []
  readonly comments: string[] = []
  readonly retries: number[] = []
  /** Resolves with whether the stream has ended in good order. */
  readonly ended: Promise<boolean>
  readonly #abort: AbortController
  readonly #headers: Record<string, string>
  #read = 0
  #isOver = false
  readonly #waiting = new Set<() => void>()

  private constructor(
    url: string,
    {
      response,
      abort,
      headers,
    }: { response: Response; abort: AbortController; headers: Record<string, string> },
  ) {
    this.url = url
    this.response = response
    this.#abort = abort
    this.#headers = headers
    this.ended = this.#listen()
  }

  /** The answer to the request, whatever it is; the stream is read from now on. */
  static async get(url: string, headers: Record<string, string> = {}): Promise<SseClient> {
    const abort = new AbortController()
    onTestFinished(() => abort.abort())
    const response = await fetch(url, { headers, signal: abort.signal })
    return new SseClient(url, { response, abort, headers })
  }

  static async ready(url: string, headers?: Record<string, string>): Promise<SseClient> {
    const client = await SseClient.get(url, headers)
    await client.next('welcome')
    return client
  }

  /** What the stream says of itself. */
  get connection(): { protocol: string; id: string } {
    return JSON.parse(this.events.find(({ event }) => event === 'connection')!.data) as {
      protocol: string
      id: string
    }
  }

  get messages(): ServerMessage[] {
    return this.events.flatMap(({ event, data }) => {
      if (event !== undefined) return []
      const decoded = decodeServerMessage(data)
      if (!decoded.ok) throw decoded.error
      return decoded.message
    })
  }

  get lastId(): string | undefined {
    return this.events.findLast(({ id }) => id !== undefined)?.id
  }

  async until<T>(get: () => T | undefined): Promise<T> {
    for (;;) {
      const value = get()
      if (value !== undefined && value !== false) return value
      if (this.#isOver) throw new Error(`The stream has ended after ${JSON.stringify(this.events)}.`)
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  /** The next message, which must be of this kind. */
  async next<T extends ServerMessage['t']>(t: T): Promise<MessageOf<T>> {
    const message = await this.until(() => this.messages[this.#read])
    this.#read++
    if (message.t !== t) throw new Error(`Expected ${t}, got ${JSON.stringify(message)}`)
    return message as MessageOf<T>
  }

  /** Events of a topic, in however many frames, until there are `count`. */
  async wireEvents(count: number): Promise<WireEvent[]> {
    const events: WireEvent[] = []
    while (events.length < count) events.push(...(await this.next('events')).events)
    return events
  }

  /** The named event of the stream, once it has come. */
  async named(name: string): Promise<unknown> {
    return JSON.parse((await this.until(() => this.events.find(({ event }) => event === name))).data)
  }

  async post(body: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
    const response = await fetch(this.url, {
      method: 'POST',
      body,
      headers: { ...this.#headers, 'Realtime-Connection': this.connection.id, ...headers },
    })
    await response.clone().arrayBuffer()
    return response
  }

  async send(...messages: unknown[]): Promise<void> {
    const { status } = await this.post(messages.map((message) => `${JSON.stringify(message)}\n`).join(''))
    if (status !== 204) throw new Error(`The server answered ${status}.`)
  }

  async subscribe(topic: string, position?: Position): Promise<void> {
    await this.send({ t: 'subscribe', topics: [{ topic, position }] })
  }

  /** The barrier: whatever the server had to say before it has come. Gives the heads. */
  async settled(): Promise<Record<string, Position>> {
    await this.send({ t: 'ping' })
    return { ...(await this.next('pong')).heads }
  }

  close(): void {
    this.#abort.abort()
  }

  async #listen(): Promise<boolean> {
    const changed = () => {
      for (const wake of this.#waiting) wake()
      this.#waiting.clear()
    }
    const parser = createParser({
      onEvent: (event) => {
        this.events.push(event)
      },
      onComment: (comment) => {
        this.comments.push(comment)
      },
      onRetry: (retryMs) => {
        this.retries.push(retryMs)
      },
    })
    const decoder = new TextDecoder()
    try {
      if (this.response.status === 200 && this.response.body) {
        const reader = this.response.body.getReader()
        for (let read; !(read = await reader.read()).done;) {
          parser.feed(decoder.decode(read.value, { stream: true }))
          changed()
        }
      }
      return true
    } catch {
      return false
    } finally {
      this.#isOver = true
      changed()
    }
  }
}
