import { RealtimeError, type RealtimeErrorCode } from '../core/errors.ts'
import { CloseCode } from '../core/protocol/close-codes.ts'
import { encodeMessage } from '../core/protocol/codec.ts'
import type { ClientMessage, RefusalCode, ServerMessage, TopicAction } from '../core/protocol/messages.ts'
import type { EventLog } from './event-log.ts'
import type { FanOut } from './fan-out.ts'
import type { ServerLimits } from './limits.ts'
import { jitteredLease, Lease } from './lease.ts'
import { Login } from './login.ts'
import { Meter } from './meter.ts'
import { Outgoing, type OutgoingOwner } from './outgoing.ts'
import { PresenceSeats, type SeatHost } from './presence-seats.ts'
import { costOf, readFrame } from './read-frame.ts'
import { REFUSED, REVOKED } from './refusals.ts'
import { Rights, type RealtimeAction } from './rights.ts'
import { SendQueue, type SendHost } from './sends.ts'
import type { RevokeFilter } from './server-bus.ts'
import type { ServerContext } from './server-context.ts'
import type { ConnectionRequest, ServerSocket } from './server-socket.ts'
import type { SharedFrame } from './shared-frame.ts'
import { SignalDesk } from './signal-desk.ts'
import type { SignalListener } from './signal-hub.ts'
import { Subscriptions } from './subscriptions.ts'
import type { SubscriptionHost } from './topic-subscription.ts'

export { tokenExpired } from './server-socket.ts'
export type { ConnectionRequest, ServerSocket } from './server-socket.ts'

/** RFC 6455: a message that is too big. */
const MESSAGE_TOO_BIG = 1009

/** In place of what holds a timer. */
const nothing = () => {}

/** One client: its handshake, its rights and its limits. */
export class Connection implements SubscriptionHost, SeatHost, SendHost, SignalListener, OutgoingOwner {
  readonly id: string
  readonly log: EventLog
  readonly fanOut: FanOut
  readonly limits: ServerLimits
  readonly #context: ServerContext
  readonly #socket: ServerSocket
  readonly #out: Outgoing
  readonly #login: Login
  readonly #address: string | undefined
  seats: PresenceSeats | undefined
  #state: 'opened' | 'authenticating' | 'ready' | 'closed' = 'opened'
  readonly subscriptions = new Subscriptions(this)
  #rights: Rights | undefined
  #sends: SendQueue | undefined
  #signals: SignalDesk | undefined
  #lease: Lease | undefined
  readonly #meter: Meter
  #cancelDeadline: () => void
  #heardAt: number
  #isSilent = false

  constructor(context: ServerContext, socket: ServerSocket, request: ConnectionRequest) {
    const { clock, limits } = context
    this.id = context.newId()
    this.log = context.log
    this.fanOut = context.fanOut
    this.limits = limits
    this.#context = context
    this.#socket = socket
    this.#out = new Outgoing(context, socket, this)
    this.#login = new Login(context, this, request)
    this.#heardAt = clock.now()
    this.#meter = new Meter(context, this)
    this.#cancelDeadline = clock.after(limits.helloTimeoutMs, () => {
      this.close(CloseCode.HelloTimeout, 'no hello in time')
    })
    const address = context.clientAddress(request)
    if (address !== undefined && !context.addresses.take(address, limits.maxConnectionsPerAddress)) {
      this.close(CloseCode.LimitExceeded, 'too many connections of this address')
      return
    }
    this.#address = address
    if (context.rateLimiters.connections) this.#login.isAdmitted = this.#meter.mayConnect(address)
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

  get unsentBytes(): number {
    return this.#out.unsentBytes
  }

  get heldBackSince(): number | undefined {
    return this.#out.heldBackSince
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
    this.#heardAt = this.#context.clock.now()
    if (!this.#meter.takeMessage(costOf(decoded, this.subscriptions.size), this.#heardAt)) return
    if (this.#isSilent) this.#setSilent(false)
    if (decoded.ok) {
      this.#context.counters.messages++
      this.#handle(decoded.message)
      return
    }
    this.#context.counters.badMessages++
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

  send(frame: string): void {
    this.#out.send(frame)
  }

  sendShared(frame: SharedFrame): void {
    this.#out.sendShared(frame)
  }

  sendVolatile(frame: SharedFrame): void {
    if (!this.#out.sendVolatile(frame)) this.#context.counters.droppedSignals++
  }

  room(): number {
    return this.#out.room()
  }

  resumed(): void {
    this.subscriptions.resume()
    this.seats?.resume()
  }

  tooSlow(): void {
    this.close(CloseCode.SlowConsumer, 'slow consumer')
  }

  sendFailed(cause: unknown): void {
    this.#report('transport-failed', 'A socket failed to send; its connection is closed.', cause)
    this.close(CloseCode.ServerError, 'send failed')
  }

  /** Ends the connection from this side. `isDrop`: its client may be back, so presence waits for it. */
  close(code: number, reason: string, isDrop = true): void {
    this.#out.write()
    if (!this.end(isDrop)) return
    const { counters } = this.#context
    counters.closed[code] = (counters.closed[code] ?? 0) + 1
    const isOffence = code >= 4400 && code < 4500
    this.#context.note(isOffence ? 'warn' : 'debug', 'connection closed by the server', {
      connectionId: this.id,
      code,
      reason,
    })
    try {
      this.#socket.close(code, reason)
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
    this.seats?.end(isDrop)
    this.#sends?.end()
    this.#out.stop()
    if (this.#address !== undefined) this.#context.addresses.release(this.#address)
    this.#login.end()
    this.seats = this.#sends = this.#signals = this.#lease = this.#rights = undefined
    return true
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
    this.#lease = new Lease(this.#context, this)
    this.sendMessage({ t: 'welcome', connectionId: this.id })
  }

  /** Called by the login: the credential is another one. */
  renewed(): void {
    this.#rights?.forget()
    this.sendMessage({ t: 'authed' })
    void this.#lease?.recheck()
  }

  /** Ends what `filter` names, if this connection is meant. */
  revoke({ user, connectionId, topic }: RevokeFilter): void {
    if (this.#state !== 'ready') return
    if (user !== undefined && user !== this.user) return
    if (connectionId !== undefined && connectionId !== this.id) return
    if (topic === undefined) {
      this.#context.counters.revoked++
      this.close(CloseCode.Forbidden, 'revoked', false)
      return
    }
    this.#rights?.forget(topic)
    this.revokeTopic(topic, 'subscribe')
    this.revokeTopic(topic, 'presence')
  }

  /** What time brings: the credential's end, a silent client, rights that are to be asked about again. */
  sweep(now: number): void {
    if (this.#state !== 'ready' || !this.#login.sweep(now)) return
    const isSilent = now - this.#heardAt >= this.#context.presenceTtlMs
    if (this.seats && isSilent && !this.#isSilent) this.#setSilent(true)
    this.#lease?.sweep(now)
  }

  async isAllowed(topic: string): Promise<true | 'forbidden' | 'limit'> {
    return this.#mayEnter(topic, 'subscribe')
  }

  async mayJoin(topic: string): Promise<true | 'forbidden' | 'limit'> {
    return this.#mayEnter(topic, 'presence')
  }

  check(topic: string, action: RealtimeAction): Promise<boolean> {
    this.#rights ??= new Rights({
      ask: (about, what) => this.ask(about, what),
      now: () => this.#context.clock.now(),
      leaseMs: () => jitteredLease(this.#context),
    })
    return this.#rights.check(topic, action)
  }

  refuse(topic: string, code: RefusalCode, cause?: unknown): void {
    this.subscriptions.end(topic)
    this.#tellRefused(topic, code, { cause })
  }

  known(topic: string, action: RealtimeAction): boolean | undefined {
    return this.#rights?.known(topic, action)
  }

  refuseUndecided(topic: string, action: TopicAction): void {
    if (action === 'presence') this.seats?.leave(topic)
    else this.subscriptions.end(topic)
    this.#tellRefused(topic, 'unavailable', { action })
  }

  refusePresence(topic: string, code: RefusalCode, cause?: unknown): void {
    this.#tellRefused(topic, code, { cause, action: 'presence' })
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
    switch (message.t) {
      case 'subscribe':
        if (!this.#meter.takeJoins(message.topics.length)) return
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
      case 'send':
        this.#sends ??= new SendQueue(this.#context, this)
        this.#sends.add(message)
        break
      case 'signal':
        this.#signals ??= new SignalDesk(this.#context, this)
        void this.#signals.add(message)
        break
      case 'presence-join':
        if (!this.#meter.takeJoins(1)) return
        this.seats ??= new PresenceSeats(this.#context.presence, this)
        this.seats.join(message.topic, message.state)
        break
      case 'presence-update':
        this.seats?.update(message.topic, message.state)
        break
      case 'presence-leave':
        this.seats?.leave(message.topic)
        break
    }
  }

  async #mayEnter(topic: string, action: TopicAction): Promise<true | 'forbidden' | 'limit'> {
    if (!(await this.#meter.mayEnter())) return 'limit'
    return (await this.ask(topic, action)) || 'forbidden'
  }

  /** Only `true` allows: a function that forgets to return allows nobody. */
  async ask(topic: string, action: RealtimeAction): Promise<boolean> {
    try {
      return (await this.#context.authorize({ identity: this.identity, topic, action })) === true
    } catch (cause) {
      throw new RealtimeError('callback-failed', 'authorize failed; the topic is refused.', { cause })
    }
  }

  revokeTopic(topic: string, action: TopicAction): void {
    const isThere =
      action === 'presence' ? (this.seats?.leave(topic) ?? false) : this.subscriptions.end(topic)
    if (!isThere) return
    this.#context.counters.revoked++
    this.#context.note('warn', 'topic revoked', { connectionId: this.id, topic, action })
    this.sendMessage({ t: 'revoked', topic, message: REVOKED, ...actionField(action) })
  }

  #tellRefused(
    topic: string,
    code: RefusalCode,
    { cause, action = 'subscribe' }: { cause?: unknown; action?: TopicAction },
  ): void {
    if (cause instanceof RealtimeError && cause.code === 'callback-failed') this.#context.report(cause)
    else if (cause !== undefined)
      this.#report('log-failed', 'The event log failed; the topic is refused.', cause)
    this.#context.counters.refused++
    this.#context.note('debug', 'topic refused', { connectionId: this.id, topic, code, action })
    this.sendMessage({ t: 'refused', topic, code, message: REFUSED[code], ...actionField(action) })
  }

  #setSilent(isSilent: boolean): void {
    this.#isSilent = isSilent
    this.seats?.setSilent(isSilent)
  }

  #report(code: RealtimeErrorCode, message: string, cause: unknown): void {
    this.#context.report(new RealtimeError(code, message, { cause, details: { connectionId: this.id } }))
  }
}

/** Left out where it is `subscribe`. */
const actionField = (action: TopicAction) => (action === 'subscribe' ? undefined : { action })
