/**
 * What comes over the connection:
 *
 *   frame ─▶ message ─▶ extensions, the machine, or a topic ─▶ its events and resyncs ─▶ the app's handlers
 *
 * A plain backend has neither messages nor topics: its frames are events.
 */
import { decodeServerMessage } from '../protocol/codec.ts'
import type { ResyncOutcome, ServerMessage } from '../protocol/messages.ts'
import type { RawMessage, Transport } from '../transport.ts'
import type { SessionExtension } from './extensions/extension.ts'
import type { Machine } from './connection/machine.ts'
import { PlainStream, type PlainOutput } from './topics/plain-stream.ts'
import type { Reporter } from './reporter.ts'
import type { SessionHandlers, TopicResync } from './session-handlers.ts'
import type { StreamInput, StreamOutput } from './topics/topic-stream.ts'
import type { TopicStreams } from './topics/topic-streams.ts'
import type { Wire } from './connection/wire.ts'

export interface IncomingOptions {
  readonly decode: Transport['decode']
  readonly handlers: SessionHandlers
  readonly reporter: Reporter
  readonly machine: Machine
  readonly wire: Wire
  readonly streams: TopicStreams
  readonly extensions: ReadonlyMap<unknown, SessionExtension>
}

export class Incoming {
  readonly #options: IncomingOptions
  readonly #plain = new PlainStream()
  /** Counts users. */
  #user = 0

  constructor(options: IncomingOptions) {
    this.#options = options
  }

  /** L10: what is left of the frame in hand belongs to the last user. */
  forget(): void {
    this.#user++
    this.#plain.forget()
  }

  /** Everything that comes over the connection starts, or starts again after a break. */
  announce(outcome: ResyncOutcome): void {
    this.#plain.reconnected()
    this.#resync({ topic: undefined, outcome, position: undefined })
  }

  received(raw: RawMessage): void {
    const { decode, machine, reporter } = this.#options
    // Nobody else waits for it.
    if (machine.state.probes > 0) machine.dispatch({ type: 'message' })
    if (decode) {
      try {
        this.carryOut(this.#plain.receive(decode(raw)))
      } catch (cause) {
        reporter.report('undecodable', 'decode() threw. The message is skipped.', cause)
      }
      return
    }
    const decoded = decodeServerMessage(raw)
    if (decoded.ok) this.#handle(decoded.message)
    else reporter.error(decoded.error)
  }

  /** Does what a stream says. */
  carryOut(outputs: readonly (StreamOutput | PlainOutput)[], topic = '', isReplay = false): void {
    const { handlers, machine, reporter, wire } = this.#options
    const { link } = wire
    const user = this.#user
    for (const output of outputs) {
      if (user !== this.#user) return // L10: a handler has changed the user, in the midst of a frame.
      switch (output.type) {
        case 'deliver':
          reporter.tell(() => {
            handlers.onEvents(output.events, isReplay)
          })
          break
        case 'resync':
          this.#resync(output)
          break
        case 'ask': // Sent at the end of the frame.
          break
        case 'overdue':
          if (link !== wire.link) break
          reporter.report('transport-failed', `The server gave no answer about the topic "${topic}".`)
          machine.dispatch({ type: 'failed' })
          break
        case 'lost':
          reporter.report('history-lost', `Events of the topic "${topic}" were not replayed. It is reset.`)
          break
        case 'invalid':
          reporter.report('undecodable', 'decode() gave what is no { type, data }. It is skipped.')
      }
    }
  }

  #handle(message: ServerMessage): void {
    const { extensions, machine, reporter, streams, wire } = this.#options
    for (const extension of extensions.values()) if (extension.received(message)) return
    switch (message.t) {
      case 'welcome':
        machine.dispatch({ type: 'welcomed' })
        break
      case 'token-expires':
        void wire.renew()
        break
      case 'going-away':
        machine.dispatch({ type: message.t, retryAfterMs: message.retryAfterMs })
        break
      case 'pong': {
        const { heads } = message
        if (heads) streams.feedAll((topic) => ({ type: 'head', head: heads[topic] }))
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
        streams.feed(message.topic, { ...message, type: message.t } as StreamInput)
        break
      case 'error':
        reporter.report('server-error', `The server reports: ${message.message} (${message.code})`)
        break
      case 'authed': // As it was hoped.
      case 'ack':
      case 'presence-state':
      case 'presence-diff':
      case 'signals': // Taken already.
        break
    }
    streams.flush()
  }

  #refused({ topic, code, message, action }: Omit<ServerMessage & { t: 'refused' }, 't'>): void {
    const { reporter, streams } = this.#options
    const what = action === 'presence' ? `presence in "${topic}"` : `"${topic}"`
    reporter.report('topic-refused', `The server refused ${what} (${code}): ${message}`)
    if (action !== 'presence') streams.feed(topic, { type: 'refused', code })
  }

  #resync(resync: TopicResync): void {
    const { handlers, reporter } = this.#options
    reporter.tell(() => {
      handlers.onResync(resync)
    })
  }
}
