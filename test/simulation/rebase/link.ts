/** The server's end of one connection: it answers `rqb.v1`, or sends plain messages. Frames wait to be delivered. */
import type { ClientMessage, ServerMessage, WireEvent } from '../../../src/core/protocol/messages.ts'
import type { Configuration } from './configurations.ts'
import {
  BOARDS,
  factIsVisible,
  topicOf,
  type Board,
  type Fact,
  type ModelServer,
  type Position,
} from './facts.ts'
import { eventOf } from './wire-events.ts'

export interface LinkEnd {
  onFrame(frame: unknown): void
  onClose(): void
}

interface Frame {
  readonly message: unknown
  /** May be lost, doubled and overtaken: answers to questions may only be lost. */
  readonly isEvent: boolean
}

const boardOfTopic = (topic: string): Board => BOARDS.find((board) => topicOf(board) === topic)!

export class Link {
  readonly client: number
  readonly frames: Frame[] = []
  readonly #server: ModelServer
  readonly #configuration: Configuration
  #end: LinkEnd | undefined
  readonly #topics = new Set<string>()

  constructor(client: number, server: ModelServer, configuration: Configuration, end: LinkEnd) {
    this.client = client
    this.#server = server
    this.#configuration = configuration
    this.#end = end
  }

  /** Sends a fact, if this client is to hear of it. */
  tell(fact: Fact): void {
    const { wire, echo } = this.#configuration
    if (!factIsVisible(fact, this.client) || (!echo && fact.author === this.client)) return
    const topic = topicOf(fact.board)
    if (wire === 'rqb') {
      if (!this.#topics.has(topic)) return
      this.#push({ t: 'events', topic, epoch: fact.position.epoch, events: [this.#wireEvent(fact)] }, true)
      return
    }
    const told = eventOf(fact, this.#configuration)
    const event = { ...told, topic, ...(wire === 'numbered' && { position: fact.position }) }
    this.frames.push({ message: [event], isEvent: true })
  }

  deliver(luck?: number): void {
    if (luck === undefined) return this.#arrive(this.frames.shift())
    const first = this.frames[0]
    if (!first) return
    const isFate = luck % 100
    if (isFate < 8) return void this.frames.shift()
    if (!first.isEvent) return this.#arrive(this.frames.shift())
    const overtaking = this.frames.findIndex(({ isEvent }, index) => !isEvent || index > 3)
    const reach = overtaking === -1 ? this.frames.length : overtaking
    const index = isFate < 30 ? luck % reach : 0
    const frame = this.frames[index]
    if (isFate >= 92) return this.#arrive(frame)
    this.frames.splice(index, 1)
    this.#arrive(frame)
  }

  /** The connection breaks: what was on its way is lost, and the client hears of the end. */
  close(): void {
    const end = this.#end
    this.abandon()
    end?.onClose()
  }

  /** The client has gone. */
  abandon(): void {
    this.#end = undefined
    this.frames.length = 0
  }

  receive(message: ClientMessage): void {
    switch (message.t) {
      case 'hello':
        return this.#push({ t: 'welcome', connectionId: 'model' })
      case 'ping':
        return this.#push({ t: 'pong', heads: this.#heads() })
      case 'unsubscribe':
        for (const topic of message.topics) this.#topics.delete(topic)
        return
      case 'subscribe':
        for (const { topic, position } of message.topics) this.#subscribe(topic, position)
        return
      default: // Presence and what apps send are not part of this.
    }
  }

  #subscribe(topic: string, from: Position | undefined): void {
    this.#topics.add(topic)
    const board = boardOfTopic(topic)
    const position = this.#server.position(board)
    if (!from) return this.#push({ t: 'subscribed', topic, outcome: 'fresh', position })
    const missed = this.#server.missed(board, this.client, from)
    if (!missed) return this.#push({ t: 'subscribed', topic, outcome: 'reset', position })
    const events = missed.map((fact) => this.#wireEvent(fact))
    this.#push({ t: 'subscribed', topic, outcome: 'replayed', position, events })
  }

  #heads(): Record<string, Position> {
    return Object.fromEntries(
      [...this.#topics].map((topic) => [topic, this.#server.position(boardOfTopic(topic))]),
    )
  }

  #wireEvent(fact: Fact): WireEvent {
    const { board, position } = fact
    const told = eventOf(fact, this.#configuration)
    const prev = this.#configuration.filtered
      ? { prev: this.#server.previous(board, this.client, position.offset) }
      : undefined
    return { ...told, offset: position.offset, ...prev }
  }

  #push(message: ServerMessage, isEvent = false): void {
    this.frames.push({ message, isEvent })
  }

  #arrive(frame: Frame | undefined): void {
    if (frame) this.#end?.onFrame(frame.message)
  }
}
