import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { RealtimeError } from '../../core/errors.ts'

export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** An `http.Server`, `https.Server`, Fastify's `server`, what Hono's `serve` returns. */
export interface UpgradingServer {
  on(event: 'upgrade', listener: UpgradeListener): unknown
  off(event: 'upgrade', listener: UpgradeListener): unknown
  listenerCount(event: 'upgrade'): number
}

/** The paths that realtime servers have, of each HTTP server. */
const taken = new WeakMap<UpgradingServer, Set<string>>()

/** A timer that is given more goes off at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

export const pathOf = (request: IncomingMessage): string | undefined => request.url?.split('?', 1)[0]

/** One path of an HTTP server, for as long as upgrades of it are ours. */
export class UpgradePath {
  readonly #httpServer: UpgradingServer
  readonly #path: string
  readonly #all: Set<string>

  /** Throws `usage` when the path is taken: two would answer each upgrade, and Node does not survive that. */
  constructor(httpServer: UpgradingServer, path: string) {
    this.#httpServer = httpServer
    this.#path = path
    this.#all = taken.get(httpServer) ?? new Set()
    taken.set(httpServer, this.#all)
    if (this.#all.has(path)) {
      throw new RealtimeError(
        'usage',
        `Another attachWebSocket has '${path}' of this HTTP server: close() that one first, or give this one a path of its own.`,
      )
    }
    this.#all.add(path)
  }

  release(): void {
    this.#all.delete(this.#path)
  }

  /**
   * Looks after an upgrade of a path that is not ours. Every listener hears of every upgrade, and Node leaves the socket
   * of one that nobody takes open for good. With no listeners but ours it is refused at once; otherwise when nobody has
   * touched it in time. Of several realtime servers, one does.
   */
  stray(request: IncomingMessage, socket: Duplex, timeoutMs: number): void {
    const [first] = this.#all
    if (first !== this.#path || this.#all.has(pathOf(request) ?? '')) return
    const paths = [...this.#all].join(' and ')
    const refuseIt = () => {
      refuse(socket, '404 Not Found', `WebSockets are at ${paths}.`)
    }
    if (this.#httpServer.listenerCount('upgrade') === this.#all.size) {
      refuseIt()
      return
    }
    const timer = setTimeout(
      () => {
        if (!isTouched(socket)) refuseIt()
      },
      Math.min(timeoutMs, MAX_DELAY_MS),
    )
    timer.unref()
    socket.once('close', () => {
      clearTimeout(timer)
    })
  }
}

/** Whether somebody reads it, or has written to it. */
const isTouched = (socket: Duplex & { readonly bytesWritten?: number }): boolean =>
  socket.destroyed || socket.readableFlowing !== null || (socket.bytesWritten ?? 0) > 0

/** Answers instead of an upgrade. */
export function refuse(socket: Duplex, status: string, text: string): void {
  // The other side may be gone already; there is nobody left to tell.
  socket.on('error', () => {})
  socket.once('finish', () => socket.destroy())
  const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}`
  socket.end(`${head}\r\n\r\n${text}`)
}
