import type { Socket } from 'node:net'
import type { RawData, WebSocket } from 'ws'
import { CloseCode } from '../../core/protocol/close-codes.ts'
import type { ServerSocket } from '../connection.ts'
import type { ServerConnection } from '../realtime-server.ts'
import type { SharedFrames } from './shared-frame.ts'
import type { WireFormat } from './wire-format.ts'

/** How long a client may take to answer a close before its socket is destroyed. */
const CLOSE_TIMEOUT_MS = 5_000

/** How long the reason may take to reach a client that is cut for sending too much. */
const FLOOD_CLOSE_MS = 1_000

/** `WebSocket.OPEN`, without importing `ws`. */
const OPEN = 1

/** More is not copied into one buffer: sockets with different lists would each keep a copy until it has left. */
const MAX_JOINED_CHARACTERS = 65_536

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

/** What becomes of a socket, as far as the attachment wants it. */
export interface WsSocketOwner {
  closed(socket: WsSocket): void
}

/**
 * `ws` with sockets that tell their `WsSocket` what happens without listeners: their table is larger than anything
 * else that is kept for an idle connection.
 */
export function withoutListeners(Base: typeof WebSocket): typeof WebSocket {
  return class extends Base implements Telling {
    toldSocket: WsSocket | undefined = undefined

    /** Also called by `ws` itself, when the other side has closed. */
    override close(code?: number, reason?: string | Buffer): void {
      this.toldSocket?.closing()
      super.close(code, reason)
    }

    override emit(event: string | symbol, ...args: unknown[]): boolean {
      const { toldSocket } = this
      if (!toldSocket) return super.emit(event, ...args)
      switch (event) {
        case 'message':
          toldSocket.received(args[0] as RawData, args[1] as boolean)
          return true
        case 'pong':
          toldSocket.isAlive = true
          return true
        // What breaks a socket (too large a message, bad UTF-8, a reset) is told by the close code that follows.
        case 'error':
          return true
        case 'close':
          toldSocket.closed(args[0] as number, args[1] as Buffer)
      }
      return super.emit(event, ...args)
    }
  }
}

interface Telling {
  toldSocket: WsSocket | undefined
}

/** A socket of `ws` as the server core takes it. */
export class WsSocket implements ServerSocket {
  /** Set when the core has taken the socket. */
  connection: ServerConnection | undefined
  /** Something came since the last ping. */
  isAlive = true
  readonly #webSocket: WebSocket
  readonly #format: WireFormat
  readonly #owner: WsSocketOwner
  /**
   * Where frames are written past `ws`, for as long as it would write them at once itself: most of the cost of one more
   * socket is to fetch what belongs to it from memory, so nothing else is looked at.
   */
  #direct: Socket | undefined
  /** What waited after the last write by `ws`: 0 stays 0 until the next one, and a fan-out asks thousands of sockets. */
  #buffered = 0

  constructor(webSocket: WebSocket, format: WireFormat, owner: WsSocketOwner) {
    this.#webSocket = webSocket
    this.#format = format
    this.#owner = owner
    this.#listen()
  }

  get bufferedAmount(): number {
    // Asked of a few sockets before they are written to, which fetches them from memory side by side.
    if (this.#direct) return this.#direct.writableLength
    if (this.#buffered > 0) this.#buffered = this.#webSocket.bufferedAmount
    return this.#buffered
  }

  send(text: string): void {
    if (this.#direct) gather(this.#direct)
    this.#webSocket.send(this.#format.payload(text))
    this.#buffered = this.#webSocket.bufferedAmount
  }

  sendShared(frames: SharedFrames): void {
    const direct = this.#direct
    if (direct && frames.list.length === 1) {
      direct.write(frames.joined(this.#format.frame))
      return
    }
    const makeFrame = frameMaker(this.#webSocket, this.#format)
    const { _socket: socket } = this.#webSocket as unknown as Internals
    if (!socket || !makeFrame || !isIdle(this.#webSocket, makeFrame === this.#format.compressedFrame)) {
      for (const frame of frames.list) this.#webSocket.send(frame.as(this.#format.payload))
      this.#buffered = this.#webSocket.bufferedAmount
      return
    }
    if (frames.list.length === 1 || frames.characters <= MAX_JOINED_CHARACTERS) {
      socket.write(frames.joined(makeFrame))
    } else {
      socket.cork()
      for (const frame of frames.list) socket.write(frame.as(makeFrame))
      socket.uncork()
    }
    this.#buffered = socket.writableLength
  }

  /** A frame from the client. */
  received(data: RawData, isBinary: boolean): void {
    this.isAlive = true
    this.connection?.message(this.#format.read(data as Buffer, isBinary))
  }

  /** A closing frame is about to be sent: nothing may follow it. */
  closing(): void {
    this.#direct = undefined
    this.#buffered = this.#webSocket.bufferedAmount
  }

  closed(code: number, reason: Buffer): void {
    this.#direct = undefined
    this.connection?.closed(code, reason.toString())
    this.#owner.closed(this)
  }

  /** Closes, and does not wait long for a client that does not answer. */
  close(code: number, reason: string): void {
    const webSocket = this.#webSocket
    webSocket.close(code, reason)
    // What a flood goes on to bring is not read, and so its answer is not awaited either.
    const isFlood = code === CloseCode.LimitExceeded
    if (isFlood) webSocket.pause()
    const timer = setTimeout(
      () => {
        webSocket.terminate()
      },
      isFlood ? FLOOD_CLOSE_MS : CLOSE_TIMEOUT_MS,
    )
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

  #listen(): void {
    const webSocket: WebSocket & Partial<Telling> = this.#webSocket
    if ('toldSocket' in webSocket) {
      webSocket.toldSocket = this
      if (frameMaker(webSocket, this.#format) === this.#format.frame) {
        this.#direct = (webSocket as unknown as Internals)._socket ?? undefined
      }
      return
    }
    // Another implementation in the place of `ws`, which makes its own sockets.
    webSocket
      .on('error', () => {})
      .on('message', (data, isBinary) => {
        this.received(data, isBinary)
      })
      .on('pong', () => {
        this.isAlive = true
      })
      .on('close', (code, reason) => {
        this.closed(code, reason)
      })
  }
}

/** What is written together goes out at once: the answers to a client that asks for much. */
function gather(socket: Socket): void {
  if (socket.writableCorked > 0) return
  socket.cork()
  queueMicrotask(() => {
    socket.uncork()
  })
}

/** How a frame for many is made; `undefined`: `ws` makes it. */
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
