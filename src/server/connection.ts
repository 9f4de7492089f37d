import { RealtimeError, type RealtimeErrorCode } from '../core/errors.ts'
import { CloseCode } from '../core/protocol/close-codes.ts'
import { encodeMessage } from '../core/protocol/codec.ts'
import type { ClientMessage, ServerMessage } from '../core/protocol/messages.ts'
import { Admission } from './topics/admission.ts'
import { Lease } from './access/lease.ts'
import { Login } from './access/login.ts'
import { isPart, Participation } from './presence/participation.ts'
import type { PresenceSeats, SeatHost } from './presence/presence-seats.ts'
import { costOf, readFrame } from './sockets/read-frame.ts'
import type { SendHost } from './sends/sends.ts'
import type { RevokeFilter } from './cluster/server-bus.ts'
import type { ServerContext } from './server-context.ts'
import type { ServerConnection } from './server-options.ts'
import type { ConnectionRequest, ServerSocket } from './sockets/server-socket.ts'
import type { SharedFrame } from './sockets/shared-frame.ts'
import type { SignalListener } from './presence/signal-hub.ts'

export { tokenExpired } from './sockets/server-socket.ts'
export type { ConnectionRequest, ServerSocket } from './sockets/server-socket.ts'

/** RFC 6455: a message that is too big. */
const MESSAGE_TOO_BIG = 1009

/** In place of what holds a timer. */
const nothing = () => {}

/** One client: its handshake, its rights and its limits. */
export class Connection extends Admission implements ServerConnection, SeatHost, SendHost, SignalListener {
  readonly id: string
  readonly #login: Login
  readonly #address: string | undefined
  #state: 'opened' | 'authenticating' | 'ready' | 'closed' = 'opened'
  #participation: Participation | undefined
  #lease: Lease | undefined
  #cancelDeadline: () => void

  constructor(context: ServerContext, socket: ServerSocket, request: ConnectionRequest) {
    super(context, socket)
    const { clock, limits } = context
    this.id = context.newId()
    this.#login = new Login(context, this, request)
    this.#cancelDeadline = clock.after(limits.helloTimeoutMs, () => {
      this.close(CloseCode.HelloTimeout, 'no hello in time')
    })
    let address: string | undefined
    try {
      address = context.clientAddress(request)
    } catch (cause) {
      this.#report('callback-failed', 'clientAddress failed; the connection is closed.', cause)
      this.close(CloseCode.ServerError, 'the address is not known')
      return
    }
    if (address !== undefined && !context.addresses.take(address, limits.maxConnectionsPerAddress)) {
      this.close(CloseCode.LimitExceeded, 'too many connections of this address')
      return
    }
    this.#address = address
    if (context.rateLimiters.connections) this.#login.isAdmitted = this.measured().mayConnect(address)
  }

  get seats(): PresenceSeats | undefined {
    return this.#participation?.seats
  }

  get identity(): unknown {
    return this.#login.identity
  }

  get user(): string | undefined {
    return this.#login.user
  }

  get clientId(): string | undefined {
    return this.#login.clientId
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  /** With a name of its own and a user, a client is the same on its next connection; nobody else can claim to be it. */
  get isLasting(): boolean {
    return this.clientId !== undefined && this.user !== undefined
  }

  get memberId(): string {
    return this.isLasting ? `${this.user}/${this.clientId}` : `~${this.id}`
  }

  get limiterKey(): string {
    return this.user ?? this.#address ?? this.id
  }

  isSubscribed(topic: string): boolean {
    return this.subscriptions.isLive(topic)
  }

  /** A frame from the client. */
  message(raw: unknown): void {
    if (this.#state === 'closed') return
    const size = typeof raw === 'string' ? raw.length : raw instanceof Uint8Array ? raw.byteLength : 0
    if (size > this.limits.maxPayloadBytes) {
      this.close(MESSAGE_TOO_BIG, 'message too big')
      return
    }
    const decoded = readFrame(raw, this.limits.maxNesting)
    const now = this.context.clock.now()
    const cost = costOf(decoded, { length: size, subscriptions: this.subscriptions.size })
    if (!this.measured().takeMessage(cost, now)) return
    this.#participation?.heard(now)
    if (decoded.ok) {
      this.context.counters.messages++
      this.#handle(decoded.message)
      return
    }
    this.context.counters.badMessages++
    this.#report('undecodable', 'A client sent a frame that was skipped.', decoded.error)
    if (this.#state === 'ready') {
      this.sendMessage({ t: 'error', code: 'bad-message', message: decoded.error.message })
    } else {
      this.close(CloseCode.BadRequest, 'bad message')
    }
  }

  sendMessage(message: ServerMessage): void {
    if (this.#state !== 'closed') this.send(encodeMessage(message))
  }

  sendVolatile(frame: SharedFrame): void {
    if (!this.trySend(frame)) this.context.counters.droppedSignals++
  }

  protected resumed(): void {
    this.subscriptions.resume()
    this.seats?.resume()
  }

  protected tooSlow(): void {
    this.close(CloseCode.SlowConsumer, 'slow consumer')
  }

  protected sendFailed(cause: unknown): void {
    this.#report('transport-failed', 'A socket failed to send; its connection is closed.', cause)
    this.close(CloseCode.ServerError, 'send failed')
  }

  /** Ends the connection from this side. `isDrop`: its client may be back, so presence waits for it. */
  close(code: number, reason: string, isDrop = true): void {
    this.write()
    if (!this.end(isDrop)) return
    const { counters } = this.context
    counters.closed[code] = (counters.closed[code] ?? 0) + 1
    const isOffence = code >= 4400 && code < 4500
    this.context.note(isOffence ? 'warn' : 'debug', 'connection closed by the server', {
      connectionId: this.id,
      code,
      reason,
    })
    try {
      this.socket.close(code, reason)
    } catch (cause) {
      this.#report('transport-failed', 'A socket failed to close.', cause)
    }
  }

  /** The connection is over: releases what it holds. `false` when it was over before. */
  end(isDrop: boolean): boolean {
    if (this.#state === 'closed') return false
    this.#state = 'closed'
    this.#cancelDeadline()
    this.#cancelDeadline = nothing
    this.subscriptions.endAll()
    this.#participation?.end(isDrop)
    this.stop()
    if (this.#address !== undefined) this.context.addresses.release(this.#address)
    this.#login.end()
    this.forgetRights()
    this.#participation = this.#lease = undefined
    return true
  }

  /** The socket has closed. */
  closed(code: number, reason: string): void {
    this.context.gone(this, code, reason)
  }

  /** Whether a request that comes beside this connection has a credential of the same user. Never rejects. */
  async isOwnedBy(token: string | undefined, request: ConnectionRequest): Promise<boolean> {
    return this.#state === 'ready' && this.#login.isSameUser(token, request)
  }

  /** Called by the login: the client may speak. */
  welcome(): void {
    this.#cancelDeadline()
    this.#cancelDeadline = nothing
    this.#state = 'ready'
    this.#lease = new Lease(this)
    this.sendMessage({ t: 'welcome', connectionId: this.id })
  }

  /** Called by the login: the credential is another one. */
  renewed(): void {
    this.forgetRights()
    this.sendMessage({ t: 'authed' })
    void this.#lease?.recheck()
  }

  /** Ends what `filter` names, if this connection is meant. */
  revoke({ user, connectionId, topic }: RevokeFilter): void {
    // What `authenticate` is about to answer may have been read before the right was taken away.
    if (this.#state === 'authenticating' && topic === undefined) this.#login.doubt(user)
    if (this.#state !== 'ready') return
    if (user !== undefined && user !== this.user) return
    if (connectionId !== undefined && connectionId !== this.id) return
    if (topic === undefined) {
      this.context.counters.revoked++
      this.close(CloseCode.Forbidden, 'revoked', false)
      return
    }
    this.forgetRights(topic)
    this.revokeTopic(topic, 'subscribe')
    this.revokeTopic(topic, 'presence')
  }

  /** What time brings: the credential's end, a silent client, rights that are to be asked about again. */
  sweep(now: number): void {
    if (this.#state !== 'ready' || !this.#login.sweep()) return
    this.#participation?.sweep(now)
    this.sweepMeter(now)
    this.#lease?.sweep(now)
  }

  #handle(message: ClientMessage): void {
    if (message.t === 'hello') {
      if (this.#state !== 'opened') {
        this.close(CloseCode.BadRequest, 'hello was said before')
        return
      }
      this.#state = 'authenticating'
      void this.#login.begin(message.token, message.clientId)
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
    if (isPart(message)) {
      if (message.t === 'presence-join' && !this.measured().takeJoins(1)) return
      this.#participation ??= new Participation(this.context, this, this.context.clock.now())
      this.#participation.take(message)
      return
    }
    switch (message.t) {
      case 'subscribe':
        if (!this.measured().takeJoins(message.topics.length)) return
        for (const { topic, position } of message.topics) this.subscriptions.subscribe(topic, position)
        break
      case 'unsubscribe':
        for (const topic of message.topics) this.subscriptions.end(topic)
        break
      case 'ping':
        this.sendMessage({ t: 'pong', heads: this.subscriptions.heads() })
        break
      case 'auth':
        void this.#login.renew(message.token)
        break
    }
  }

  #report(code: RealtimeErrorCode, message: string, cause: unknown): void {
    this.context.report(new RealtimeError(code, message, { cause, details: { connectionId: this.id } }))
  }
}
