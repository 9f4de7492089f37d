import type { SharedFrame } from './shared-frame.ts'
import type { ServerContext } from './server-context.ts'
import type { ServerSocket } from './server-socket.ts'
import type { Writer } from './write-queue.ts'

/** Who is told how the writing goes. */
export interface OutgoingOwner {
  /** Events may be sent again. */
  resumed(): void
  /** The client has not read for too long. */
  tooSlow(): void
  sendFailed(cause: unknown): void
}

/** How often a connection that is held back is looked at. */
const LAG_CHECK_MS = 100

/** Volatile frames are dropped when this part of the buffer is full: a client that is behind needs no cursor's place. */
const VOLATILE_PART = 1 / 16

/** The way out of one connection: what waits for its turn, and how far the client is behind. */
export class Outgoing implements Writer {
  readonly #context: Pick<ServerContext, 'clock' | 'limits' | 'writes'>
  readonly #socket: ServerSocket
  readonly #owner: OutgoingOwner
  #isOpen = true
  /** Shared frames that wait for this socket's turn, and their size. */
  #waiting: readonly SharedFrame[] | undefined
  #waitingBytes = 0
  /** Since when events are held back. `undefined`: they are not. */
  #heldBackSince: number | undefined
  #cancelLagCheck: (() => void) | undefined

  constructor(
    context: Pick<ServerContext, 'clock' | 'limits' | 'writes'>,
    socket: ServerSocket,
    owner: OutgoingOwner,
  ) {
    this.#context = context
    this.#socket = socket
    this.#owner = owner
  }

  get unsentBytes(): number {
    return this.#waitingBytes + (this.#socket.bufferedAmount ?? 0)
  }

  get heldBackSince(): number | undefined {
    return this.#heldBackSince
  }

  send(frame: string): void {
    if (!this.#isOpen) return
    // Answers are not held back, but a client that reads none of them is noticed.
    this.room()
    this.write()
    // Writing may have ended the connection.
    if (!this.#isOpen) return
    try {
      this.#socket.send(frame)
    } catch (cause) {
      this.#owner.sendFailed(cause)
    }
  }

  sendShared(frame: SharedFrame): void {
    if (!this.#isOpen) return
    const { writes } = this.#context
    if (!this.#waiting && writes.isDirect()) {
      this.#write(frame.alone)
      return
    }
    this.#waitingBytes += frame.text.length
    if (this.#waiting) {
      this.#waiting = [...this.#waiting, frame]
    } else {
      this.#waiting = frame.alone
      writes.add(this)
    }
  }

  /** `false`: the client is behind, and the frame is lost. */
  sendVolatile(frame: SharedFrame): boolean {
    const isBehind = this.unsentBytes > this.#context.limits.maxBufferedBytes * VOLATILE_PART
    if (isBehind || this.#heldBackSince !== undefined) return false
    this.sendShared(frame)
    return true
  }

  /** Writes what waits, when its turn has come or something else is to follow. */
  write(): void {
    const frames = this.#waiting
    if (!frames) return
    this.#waiting = undefined
    this.#waitingBytes = 0
    this.#write(frames)
  }

  /** Bytes that may be sent before events are held back. 0 while they are held back. */
  room(): number {
    if (this.#heldBackSince !== undefined) return 0
    const room = this.#context.limits.maxBufferedBytes - this.unsentBytes
    if (room > 0) return room
    this.#heldBackSince = this.#context.clock.now()
    this.#checkLagLater()
    return 0
  }

  /** Nothing is sent any more. */
  stop(): void {
    this.#isOpen = false
    this.#cancelLagCheck?.()
    this.#waiting = undefined
    this.#heldBackSince = undefined
  }

  #write(frames: readonly SharedFrame[]): void {
    try {
      if (this.#socket.sendShared) this.#socket.sendShared(frames)
      else for (const { text } of frames) this.#socket.send(text)
    } catch (cause) {
      this.#owner.sendFailed(cause)
    }
  }

  #checkLagLater(): void {
    this.#cancelLagCheck = this.#context.clock.after(LAG_CHECK_MS, () => {
      const waitedMs = this.#context.clock.now() - (this.#heldBackSince ?? 0)
      if (this.unsentBytes <= this.#context.limits.maxBufferedBytes / 2) {
        this.#heldBackSince = undefined
        this.#owner.resumed()
      } else if (waitedMs >= this.#context.limits.slowConsumerMs) {
        this.#owner.tooSlow()
      } else {
        this.#checkLagLater()
      }
    })
  }
}
