import type { RealtimeEvent } from '../core/event.ts'
import type { ClientMessage, ServerMessage, WireEvent } from '../core/protocol/messages.ts'
import type { CloseInfo, TransportConnection, TransportHandlers } from '../core/transport.ts'
import type { RealtimeServer, ServerConnection } from '../server/server-options.ts'
import { later } from './later.ts'
import { outsideOfAct } from './outside-of-act.ts'

export interface MemoryWireOptions {
  readonly server: Pick<RealtimeServer<never>, 'opened'>
  readonly handlers: TransportHandlers
  readonly isDown: () => boolean
  /** As a backend without topics: what is pushed is all that comes over it. */
  readonly isPlain: boolean
  /** Whether the event gets lost on its way. */
  readonly isLost: (topic: string, epoch: string, event: WireEvent) => boolean
  /** Hears what the client sends. */
  readonly onSent: (message: ClientMessage) => void
  readonly onGone: () => void
}

/** One connection between a session and the server kit, in this process: text frames, in order, both ways. */
export class MemoryWire implements TransportConnection {
  /** Topics whose events come over it. */
  readonly subscribed = new Set<string>()
  /** Topics that the client has asked for and the server has not answered. */
  readonly asked = new Set<string>()
  readonly #options: MemoryWireOptions
  #server: ServerConnection | undefined
  #isOpened = false
  #isOver = false

  constructor(options: MemoryWireOptions) {
    this.#options = options
    later(() => {
      this.#open()
    })
  }

  get isOpen(): boolean {
    return this.#isOpened && !this.#isOver
  }

  /** Called by the client. */
  send(data: string | Uint8Array): void {
    const message = JSON.parse(String(data)) as ClientMessage
    this.#options.onSent(message)
    if (message.t === 'subscribe') for (const { topic } of message.topics) this.asked.add(topic)
    else if (message.t === 'unsubscribe') for (const topic of message.topics) this.#left(topic)
    later(() => {
      if (!this.#isOver) this.#server?.message(data)
    })
  }

  /** Called by the client. */
  close(code = 1000, reason = ''): void {
    if (!this.#end()) return
    later(() => {
      this.#server?.closed(code, reason)
    })
  }

  /** The network ends it: both sides notice, and what was on its way is lost. */
  cut({ code = 1006, reason = '' }: Partial<CloseInfo> = {}): void {
    if (!this.#end()) return
    this.#server?.closed(code, reason)
    later(() => {
      this.#tell((handlers) => {
        handlers.onClose({ code, reason })
      })
    })
  }

  /** An event of a plain backend. */
  push(event: RealtimeEvent): void {
    const frame = JSON.stringify(event)
    if (this.#options.isPlain && this.isOpen) this.#arrive(frame)
  }

  #open(): void {
    if (this.#isOver) return
    const { isDown, isPlain } = this.#options
    if (isDown()) {
      this.cut({ reason: 'the server is down' })
      return
    }
    this.#isOpened = true
    if (!isPlain) this.#connect()
    // The server may refuse a connection as it opens.
    if (this.#isOver) return
    this.#tell((handlers) => {
      handlers.onOpen()
    })
  }

  #connect(): void {
    this.#server = this.#options.server.opened(
      {
        send: (text) => {
          this.#deliver(text)
        },
        close: (code, reason) => {
          // After what was sent before.
          later(() => {
            this.cut({ code, reason })
          })
        },
      },
      { headers: {} },
    )
  }

  #deliver(text: string): void {
    const message = JSON.parse(text) as ServerMessage
    const frame = message.t === 'events' ? this.#arriving(message) : text
    later(() => {
      if (!this.#isOver) this.#note(message)
    })
    if (frame !== undefined) this.#arrive(frame)
  }

  #arrive(frame: string): void {
    later(() => {
      if (this.#isOver) return
      this.#tell((handlers) => {
        handlers.onMessage(frame)
      })
    })
  }

  /** What of a frame arrives. */
  #arriving(message: ServerMessage & { readonly t: 'events' }): string | undefined {
    const { isLost } = this.#options
    const events = message.events.filter((event) => !isLost(message.topic, message.epoch, event))
    return events.length === 0 ? undefined : JSON.stringify({ ...message, events })
  }

  #note(message: ServerMessage): void {
    if (message.t === 'subscribed') {
      this.asked.delete(message.topic)
      this.subscribed.add(message.topic)
    } else if (message.t === 'refused' || message.t === 'revoked') {
      if (message.action === undefined || message.action === 'subscribe') this.#left(message.topic)
    }
  }

  #left(topic: string): void {
    this.asked.delete(topic)
    this.subscribed.delete(topic)
  }

  #tell(run: (handlers: TransportHandlers) => void): void {
    outsideOfAct(() => {
      run(this.#options.handlers)
    })
  }

  #end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.asked.clear()
    this.subscribed.clear()
    this.#options.onGone()
    return true
  }
}
