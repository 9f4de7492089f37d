import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import type { ContractPeer } from '../../src/testing/transport-contract.ts'

/** One socket of the server: frames wait until somebody asks for them. */
export class Peer implements ContractPeer {
  readonly socket: WebSocket
  readonly closed: Promise<{ code: number; reason: string }>
  readonly #frames: (string | Uint8Array)[] = []
  #wake = () => {}

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data: Buffer, isBinary) => {
      this.#frames.push(isBinary ? new Uint8Array(data) : data.toString())
      this.#wake()
    })
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    })
  }

  send(data: string | Uint8Array): void {
    this.socket.send(data)
  }

  /** As JSON. */
  tell(message: unknown): void {
    this.socket.send(JSON.stringify(message))
  }

  async next(): Promise<string | Uint8Array> {
    for (;;) {
      const frame = this.#frames.shift()
      if (frame !== undefined) return frame
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** The next frame, which is JSON. */
  async hear(): Promise<unknown> {
    return JSON.parse((await this.next()) as string)
  }

  end(code: number, reason: string): void {
    this.socket.close(code, reason)
  }

  cut(): void {
    this.socket.terminate()
  }
}

/** A bare `ws` server. With `protocol` it takes only clients that offer that subprotocol. */
export class SocketServer {
  readonly port: number
  readonly #server: WebSocketServer
  readonly #waiting: Peer[] = []
  acceptedCount = 0
  #wake = () => {}

  private constructor(server: WebSocketServer) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (socket) => {
      this.acceptedCount++
      this.#waiting.push(new Peer(socket))
      this.#wake()
    })
  }

  static async start({
    protocol,
    port = 0,
  }: { protocol?: string; port?: number } = {}): Promise<SocketServer> {
    const server = new WebSocketServer({
      port,
      host: '127.0.0.1',
      ...(protocol && { handleProtocols: (offered: Set<string>) => offered.has(protocol) && protocol }),
    })
    await once(server, 'listening')
    return new SocketServer(server)
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`
  }

  async accept(): Promise<Peer> {
    for (;;) {
      const peer = this.#waiting.shift()
      if (peer) return peer
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async stop(): Promise<void> {
    for (const client of this.#server.clients) client.terminate()
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }
}
