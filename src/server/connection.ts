import type { Clock } from '../core/clock.ts'
import { RealtimeError, type RealtimeErrorCode } from '../core/errors.ts'
import type { Position } from '../core/event.ts'
import { CloseCode } from '../core/protocol/close-codes.ts'
import { encodeMessage, type Decoded } from '../core/protocol/codec.ts'
import { decodeClientMessage } from '../core/protocol/decode-client-message.ts'
import type { ClientMessage, RefusalCode, ServerMessage } from '../core/protocol/messages.ts'
import type { EventLog } from './event-log.ts'
import type { FanOut } from './fan-out.ts'
import type { ServerLimits } from './limits.ts'
import { isSameIdentity } from './same-identity.ts'
import type { SharedFrame } from './shared-frame.ts'
import { TokenBucket } from './token-bucket.ts'
import { TopicSubscription, type SubscriptionHost } from './topic-subscription.ts'
import type { WriteQueue, Writer } from './write-queue.ts'

/** The socket as the server needs it. Any library's socket fits behind it. */
export interface ServerSocket {
  /** Sends a text frame. Called only until `close`. */
  send(text: string): void
  /**
   * Sends frames that other sockets are sent as well, in one write if it can: `frame.as(encode)` gives the bytes that
   * were made for the first of them. Left out, each `frame.text` goes to `send`.
   */
  sendShared?(frames: readonly SharedFrame[]): void
  /** Ends the connection after what was sent before. Called once at most. */
  close(code: number, reason: string): void
  /** Bytes that were sent and have not left yet. Without it, slow consumers are not noticed. */
  readonly bufferedAmount?: number | undefined
}

/** The request that opened a connection, as far as `authenticate` may want it. */
export interface ConnectionRequest {
  readonly url?: string | undefined
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly remoteAddress?: string | undefined
}

/** `authenticate` gives it for a credential that was good and is too old: the client fetches a new one and comes back. */
export const tokenExpired: unique symbol = Symbol('realtime-query-bridge.tokenExpired')

/** What the connections of a server share. */
export interface ConnectionContext {
  readonly log: EventLog
  readonly fanOut: FanOut
  readonly writes: WriteQueue
  readonly limits: ServerLimits
  readonly clock: Clock
  readonly newId: () => string
  authenticate(input: { token: string | undefined; request: ConnectionRequest }): unknown
  authorize(input: { identity: unknown; topic: string; action: 'subscribe' }): unknown
  report(error: RealtimeError): void
  debug(message: string, details: Readonly<Record<string, unknown>>): void
}

/** RFC 6455: a message that is too big. */
const MESSAGE_TOO_BIG = 1009

/** How often a connection that is held back is looked at. */
const LAG_CHECK_MS = 100

const REFUSAL: Record<RefusalCode, string> = {
  forbidden: 'This topic is not allowed for you.',
  limit: 'A limit of the server is reached: too many topics on this connection, or too long a name.',
  unavailable: 'The server could not open this topic now.',
}

/** One client: its handshake, its subscriptions and its limits. */
export class Connection implements SubscriptionHost, Writer {
  readonly id: string
  readonly log: EventLog
  readonly fanOut: FanOut
  readonly limits: ServerLimits
  readonly #context: ConnectionContext
  readonly #socket: ServerSocket
  /** Let go of once the client is authenticated. */
  #request: ConnectionRequest | undefined
  #state: 'opened' | 'authenticating' | 'ready' | 'closed' = 'opened'
  #identity: unknown
  readonly #subscriptions = new Map<string, TopicSubscription>()
  readonly #bucket: TokenBucket
  #cancelDeadline: () => void
  /** Shared frames that wait for this socket's turn, and their size. */
  #waiting: SharedFrame[] | undefined
  #waitingBytes = 0
  /** Since when events are held back. `undefined`: they are not. */
  #heldBackSince: number | undefined
  #cancelLagCheck: (() => void) | undefined

  constructor(context: ConnectionContext, socket: ServerSocket, request: ConnectionRequest) {
    const { clock, limits } = context
    this.id = context.newId()
    this.log = context.log
    this.fanOut = context.fanOut
    this.limits = limits
    this.#context = context
    this.#socket = socket
    this.#request = request
    const perSecond = limits.maxMessagesPerSecond
    this.#bucket = new TokenBucket({ perSecond, burst: perSecond * 2, now: clock.now() })
    this.#cancelDeadline = clock.after(limits.helloTimeoutMs, () => {
      this.close(CloseCode.HelloTimeout, 'no hello in time')
    })
  }

  /** A frame from the client. */
  message(raw: unknown): void {
    if (this.#state === 'closed') return
    const size = typeof raw === 'string' ? raw.length : raw instanceof Uint8Array ? raw.byteLength : 0
    if (size > this.limits.maxPayloadBytes) {
      this.close(MESSAGE_TOO_BIG, 'message too big')
      return
    }
    const decoded = decodeClientMessage(raw)
    if (!this.#bucket.take(this.#costOf(decoded), this.#context.clock.now())) {
      this.close(CloseCode.LimitExceeded, 'too many messages')
      return
    }
    if (decoded.ok) {
      this.#handle(decoded.message)
      return
    }
    this.#report('undecodable', 'A client sent a frame that was skipped.', decoded.error)
    if (this.#state === 'ready') {
      this.sendMessage({ t: 'error', code: 'bad-message', message: decoded.error.message })
    } else {
      this.close(CloseCode.BadRequest, 'bad message')
    }
  }

  sendMessage(message: ServerMessage): void {
    this.send(encodeMessage(message))
  }

  send(frame: string): void {
    if (this.#state === 'closed') return
    // Answers are not held back, but a client that reads none of them is noticed.
    this.room()
    this.write()
    this.#trySend(() => {
      this.#socket.send(frame)
    })
  }

  sendShared(frame: SharedFrame): void {
    if (this.#state === 'closed') return
    this.#waitingBytes += frame.text.length
    if (this.#waiting) {
      this.#waiting.push(frame)
    } else {
      this.#waiting = [frame]
      this.#context.writes.add(this)
    }
  }

  /** Writes what waits, when its turn has come or something else is to follow. */
  write(): void {
    const frames = this.#waiting
    if (!frames) return
    this.#waiting = undefined
    this.#waitingBytes = 0
    this.#trySend(() => {
      if (this.#socket.sendShared) this.#socket.sendShared(frames)
      else for (const { text } of frames) this.#socket.send(text)
    })
  }

  #trySend(send: () => void): void {
    if (this.#state === 'closed') return
    try {
      send()
    } catch (cause) {
      this.#report('transport-failed', 'A socket failed to send; its connection is closed.', cause)
      this.close(CloseCode.ServerError, 'send failed')
    }
  }

  /** Ends the connection from this side. */
  close(code: number, reason: string): void {
    this.write()
    if (!this.end()) return
    this.#context.debug('connection closed by the server', { connectionId: this.id, code, reason })
    try {
      this.#socket.close(code, reason)
    } catch (cause) {
      this.#report('transport-failed', 'A socket failed to close.', cause)
    }
  }

  /** The connection is over: releases what it holds. `false` when it was over before. */
  end(): boolean {
    if (this.#state === 'closed') return false
    this.#state = 'closed'
    this.#cancelDeadline()
    this.#cancelLagCheck?.()
    for (const subscription of this.#subscriptions.values()) subscription.end()
    this.#subscriptions.clear()
    this.#identity = this.#request = this.#waiting = undefined
    return true
  }

  /**
   * Whether a request that comes beside this connection has a credential of the same identity. Asks the app; never
   * rejects.
   */
  async isOwnedBy(token: string | undefined, request: ConnectionRequest): Promise<boolean> {
    if (this.#state !== 'ready') return false
    try {
      const identity = await this.#context.authenticate({ token, request })
      return this.#state === 'ready' && isSameIdentity(identity, this.#identity)
    } catch (cause) {
      this.#report('callback-failed', 'authenticate failed; a message is not taken.', cause)
      return false
    }
  }

  async isAllowed(topic: string): Promise<boolean> {
    try {
      // Only `true` allows: a function that forgets to return allows nobody.
      return (
        (await this.#context.authorize({ identity: this.#identity, topic, action: 'subscribe' })) === true
      )
    } catch (cause) {
      throw new RealtimeError('callback-failed', 'authorize failed; the topic is refused.', { cause })
    }
  }

  refuse(topic: string, code: RefusalCode, cause?: unknown): void {
    this.#subscriptions.get(topic)?.end()
    this.#subscriptions.delete(topic)
    if (cause instanceof RealtimeError && cause.code === 'callback-failed') this.#context.report(cause)
    else if (cause !== undefined)
      this.#report('log-failed', 'The event log failed; the topic is refused.', cause)
    this.#context.debug('topic refused', { connectionId: this.id, topic, code })
    this.sendMessage({ t: 'refused', topic, code, message: REFUSAL[code] })
  }

  room(): number {
    if (this.#heldBackSince !== undefined) return 0
    const room = this.limits.maxBufferedBytes - this.#unsentBytes
    if (room > 0) return room
    this.#heldBackSince = this.#context.clock.now()
    this.#checkLagLater()
    return 0
  }

  get #unsentBytes(): number {
    return this.#waitingBytes + (this.#socket.bufferedAmount ?? 0)
  }

  #handle(message: ClientMessage): void {
    if (message.t === 'hello') {
      if (this.#state === 'opened') void this.#authenticate(message.token)
      else this.close(CloseCode.BadRequest, 'hello was said before')
      return
    }
    if (this.#state === 'authenticating' && message.t === 'ping') {
      this.sendMessage({ t: 'pong' })
      return
    }
    // L10: nothing is answered before it is known who asks.
    if (this.#state !== 'ready') {
      this.close(CloseCode.Unauthorized, 'wait for welcome')
      return
    }
    switch (message.t) {
      case 'subscribe':
        for (const { topic, position } of message.topics) this.#subscribe(topic, position)
        break
      case 'unsubscribe':
        for (const topic of message.topics) {
          this.#subscriptions.get(topic)?.end()
          this.#subscriptions.delete(topic)
        }
        break
      case 'ping':
        this.sendMessage({ t: 'pong', heads: this.#heads() })
        break
    }
  }

  /** Never rejects. */
  async #authenticate(token: string | undefined): Promise<void> {
    const request = this.#request
    if (!request) return
    this.#state = 'authenticating'
    let identity: unknown
    try {
      identity = await this.#context.authenticate({ token, request })
    } catch (cause) {
      this.#report('callback-failed', 'authenticate failed; the connection is closed.', cause)
      this.close(CloseCode.ServerError, 'authentication failed')
      return
    }
    if (this.#state !== 'authenticating') return
    if (identity === tokenExpired) {
      this.close(CloseCode.TokenExpired, 'token expired')
    } else if (identity === null || identity === undefined || identity === false) {
      this.close(CloseCode.Unauthorized, 'not authenticated')
    } else {
      this.#cancelDeadline()
      this.#identity = identity
      this.#request = undefined
      this.#state = 'ready'
      this.sendMessage({ t: 'welcome', connectionId: this.id })
    }
  }

  #subscribe(topic: string, position: Position | undefined): void {
    let subscription = this.#subscriptions.get(topic)
    if (!subscription) {
      const { maxTopicsPerConnection, maxTopicLength } = this.limits
      if (topic.length > maxTopicLength || this.#subscriptions.size >= maxTopicsPerConnection) {
        this.refuse(topic, 'limit')
        return
      }
      subscription = new TopicSubscription(topic, this)
      this.#subscriptions.set(topic, subscription)
    }
    subscription.request(position)
  }

  /** Topics cost too: each of them asks the app and the log, or stands in the answer. */
  #costOf(decoded: Decoded<ClientMessage>): number {
    if (!decoded.ok) return 10
    const { message } = decoded
    if (message.t === 'ping') return 1 + this.#subscriptions.size / 10
    return 'topics' in message ? 1 + message.topics.length / 10 : 1
  }

  /** fromEntries defines keys and never assigns them, so that `__proto__` is a topic like any other. */
  #heads(): Record<string, Position> {
    return Object.fromEntries(
      [...this.#subscriptions].flatMap(([topic, { sent }]) => (sent ? [[topic, sent] as const] : [])),
    )
  }

  #checkLagLater(): void {
    this.#cancelLagCheck = this.#context.clock.after(LAG_CHECK_MS, () => {
      const waitedMs = this.#context.clock.now() - (this.#heldBackSince ?? 0)
      if (this.#unsentBytes <= this.limits.maxBufferedBytes / 2) {
        this.#heldBackSince = undefined
        for (const subscription of this.#subscriptions.values()) subscription.resume()
      } else if (waitedMs >= this.limits.slowConsumerMs) {
        this.close(CloseCode.SlowConsumer, 'slow consumer')
      } else {
        this.#checkLagLater()
      }
    })
  }

  #report(code: RealtimeErrorCode, message: string, cause: unknown): void {
    this.#context.report(new RealtimeError(code, message, { cause, details: { connectionId: this.id } }))
  }
}
