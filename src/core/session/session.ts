/**
 * The shell that runs the machines: `session-state.ts` decides about the connection, `topic-stream.ts` about each
 * topic. The shell owns what they must not touch: the clock, the transport, the handlers.
 *
 * What handlers and transports call back into it is put in line (`#events`) while the machine runs. Whatever comes
 * late (a token, a frame of the last connection) finds another `#link` or `#round`, and is ignored.
 */
import { systemClock, type Clock } from '../clock.ts'
import { RealtimeError, type RealtimeErrorCode } from '../errors.ts'
import { decodeServerMessage, encodeMessage } from '../protocol/codec.ts'
import type { ClientMessage, ServerMessage } from '../protocol/messages.ts'
import type { CloseInfo, RawMessage, Transport, TransportConnection } from '../transport.ts'
import { Alarm } from './alarm.ts'
import { isSameStatus, statusOf, type BridgeStatus } from './bridge-status.ts'
import { heartbeatOf } from './heartbeat.ts'
import { SESSION_LIMITS, type SessionLimits } from './limits.ts'
import { PlainStream, type PlainOutput } from './plain-stream.ts'
import type { SessionHandlers, TopicState } from './session-handlers.ts'
import {
  INITIAL_STATE,
  transition,
  type SessionCommand,
  type SessionConfig,
  type SessionEvent,
  type SessionState,
} from './session-state.ts'
import type { StreamInput, StreamOutput } from './topic-stream.ts'
import { TopicStreams } from './topic-streams.ts'
import { browserSignals, type WakeSignals } from './wake-signals.ts'

export type { BridgeStatus } from './bridge-status.ts'
export type { SessionLimits } from './limits.ts'
export type { SessionHandlers, TopicResync, TopicState } from './session-handlers.ts'
export type { SessionStatus, StatusReason } from './session-state.ts'
export type { WakeSignal, WakeSignals } from './wake-signals.ts'

export interface SessionOptions {
  readonly transport: Transport
  readonly handlers: SessionHandlers
  /** @default the platform's */
  readonly clock?: Clock | undefined
  /** Numbers in [0, 1). @default Math.random */
  readonly random?: (() => number) | undefined
  /** @default the browser's, where there is one */
  readonly signals?: WakeSignals | undefined
  readonly limits?: Partial<SessionLimits> | undefined
}

/** How often at most the machine is told that something arrived, in ms, unless a ping waits for it. */
const HEARD_MS = 100

export class Session {
  readonly #transport: Transport
  readonly #handlers: SessionHandlers
  readonly #clock: Clock
  readonly #random: () => number
  readonly #signals: WakeSignals
  readonly #config: SessionConfig

  #state: SessionState = INITIAL_STATE
  #status: BridgeStatus = statusOf(INITIAL_STATE)
  /** What has happened and was not yet put to the machine. The first is being worked on. */
  readonly #events: SessionEvent[] = []

  readonly #streams: TopicStreams
  readonly #plain = new PlainStream()
  #hasTooManyTopics = false

  #connection: TransportConnection | undefined
  /** Counts connections: a handler of an earlier one is deaf. */
  #link = 0
  /** Counts questions for a token: an earlier answer is void. */
  #round = 0
  readonly #alarm: Alarm
  #unlisten: (() => void) | undefined

  constructor({ transport, handlers, clock, random, signals, limits }: SessionOptions) {
    this.#transport = transport
    this.#handlers = handlers
    this.#clock = clock ?? systemClock
    this.#random = random ?? Math.random
    this.#signals = signals ?? browserSignals()
    this.#alarm = new Alarm(this.#clock, () => {
      this.#dispatch({ type: 'timer' })
    })
    this.#config = {
      isPlain: !!transport.decode,
      isManaged: transport.mode === 'managed',
      heartbeat: heartbeatOf(transport),
      limits: { ...SESSION_LIMITS, ...limits },
    }
    this.#streams = new TopicStreams({
      clock: this.#clock,
      limits: this.#config.limits,
      carryOut: (outputs, topic, isReplay) => {
        this.#carryOut(outputs, topic, isReplay)
      },
      send: (message) => {
        this.#send(message)
      },
      onPhase: () => {
        this.#tell(() => this.#handlers.onTopicStates?.())
      },
    })
  }

  /** Connects. Does nothing when started. Topics refused before, and a session closed for good, are tried again. */
  start(): void {
    if (this.#isOver) this.#streams.feedAll(() => ({ type: 'restarted' }))
    this.#dispatch({ type: 'start', isOnline: this.#signals.isOnline() })
  }

  /**
   * Disconnects and leaves no timer, listener or socket (L9). Positions are kept for the next `start`. Called from
   * `onStatus` or `onError`, it takes effect when the handler returns.
   */
  stop(): void {
    this.#dispatch({ type: 'stop' })
  }

  get #isOver(): boolean {
    const { status } = this.#state
    return status === 'idle' || status === 'closed'
  }

  get status(): BridgeStatus {
    return this.#status
  }

  /** What is known of one topic. A plain backend has one stream, and every wanted topic has its state. */
  topicState(topic: string): TopicState {
    const known = this.#streams.phase(topic)
    if (!known || this.#isOver) return 'unknown'
    const phase = this.#config.isPlain ? this.#state.status : known
    return phase === 'live' || phase === 'refused' ? phase : 'resyncing'
  }

  /** The topics that are wanted now, all of them. A topic that is dropped is forgotten with its position. */
  setTopics(topics: Iterable<string>): void {
    const { maxTopics } = this.#config.limits
    const all = [...new Set(topics)]
    const { added, dropped } = this.#streams.want(new Set(all.slice(0, maxTopics)))
    const { status } = this.#state
    if (!this.#config.isPlain && (status === 'resyncing' || status === 'live')) {
      if (dropped.length > 0) this.#send({ t: 'unsubscribe', topics: dropped })
      this.#streams.subscribe(added)
      this.#checkAnswers()
    }
    const hasTooMany = all.length > maxTopics
    if (hasTooMany && !this.#hasTooManyTopics) {
      this.#report('usage', `${all.length} topics are wanted: raise limits.maxTopics (${maxTopics}).`)
    }
    this.#hasTooManyTopics = hasTooMany
  }

  #dispatch(event: SessionEvent): void {
    if (this.#events.push(event) > 1) return
    try {
      for (let next; (next = this.#events[0]); this.#events.shift()) {
        const input = { ...next, now: this.#clock.now(), random: this.#random() }
        const { state, commands } = transition(this.#state, input, this.#config)
        this.#state = state
        for (const command of commands) this.#execute(command)
        this.#reflect(state)
      }
    } finally {
      this.#events.length = 0 // Empty already, unless a clock or signals of the app's own have thrown.
    }
  }

  /** Brings timer, listeners and status in line with the state. */
  #reflect(state: SessionState): void {
    this.#alarm.set(state.timerAt)
    if (this.#isOver) {
      this.#unlisten?.()
      this.#unlisten = undefined
    } else {
      this.#unlisten ??= this.#signals.listen((type) => {
        this.#dispatch({ type })
      })
    }
    const now = statusOf(state)
    if (isSameStatus(now, this.#status)) return
    this.#status = now
    this.#tell(() => {
      this.#handlers.onStatus(now)
    })
  }

  #execute(command: SessionCommand): void {
    switch (command.type) {
      case 'dial':
        this.#connect()
        break
      case 'hang-up':
        this.#link++
        this.#disconnected()
        this.#tell(() => this.#connection?.close(command.code))
        this.#connection = undefined
        break
      case 'send-hello':
        void this.#hello(++this.#round)
        break
      case 'send-subscribe':
        this.#streams.subscribe()
        this.#checkAnswers()
        break
      case 'send-ping':
        this.#send({ t: 'ping' })
        break
      case 'announce':
        this.#plain.reconnected()
        this.#tell(() => {
          this.#handlers.onResync({ topic: undefined, outcome: command.outcome, position: undefined })
        })
        break
      case 'report':
        this.#report(command.code, command.message)
    }
  }

  #connect(): void {
    const link = ++this.#link
    const ifOurs =
      <TArgs extends unknown[]>(handle: (...args: TArgs) => void) =>
      (...args: TArgs) => {
        if (link === this.#link) handle(...args)
      }
    try {
      this.#connection = this.#transport.connect({
        onOpen: ifOurs(() => {
          this.#dispatch({ type: 'opened' })
        }),
        onMessage: ifOurs((raw: RawMessage) => {
          this.#received(raw)
        }),
        onClose: ifOurs(({ code }: CloseInfo) => {
          if (!this.#config.isManaged) {
            this.#link++
            this.#connection = undefined
          }
          this.#disconnected()
          this.#dispatch({ type: 'closed', code })
        }),
        onError: ifOurs((cause: unknown) => {
          this.#report('transport-failed', `The ${this.#transport.name} transport failed.`, cause)
        }),
      })
    } catch (cause) {
      this.#failed(`The ${this.#transport.name} transport could not connect.`, cause)
    }
  }

  /** The token is asked for on every connection anew. */
  async #hello(round: number): Promise<void> {
    try {
      const token = await this.#transport.token?.()
      if (round === this.#round) this.#send({ t: 'hello', token: token ?? undefined })
    } catch (cause) {
      if (round === this.#round) this.#failed('The token provider failed. The next dial asks again.', cause)
    }
  }

  /** The connection is gone, or good for nothing: what hangs on it goes too. Positions stay. */
  #disconnected(): void {
    this.#round++
    this.#streams.disconnect()
  }

  #send(message: ClientMessage): void {
    const { decode, heartbeat } = this.#transport
    try {
      // A plain backend is sent nothing but the ping that the app has given.
      const frame = decode ? heartbeat && heartbeat.ping?.() : encodeMessage(message)
      if (frame) this.#connection?.send(frame)
    } catch (cause) {
      this.#failed('The transport could not send.', cause)
    }
  }

  /** This side cannot go on with the connection. */
  #failed(message: string, cause?: unknown): void {
    this.#report('transport-failed', message, cause)
    this.#dispatch({ type: 'failed' })
  }

  #received(raw: RawMessage): void {
    const { heardAt, probes } = this.#state
    // Not for every frame of a burst: the heartbeat counts in seconds.
    if (probes > 0 || this.#clock.now() - heardAt >= HEARD_MS) this.#dispatch({ type: 'message' })
    if (this.#config.isPlain) {
      try {
        this.#carryOut(this.#plain.receive(this.#transport.decode?.(raw)))
      } catch (cause) {
        this.#report('undecodable', 'decode() threw. The message is skipped.', cause)
      }
      return
    }
    const decoded = decodeServerMessage(raw)
    if (decoded.ok) this.#handle(decoded.message)
    else this.#reportError(decoded.error)
  }

  #handle(message: ServerMessage): void {
    const { t } = message
    if (t === 'welcome') this.#dispatch({ type: 'welcomed' })
    else if (t === 'going-away') this.#dispatch({ ...message, type: t })
    else if (t === 'error') {
      this.#report('server-error', `The server reports: ${message.message} (${message.code})`)
    } else if (t === 'pong') {
      const { heads } = message
      if (heads) this.#streams.feedAll((topic) => ({ type: 'head', head: heads[topic] }))
    } else {
      const { topic } = message
      if (t === 'refused') {
        this.#report('topic-refused', `The server refused "${topic}" (${message.code}): ${message.message}`)
      }
      this.#streams.feed(topic, { ...message, type: t } as StreamInput)
    }
    this.#streams.flush()
    this.#checkAnswers()
  }

  #checkAnswers(): void {
    if (this.#state.status === 'resyncing' && this.#streams.isAnswered) this.#dispatch({ type: 'resynced' })
  }

  #carryOut(outputs: readonly (StreamOutput | PlainOutput)[], topic = '', isReplay = false): void {
    const link = this.#link
    for (const output of outputs) {
      switch (output.type) {
        case 'deliver':
          this.#tell(() => {
            this.#handlers.onEvents(output.events, isReplay)
          })
          break
        case 'resync':
          this.#tell(() => {
            this.#handlers.onResync(output)
          })
          break
        case 'ask': // Sent at the end of the frame.
          break
        case 'overdue':
          if (link === this.#link) this.#failed(`The server gave no answer about the topic "${topic}".`)
          break
        case 'lost':
          this.#report('history-lost', `Events of the topic "${topic}" were not replayed. It is reset.`)
          break
        case 'invalid':
          this.#report('undecodable', 'decode() gave what is no { type, data }. It is skipped.')
      }
    }
  }

  #report(code: RealtimeErrorCode, message: string, cause?: unknown): void {
    // An error of the library says more itself: what a transport needs that is not there.
    this.#reportError(cause instanceof RealtimeError ? cause : new RealtimeError(code, message, { cause }))
  }

  #reportError(error: RealtimeError): void {
    try {
      this.#handlers.onError(error)
    } catch (cause) {
      // Its own failure cannot be reported to itself: it becomes an uncaught error.
      queueMicrotask(() => {
        throw cause
      })
    }
  }

  /** Runs code that is not ours: what it throws is reported, and the session goes on. */
  #tell(call: () => void): void {
    try {
      call()
    } catch (cause) {
      this.#report('listener-failed', 'A handler of the session threw.', cause)
    }
  }
}
