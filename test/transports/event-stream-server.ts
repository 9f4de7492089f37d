import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ContractPeer } from '../../src/testing/transport-contract.ts'

/** One stream of the server, and what its client has posted. */
export class StreamPeer implements ContractPeer {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly closed: Promise<{ code: number; reason: string }>
  /** The requests that carried its client's messages. */
  readonly posts: IncomingMessage[] = []
  readonly #frames: string[] = []
  #wake = () => {}

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request
    this.response = response
    this.closed = new Promise((resolve) => {
      response.on('close', () => resolve({ code: 1006, reason: '' }))
    })
  }

  send(data: string | Uint8Array): void {
    this.event({ data: String(data) })
  }

  /** A message of `rqb.v1`. */
  tell(message: unknown): void {
    this.send(JSON.stringify(message))
  }

  event(fields: { event?: string; id?: string; data: string }): void {
    const { event, id, data } = fields
    this.response.write(
      `${event === undefined ? '' : `event: ${event}\n`}${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`,
    )
  }

  async next(): Promise<string> {
    for (;;) {
      const frame = this.#frames.shift()
      if (frame !== undefined) return frame
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** The next message, which is JSON. */
  async hear(): Promise<unknown> {
    return JSON.parse(await this.next())
  }

  posted(request: IncomingMessage, body: string): void {
    this.posts.push(request)
    this.#frames.push(...body.split('\n').filter((line) => line !== ''))
    this.#wake()
  }

  end(code: number, reason: string): void {
    this.event({ event: 'close', data: JSON.stringify({ code, reason }) })
    this.response.end()
  }

  cut(): void {
    this.response.destroy()
  }
}

/** A bare server of event streams. What it says first makes it one of `rqb.v1`, or a plain one. */
export class EventStreamServer {
  readonly port: number
  acceptedCount = 0
  /** Answers instead of the server, when it does. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean = () => false
  readonly #server: Server
  readonly #isPlain: boolean
  readonly #peers: StreamPeer[] = []
  readonly #waiting: StreamPeer[] = []
  #wake = () => {}

  private constructor(server: Server, isPlain: boolean) {
    this.#server = server
    this.#isPlain = isPlain
    this.port = (server.address() as AddressInfo).port
    server.on('request', (request, response) => {
      if (this.intercept(request, response)) return
      if (request.method === 'POST') void this.#receive(request, response)
      else this.#accept(request, response)
    })
  }

  static async start({
    isPlain = false,
    port = 0,
  }: { isPlain?: boolean; port?: number } = {}): Promise<EventStreamServer> {
    const server = createServer({ keepAlive: false })
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return new EventStreamServer(server, isPlain)
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/events`
  }

  async accept(): Promise<StreamPeer> {
    for (;;) {
      const peer = this.#waiting.shift()
      if (peer) return peer
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  #accept(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
    response.flushHeaders()
    const peer = new StreamPeer(request, response)
    const id = String(this.#peers.push(peer))
    if (!this.#isPlain) peer.event({ event: 'connection', data: JSON.stringify({ protocol: 'rqb.v1', id }) })
    this.acceptedCount++
    this.#waiting.push(peer)
    this.#wake()
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const peer = this.#peers[Number(request.headers['realtime-connection']) - 1]
    peer?.posted(request, body)
    response.writeHead(peer ? 204 : 410).end()
  }
}
