import type { ServerContext } from '../server-context.ts'
import type { ServerSocket } from './server-socket.ts'
import type { SharedFrame, SharedFrames } from './shared-frame.ts'
import type { Work } from './write-queue.ts'

/** How often a connection that is held back is looked at. */
const LAG_CHECK_MS = 100

/** Volatile frames are dropped when this part of the buffer is full: a client that is behind needs no cursor's place. */
const VOLATILE_PART = 1 / 16

/** Events are held back. */
interface Lag {
  readonly since: number
  cancelCheck: () => void
}

/**
 * The way out of one connection: what waits for its turn, and how far the client is behind. The connection extends it
 * and is not a second object: a fan-out goes through thousands of them, and what it costs is to fetch each from memory.
 */
export abstract class Outgoing implements Work {
  readonly context: ServerContext
  protected readonly socket: ServerSocket
  /** Shared frames that wait for this socket's turn, and their size. */
  #waiting: SharedFrames | undefined
  #waitingBytes = 0
  /** What waits is `writes.direct`: a flag is cheaper for the garbage collector than one more way to the frame. */
  #isGathered = false
  /** Set while events are held back. */
  #lag: Lag | undefined
  #isStopped = false

  constructor(context: ServerContext, socket: ServerSocket) {
    this.context = context
    this.socket = socket
  }

  /** Events may be sent again. */
  protected abstract resumed(): void
  /** The client has not read for too long. */
  protected abstract tooSlow(): void
  protected abstract sendFailed(cause: unknown): void

  get unsentBytes(): number {
    return this.#waitingBytes + (this.socket.bufferedAmount ?? 0)
  }

  /** Since when events are held back. `undefined`: they are not. */
  get heldBackSince(): number | undefined {
    return this.#lag?.since
  }

  send(frame: string): void {
    if (this.#isStopped) return
    // Answers are not held back, but a client that reads none of them is noticed.
    this.room()
    this.write()
    // Writing may have ended the connection.
    if (this.#isStopped) return
    try {
      this.socket.send(frame)
    } catch (cause) {
      this.sendFailed(cause)
    }
  }

  /** Sends what others are sent as well. It may wait for its turn; what is sent meanwhile comes after it. */
  sendShared(frame: SharedFrame): void {
    if (this.#isStopped) return
    const { writes } = this.context
    const frames = this.#frames
    if (frames) {
      this.#waiting = frames.and(frame)
      this.#isGathered = false
    } else if (frame === writes.direct) {
      this.#isGathered = true
      writes.addDirect(this)
    } else {
      this.#waiting = frame.alone
      writes.add(this)
    }
    this.#waitingBytes += frame.text.length
  }

  /** Sends it now, or not at all: `false` when the client is behind. */
  protected trySend(frame: SharedFrame): boolean {
    const isBehind = this.unsentBytes > this.context.limits.maxBufferedBytes * VOLATILE_PART
    if (isBehind || this.#lag) return false
    this.sendShared(frame)
    return true
  }

  /** Bytes that may be sent before events are held back. 0 while they are held back. */
  room(): number {
    if (this.#lag) return 0
    const room = this.context.limits.maxBufferedBytes - this.unsentBytes
    if (room > 0) return room
    this.#lag = { since: this.context.clock.now(), cancelCheck: () => {} }
    this.#checkLagLater(this.#lag)
    return 0
  }

  /** Its turn has come. */
  work(): boolean {
    this.write()
    return true
  }

  /** Writes what waits, when its turn has come or something else is to follow. */
  protected write(): void {
    const frames = this.#frames
    if (!frames) return
    this.#forget()
    this.#write(frames)
  }

  /** Nothing is sent any more. */
  protected stop(): void {
    this.#isStopped = true
    this.#lag?.cancelCheck()
    this.#lag = undefined
    this.#forget()
  }

  get #frames(): SharedFrames | undefined {
    return this.#isGathered ? this.context.writes.direct?.alone : this.#waiting
  }

  #forget(): void {
    this.#waiting = undefined
    this.#waitingBytes = 0
    this.#isGathered = false
  }

  #write(frames: SharedFrames): void {
    try {
      if (this.socket.sendShared) this.socket.sendShared(frames)
      else for (const { text } of frames.list) this.socket.send(text)
    } catch (cause) {
      this.sendFailed(cause)
    }
  }

  #checkLagLater(lag: Lag): void {
    const { clock, limits } = this.context
    lag.cancelCheck = clock.after(LAG_CHECK_MS, () => {
      if (this.unsentBytes <= limits.maxBufferedBytes / 2) {
        this.#lag = undefined
        this.resumed()
      } else if (clock.now() - lag.since >= limits.slowConsumerMs) {
        this.tooSlow()
      } else {
        this.#checkLagLater(lag)
      }
    })
  }
}
