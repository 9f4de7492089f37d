/**
 * The shell that runs the machines: `transition.ts` decides about the connection, `topic-stream.ts` about each
 * topic. The shell owns what they must not touch: the clock, the transport, the handlers. It carries out what the first
 * decides; what comes over the connection goes through `incoming.ts`.
 *
 * What handlers and transports call back into it is put in line while the machine runs (`machine.ts`).
 */
import { steadyClock, systemClock, type SteadyClock } from '../clock.ts'
import { isName } from '../protocol/shape.ts'
import { isSameStatus, statusOf, type BridgeStatus } from './connection/bridge-status.ts'
import type { SessionExtension, SessionExtensionClass, SessionLink } from './extensions/extension.ts'
import { heartbeatOf } from './connection/heartbeat.ts'
import { Incoming } from './incoming.ts'
import { SESSION_LIMITS } from './limits.ts'
import { Machine } from './connection/machine.ts'
import { randomId } from './random-id.ts'
import type { SessionHandlers, TopicState } from './session-handlers.ts'
import type { SessionOptions } from './session-options.ts'
import { INITIAL_STATE, type SessionCommand, type SessionConfig } from './connection/session-state.ts'
import type { Reporter } from './reporter.ts'
import { NAMELESS, TopicStreams } from './topics/topic-streams.ts'
import { browserSignals, type WakeSignals } from './connection/wake-signals.ts'
import { Wire } from './connection/wire.ts'

export type { BridgeStatus } from './connection/bridge-status.ts'
export type { SessionLimits } from './limits.ts'
export type { Ack, SendOptions } from './extensions/outbox.ts'
export type { SendFate } from './extensions/outbox-state.ts'
export type { PresenceHold, PresenceView } from './extensions/presence.ts'
export type { SessionHandlers, TopicResync, TopicState } from './session-handlers.ts'
export type { SessionOptions } from './session-options.ts'
export type { SessionStatus, StatusReason } from './connection/session-state.ts'
export type { WakeSignal, WakeSignals } from './connection/wake-signals.ts'

export class Session {
  readonly #handlers: SessionHandlers
  readonly #reporter: Reporter
  readonly #clock: SteadyClock
  readonly #signals: WakeSignals
  readonly #isPlain: boolean

  readonly #machine: Machine
  #status: BridgeStatus = statusOf(INITIAL_STATE)

  readonly #streams: TopicStreams
  readonly #link: SessionLink
  readonly #extensions = new Map<SessionExtensionClass<SessionExtension>, SessionExtension>()
  /** The connection takes messages. */
  #isOpen = false
  readonly #incoming: Incoming
  /** Sends that wait. */
  #queued = 0

  readonly #wire: Wire

  constructor(options: SessionOptions) {
    const { transport, handlers, reporter, random = Math.random, startOf = () => undefined } = options
    const { createId = () => randomId(random), signals = browserSignals() } = options
    const clock = steadyClock(options.clock ?? systemClock)
    const limits = { ...SESSION_LIMITS, ...options.limits }
    const isPlain = !!transport.decode
    const config: SessionConfig = {
      isPlain,
      isManaged: transport.mode === 'managed',
      heartbeat: heartbeatOf(transport),
      limits,
    }
    this.#handlers = handlers
    this.#reporter = reporter
    this.#clock = clock
    this.#signals = signals
    this.#isPlain = isPlain
    const machine = (this.#machine = new Machine({
      clock,
      random,
      signals,
      config,
      execute: (command) => {
        this.#execute(command)
      },
      onState: ({ reason }) => {
        if (reason === 'stopped') {
          wire.stopped()
          this.#tellExtensions('stopped')
        }
        this.#tellStatus()
      },
    }))
    const wire = (this.#wire = new Wire({
      clock,
      transport,
      createId,
      onOpen: () => {
        machine.dispatch({ type: 'opened' })
      },
      onMessage: (raw) => {
        this.#incoming.received(raw)
      },
      onGone: () => {
        streams.disconnect() // Positions stay.
        this.#isOpen = false
        this.#tellExtensions('disconnected')
      },
      onClose: (code) => {
        machine.dispatch({ type: 'closed', code })
      },
      onFailed: (message, cause) => {
        reporter.report('transport-failed', message, cause)
        machine.dispatch({ type: 'failed' })
      },
      onError: (message, cause) => {
        reporter.report('transport-failed', message, cause)
      },
    }))
    const streams = (this.#streams = new TopicStreams({
      clock,
      limits,
      reporter,
      carryOut: (outputs, topic, isReplay) => {
        this.#incoming.carryOut(outputs, topic, isReplay)
      },
      send: (message) => {
        wire.send(message)
      },
      startOf,
      onPhase: () => {
        reporter.tell(() => handlers.onTopicStates?.())
      },
      onFlushed: () => {
        if (machine.state.status === 'resyncing' && streams.isAnswered) machine.dispatch({ type: 'resynced' })
      },
    }))
    this.#link = {
      clock,
      limits,
      createId,
      reporter,
      send: (message) => {
        // Servers take nothing of a message with a name that is none, and end the connection of who repeats it.
        if ('topic' in message && !isName(message.topic ?? 'none')) reporter.report('usage', NAMELESS)
        else wire.send(message)
      },
      isPlain,
      // Who was closed by the server may be started again.
      isStopped: () => {
        const { status, reason } = machine.state
        return status === 'idle' || reason === 'stopped'
      },
      onQueued: (count) => {
        this.#queued = count
        // While the machine runs, the status follows it.
        if (!machine.isRunning) this.#tellStatus()
      },
    }
    this.#incoming = new Incoming({
      decode: transport.decode,
      handlers,
      reporter,
      machine,
      wire,
      streams,
      extensions: this.#extensions,
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
    const phase = this.#isPlain ? this.#machine.state.status : known
    return phase === 'live' || phase === 'refused' ? phase : 'resyncing'
  }

  /** The topics that are wanted now, all of them. A topic that is dropped is forgotten with its position. */
  setTopics(topics: Iterable<string>): void {
    const { added, dropped } = this.#streams.want(topics)
    const { status } = this.#machine.state
    if (this.#isPlain || (status !== 'resyncing' && status !== 'live')) return
    if (dropped.length > 0) this.#wire.send({ t: 'unsubscribe', topics: dropped })
    this.#streams.subscribe(added)
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
        break
      case 'forget':
        this.#wire.forget()
        this.#streams.forget()
        this.#incoming.forget()
        this.#tellExtensions('forget')
        break
      case 'send-ping':
        this.#wire.send({ t: 'ping' })
        break
      case 'announce':
        this.#incoming.announce(command.outcome)
        break
      case 'report':
        this.#reporter.report(
          command.code,
          this.#wire.isAsking ? `${command.message} The token provider has not answered.` : command.message,
        )
    }
  }
}
