import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { WebSocket, type ClientOptions } from 'ws'
import { decodeServerMessage, encodeMessage } from '../../src/core/protocol/codec.ts'
import type { ClientMessage, ServerMessage, WireEvent } from '../../src/core/protocol/messages.ts'
import type { RealtimeError } from '../../src/core/errors.ts'
import type { Position } from '../../src/core/event.ts'
import {
  attachWebSocket,
  createRealtimeServer,
  type AttachWebSocketOptions,
  type RealtimeServerOptions,
} from '../../src/server/index.ts'

type MessageOf<T extends ServerMessage['t']> = Extract<ServerMessage, { t: T }>

/** A server on a free port, and what it reported. Gone when the test is. */
export async function startServer(
  options: Partial<RealtimeServerOptions<{ user: string }>> & {
    attach?: AttachWebSocketOptions
    http?: Server
  } = {},
) {
  const { attach, http = createServer(), ...rest } = options
  const errors: RealtimeError[] = []
  const server = createRealtimeServer<{ user: string }>({
    authenticate: ({ token }) => (token === undefined ? { user: 'guest' } : { user: token }),
    authorize: () => true,
    onError: (error) => errors.push(error),
    ...rest,
  })
  const attachment = attachWebSocket(server, http, attach)
  await once(http.listen(0, '127.0.0.1'), 'listening')
  const host = `127.0.0.1:${(http.address() as AddressInfo).port}`
  onTestFinished(async () => {
    await attachment.close()
    http.closeAllConnections()
    http.close()
  })
  return { server, attachment, http, host, url: `ws://${host}/realtime`, errors }
}

/** A client that knows the frames and nothing else: it keeps what came, and waits for what must come. */
export class TestClient {
  readonly socket: WebSocket
  readonly messages: ServerMessage[] = []
  readonly closed: Promise<{ code: number; reason: string }>
  #read = 0
  #wake = () => {}

  constructor(url: string, options: ClientOptions = {}, protocols: string | string[] = 'rqb.v1') {
    this.socket = new WebSocket(url, protocols, options)
    this.socket.on('message', (data) => {
      const decoded = decodeServerMessage((data as Buffer).toString())
      if (!decoded.ok) throw decoded.error
      this.messages.push(decoded.message)
      this.#wake()
    })
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    })
    // A refused upgrade: `closed` tells.
    this.socket.on('error', () => {})
    onTestFinished(() => this.socket.terminate())
  }

  static async open(url: string, options?: ClientOptions): Promise<TestClient> {
    const client = new TestClient(url, options)
    await once(client.socket, 'open')
    return client
  }

  /** Opened, and welcome. */
  static async ready(url: string, token?: string): Promise<TestClient> {
    const client = await TestClient.open(url)
    client.send({ t: 'hello', token })
    await client.next('welcome')
    return client
  }

  send(message: ClientMessage): void {
    this.socket.send(encodeMessage(message))
  }

  subscribe(topic: string, position?: Position): void {
    this.send({ t: 'subscribe', topics: [{ topic, position }] })
  }

  async nextOfAny(): Promise<ServerMessage> {
    while (this.messages.length <= this.#read) await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.messages[this.#read++]!
  }

  /** The next message, which must be of this kind. */
  async next<T extends ServerMessage['t']>(t: T): Promise<MessageOf<T>> {
    const message = await this.nextOfAny()
    if (message.t !== t) throw new Error(`Expected ${t}, got ${JSON.stringify(message)}`)
    return message as MessageOf<T>
  }

  /** Events of a topic, in however many frames, until there are `count`. */
  async events(count: number): Promise<WireEvent[]> {
    const events: WireEvent[] = []
    while (events.length < count) events.push(...(await this.next('events')).events)
    return events
  }

  /** The barrier: whatever the server had to say before it has come. Gives the heads. */
  async settled(): Promise<Record<string, Position>> {
    this.send({ t: 'ping' })
    return { ...(await this.next('pong')).heads }
  }
}
