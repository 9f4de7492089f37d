import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { ServerSocket } from './connection.ts'
import type { ServerConnection } from './realtime-server.ts'
import type { SharedFrame } from './shared-frame.ts'
import type { WireFormat } from './wire-format.ts'

/** How long a client may take to answer a close before its socket is destroyed. */
const CLOSE_TIMEOUT_MS = 5_000

/** `WebSocket.OPEN`, without importing `ws`. */
const OPEN = 1

const DEFLATE = 'permessage-deflate'

/**
 * What is private in `ws` and used here: a frame that was made once is written past its sender, which would frame it
 * again for every socket. Everything is checked before; where something is not as expected, `ws` sends.
 */
interface Internals {
  readonly _socket?: Socket | null
  readonly _sender?: {
    /** `ws` from 8.18: 0 when no message is being compressed, and so none waits behind it. */
    readonly _state?: number
    /** `ws` before 8.18: the same. */
    readonly _deflating?: boolean
  } | null
  readonly _extensions?: Readonly<
    Record<string, { readonly params?: { readonly server_max_window_bits?: number } } | undefined>
  >
}

/** A socket of `ws` as the server core takes it. */
export class WsSocket implements ServerSocket {
  /** Set when the core has taken the socket. */
  connection: ServerConnection | undefined
  /** Something came since the last ping. */
  isAlive = true
  readonly #webSocket: WebSocket
  readonly #format: WireFormat
  /** How a frame for many is made; `undefined`: `ws` makes it. */
  readonly #makeFrame: ((text: string) => Buffer) | undefined
  readonly #socket: Socket | undefined
  /** What waited after the last write: 0 stays 0 until the next one, and a fan-out asks thousands of sockets. */
  #buffered = 0

  constructor(webSocket: WebSocket, format: WireFormat) {
    this.#webSocket = webSocket
    this.#format = format
    this.#makeFrame = frameMaker(webSocket, format)
    this.#socket = (webSocket as unknown as Internals)._socket ?? undefined
  }

  get bufferedAmount(): number {
    if (this.#buffered > 0) this.#buffered = this.#webSocket.bufferedAmount
    return this.#buffered
  }

  send(text: string): void {
    this.#webSocket.send(this.#format.payload(text))
    this.#buffered = this.#webSocket.bufferedAmount
  }

  sendShared(frames: readonly SharedFrame[]): void {
    const makeFrame = this.#makeFrame
    const socket = this.#socket
    if (!socket || !makeFrame || !isIdle(this.#webSocket, makeFrame === this.#format.compressedFrame)) {
      for (const frame of frames) this.#webSocket.send(frame.as(this.#format.payload))
      this.#buffered = this.#webSocket.bufferedAmount
      return
    }
    if (frames.length === 1) {
      socket.write(frames[0]!.as(makeFrame))
    } else {
      // One system call for all of them.
      socket.cork()
      for (const frame of frames) socket.write(frame.as(makeFrame))
      socket.uncork()
    }
    this.#buffered = socket.writableLength
  }

  /** A frame from the client. */
  received(bytes: Buffer, isBinary: boolean): void {
    this.isAlive = true
    this.connection?.message(this.#format.read(bytes, isBinary))
  }

  /** Closes, and does not wait long for a client that does not answer. */
  close(code: number, reason: string): void {
    const webSocket = this.#webSocket
    webSocket.close(code, reason)
    const timer = setTimeout(() => {
      webSocket.terminate()
    }, CLOSE_TIMEOUT_MS)
    timer.unref()
    webSocket.once('close', () => {
      clearTimeout(timer)
    })
  }

  /** Cuts the connection when nothing came since the last call, and asks for a sign of life otherwise. */
  probe(): void {
    if (this.isAlive) {
      this.isAlive = false
      this.#webSocket.ping()
    } else {
      this.#webSocket.terminate()
    }
  }
}

function frameMaker(webSocket: WebSocket, format: WireFormat): ((text: string) => Buffer) | undefined {
  if (webSocket.extensions === '') return format.frame
  // Whatever else may stand there, frames are not ours to make.
  const extension = (webSocket as unknown as Internals)._extensions?.[DEFLATE]
  if (webSocket.extensions !== DEFLATE || !extension?.params) return undefined
  const windowBits = extension.params.server_max_window_bits
  return windowBits === undefined || windowBits === 15 ? format.compressedFrame : undefined
}

/** Whether nothing that was given to `ws` can be overtaken: without compression, it writes everything at once. */
function isIdle(webSocket: WebSocket, compresses: boolean): boolean {
  if (webSocket.readyState !== OPEN) return false
  if (!compresses) return true
  const { _sender: sender } = webSocket as unknown as Internals
  return sender?._state === 0 || sender?._deflating === false
}
