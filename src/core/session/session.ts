/**
 * The shell that runs the machines: `transition.ts` decides about the connection, `topic-stream.ts` about each
 * topic. The shell owns what they must not touch: the clock, the transport, the handlers.
 *
 * What handlers and transports call back into it is put in line while the machine runs (`machine.ts`).
 */
import { steadyClock, systemClock, type SteadyClock } from '../clock.ts'
import { decodeServerMessage } from '../protocol/codec.ts'
import type { ClientMessage, ServerMessage } from '../protocol/messages.ts'
import { isName } from '../protocol/shape.ts'
import type { RawMessage, Transport } from '../transport.ts'
import { isSameStatus, statusOf, type BridgeStatus } from './bridge-status.ts'
import type { SessionExtension, SessionExtensionClass, SessionLink } from './extension.ts'
import { heartbeatOf } from './heartbeat.ts'
import { SESSION_LIMITS } from './limits.ts'
import { Machine } from './machine.ts'
import { PlainStream, type PlainOutput } from './plain-stream.ts'
import { randomId } from './random-id.ts'
import type { SessionHandlers, TopicResync, TopicState } from './session-handlers.ts'
import type { SessionOptions } from './session-options.ts'
import { INITIAL_STATE, type SessionCommand, type SessionConfig } from './session-state.ts'
import type { Reporter } from './reporter.ts'
import type { StreamInput, StreamOutput } from './topic-stream.ts'
import { TopicStreams } from './topic-streams.ts'
import { browserSignals, type WakeSignals } from './wake-signals.ts'
import { Wire } from './wire.ts'

export type { BridgeStatus } from './bridge-status.ts'
export type { SessionLimits } from './limits.ts'
export type { Ack, SendOptions } from './outbox.ts'
export type { SendFate } from './outbox-state.ts'
export type { PresenceHold, PresenceView } from './presence.ts'
export type { SessionHandlers, TopicResync, TopicState } from './session-handlers.ts'
export type { SessionOptions } from './session-options.ts'
export type { SessionStatus, StatusReason } from './session-state.ts'
export type { WakeSignal, WakeSignals } from './wake-signals.ts'

const NAMELESS = 'A topic has no name. Leave it out until it is known.'

export class Session {
  readonly #transport: Transport
  readonly #handlers: SessionHandlers
  readonly #reporter: Reporter
  readonly #clock: SteadyClock
  readonly #signals: WakeSignals
  readonly #config: SessionConfig

  readonly #machine: Machine
  #status: BridgeStatus = statusOf(INITIAL_STATE)

  readonly #streams: TopicStreams
  readonly #plain = new PlainStream()
  #hasTooManyTopics = false
  #hasNamelessTopic = false
  readonly #link: SessionLink
  readonly #extensions = new Map<SessionExtensionClass<SessionExtension>, SessionExtension>()
  /** The connection takes messages. */
  #isOpen = false
  /** Sends that wait. */
  #queued = 0

  /** Counts users. */
  #user = 0

  readonly #wire: Wire

  constructor(options: SessionOptions) {
    const { transport, handlers, reporter, clock, random = Math.random, signals, limits } = options
    const { createId = () => randomId(random) } = options
    this.#transport = transport
    this.#handlers = handlers
    this.#reporter = reporter
    this.#clock = steadyClock(clock ?? systemClock)
    this.#signals = signals ?? browserSignals()
    this.#config = {
      isPlain: !!transport.decode,
      isManaged: transport.mode === 'managed',
      heartbeat: heartbeatOf(transport),
      limits: { ...SESSION_LIMITS, ...limits },
    }
    this.#machine = new Machine({
      clock: this.#clock,
      random,
      signals: this.#signals,
      config: this.#config,
      execute: (command) => {
        this.#execute(command)
      },
      onState: ({ reason }) => {
        if (reason === 'stopped') {
          this.#wire.stopped()
          this.#tellExtensions('stopped')
        }
        this.#tellStatus()
      },
    })
    this.#wire = new Wire({
      clock: this.#clock,
      transport,
      createId,
      onOpen: () => {
        this.#machine.dispatch({ type: 'opened' })
      },
      onMessage: (raw) => {
        this.#received(raw)
      },
      onGone: () => {
        this.#streams.disconnect() // Positions stay.
        this.#isOpen = false
        this.#tellExtensions('disconnected')
      },
      onClose: (code) => {
        this.#machine.dispatch({ type: 'closed', code })
      },
      onFailed: (message, cause) => {
        this.#failed(message, cause)
      },
      onError: (message, cause) => {
        this.#reporter.report('transport-failed', message, cause)
      },
    })
    const send = (message: ClientMessage) => {
      // Servers take nothing of a message with a name that is none, and end the connection of who repeats it.
      if ('topic' in message && !isName(message.topic ?? 'none')) this.#reporter.report('usage', NAMELESS)
      else this.#wire.send(message)
    }
    this.#link = {
      clock: this.#clock,
      limits: this.#config.limits,
      createId,
      reporter: this.#reporter,
      send,
      isPlain: this.#config.isPlain,
      // Who was closed by the server may be started again.
      isStopped: () => {
        const { status, reason } = this.#machine.state
        return status === 'idle' || reason === 'stopped'
      },
      onQueued: (count) => {
        this.#queued = count
        // While the machine runs, the status follows it.
        if (!this.#machine.isRunning) this.#tellStatus()
      },
    }
    this.#streams = new TopicStreams({
      clock: this.#clock,
      limits: this.#config.limits,
      carryOut: (outputs, topic, isReplay) => {
        this.#carryOut(outputs, topic, isReplay)
      },
      send,
      startOf: (topic) => options.startOf?.(topic),
      onPhase: () => {
        this.#reporter.tell(() => this.#handlers.onTopicStates?.())
      },
    })
  }

  /** Connects. Does nothing when started. Topics refused before, and a session closed for good, are tried again. */
  start(): void {
    if (this.#machine.isOver) {
      this.#streams.feedAll(() => ({ type: 'restarted' }))
      this.#tellExtensions('restarted')
    }
    this.#machine.dispatch({ type: 'start', isOnline: this.#signals.isOnline() })
  }

  /**
   * Disconnects and leaves no timer, listener or socket (L9). Positions are kept for the next `start`. Called from
   * `onStatus` or `onError`, it takes effect when the handler returns.
   */
  stop(): void {
    this.#machine.dispatch({ type: 'stop' })
  }

  /**
   * Another user: the connection ends, and with it everything that belongs to the last one: positions, what is held,
   * what waits to be sent, a token that is on its way. Then it connects anew, unless it is stopped (L10).
   */
  switchUser(): void {
    this.#user++
    this.#machine.dispatch({ type: 'switched' })
  }

  /** Sends, presence, signals: each is made when it is first asked for, and is the same from then on. */
  use<TExtension extends SessionExtension>(Extension: SessionExtensionClass<TExtension>): TExtension {
    const known = this.#extensions.get(Extension)
    if (known) return known as TExtension
    const extension = new Extension(this.#link)
    this.#extensions.set(Extension, extension)
    if (this.#isOpen) extension.connected?.()
    return extension
  }

  get status(): BridgeStatus {
    return this.#status
  }

  /** As far as is proven: also while the browser doubts it, and people are told `offline`. */
  get isConnected(): boolean {
    return this.#machine.state.status === 'live'
  }

  /** What is known of one topic. A plain backend has one stream, and every wanted topic has its state. */
  topicState(topic: string): TopicState {
    const known = this.#streams.phase(topic)
    if (!known || this.#machine.isOver) return 'unknown'
    const phase = this.#config.isPlain ? this.#machine.state.status : known
    return phase === 'live' || phase === 'refused' ? phase : 'resyncing'
  }

  /** The topics that are wanted now, all of them. A topic that is dropped is forgotten with its position. */
  setTopics(topics: Iterable<string>): void {
    const { maxTopics } = this.#config.limits
    const wanted = new Set(topics)
    const all = [...wanted].filter(isName)
    const { added, dropped } = this.#streams.want(new Set(all.slice(0, maxTopics)))
    const { status } = this.#machine.state
    if (!this.#config.isPlain && (status === 'resyncing' || status === 'live')) {
      if (dropped.length > 0) this.#wire.send({ t: 'unsubscribe', topics: dropped })
      this.#streams.subscribe(added)
      this.#checkAnswers()
    }
    const hasTooMany = all.length > maxTopics
    if (hasTooMany && !this.#hasTooManyTopics)
      this.#reporter.report('usage', `${all.length} topics: raise limits.maxTopics (${maxTopics}).`)
    this.#hasTooManyTopics = hasTooMany
    // Servers take nothing of a message with one in it.
    const hasNameless = all.length < wanted.size
    if (hasNameless && !this.#hasNamelessTopic) this.#reporter.report('usage', NAMELESS)
    this.#hasNamelessTopic = hasNameless
  }

  #tellExtensions(what: Exclude<keyof SessionExtension, 'received'>): void {
    for (const extension of this.#extensions.values()) extension[what]?.()
  }

  #tellStatus(): void {
    const { state } = this.#machine
    const timerAt = state.timerAt && this.#clock.timeOfDay(state.timerAt)
    const now = statusOf({ ...state, timerAt }, this.#queued)
    if (isSameStatus(now, this.#status)) return
    this.#status = now
    this.#reporter.tell(() => {
      this.#handlers.onStatus(now)
    })
  }

  #execute(command: SessionCommand): void {
    switch (command.type) {
      case 'dial':
        this.#wire.dial()
        break
      case 'hang-up':
        this.#wire.hangUp(command.code)
        break
      case 'send-hello':
        void this.#wire.hello()
        break
      case 'send-subscribe':
        this.#streams.subscribe(undefined, command.answerMs)
        this.#isOpen = true
        this.#tellExtensions('connected')
        this.#checkAnswers()
        break
      case 'forget':
        this.#wire.forget()
        this.#streams.forget()
        this.#plain.forget()
        this.#tellExtensions('forget')
        break
      case 'send-ping':
        this.#wire.send({ t: 'ping' })
        break
      case 'announce':
        this.#plain.reconnected()
        this.#resync({ topic: undefined, outcome: command.outcome, position: undefined })
        break
      case 'report':
        this.#reporter.report(
          command.code,
          this.#wire.isAsking ? `${command.message} The token provider has not answered.` : command.message,
        )
    }
  }

  /** This side cannot go on with the connection. */
  #failed(message: string, cause?: unknown): void {
    this.#reporter.report('transport-failed', message, cause)
    this.#machine.dispatch({ type: 'failed' })
  }

  #received(raw: RawMessage): void {
    // Nobody else waits for it.
    if (this.#machine.state.probes > 0) this.#machine.dispatch({ type: 'message' })
    if (this.#config.isPlain) {
      try {
        this.#carryOut(this.#plain.receive(this.#transport.decode?.(raw)))
      } catch (cause) {
        this.#reporter.report('undecodable', 'decode() threw. The message is skipped.', cause)
      }
      return
    }
    const decoded = decodeServerMessage(raw)
    if (decoded.ok) this.#handle(decoded.message)
    else this.#reporter.error(decoded.error)
  }

  #handle(message: ServerMessage): void {
    for (const extension of this.#extensions.values()) if (extension.received(message)) return
    switch (message.t) {
      case 'welcome':
        this.#machine.dispatch({ type: 'welcomed' })
        break
      case 'token-expires':
        void this.#wire.renew()
        break
      case 'going-away':
        this.#machine.dispatch({ type: message.t, retryAfterMs: message.retryAfterMs })
        break
      case 'pong': {
        const { heads } = message
        if (heads) this.#streams.feedAll((topic) => ({ type: 'head', head: heads[topic] }))
        break
      }
      case 'refused':
        this.#refused(message)
        break
      case 'revoked':
        this.#refused({ ...message, code: 'forbidden' })
        // What it has kept live may not be read any more either: the REST API knows.
        if (message.action !== 'presence') {
          this.#resync({ topic: message.topic, outcome: 'reset', position: undefined })
        }
        break
      case 'subscribed':
      case 'events':
        this.#streams.feed(message.topic, { ...message, type: message.t } as StreamInput)
        break
      case 'error':
        this.#reporter.report('server-error', `The server reports: ${message.message} (${message.code})`)
        break
      case 'authed': // As it was hoped.
      case 'ack':
      case 'presence-state':
      case 'presence-diff':
      case 'signals': // Taken already.
        break
    }
    this.#streams.flush()
    this.#checkAnswers()
  }

  #refused({ topic, code, message, action }: Omit<ServerMessage & { t: 'refused' }, 't'>): void {
    const what = action === 'presence' ? `presence in "${topic}"` : `"${topic}"`
    this.#reporter.report('topic-refused', `The server refused ${what} (${code}): ${message}`)
    if (action !== 'presence') this.#streams.feed(topic, { type: 'refused', code })
  }

  #resync(resync: TopicResync): void {
    this.#reporter.tell(() => {
      this.#handlers.onResync(resync)
    })
  }

  #checkAnswers(): void {
    if (this.#machine.state.status === 'resyncing' && this.#streams.isAnswered)
      this.#machine.dispatch({ type: 'resynced' })
  }

  #carryOut(outputs: readonly (StreamOutput | PlainOutput)[], topic = '', isReplay = false): void {
    const link = this.#wire.link
    const user = this.#user
    for (const output of outputs) {
      if (user !== this.#user) return // L10: a handler has changed the user, in the midst of a frame.
      switch (output.type) {
        case 'deliver':
          this.#reporter.tell(() => {
            this.#handlers.onEvents(output.events, isReplay)
          })
          break
        case 'resync':
          this.#resync(output)
          break
        case 'ask': // Sent at the end of the frame.
          break
        case 'overdue':
          if (link === this.#wire.link) this.#failed(`The server gave no answer about the topic "${topic}".`)
          break
        case 'lost':
          this.#reporter.report(
            'history-lost',
            `Events of the topic "${topic}" were not replayed. It is reset.`,
          )
          break
        case 'invalid':
          this.#reporter.report('undecodable', 'decode() gave what is no { type, data }. It is skipped.')
      }
    }
  }
}
