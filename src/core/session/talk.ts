import type { Clock } from '../clock.ts'
import type { ClientMessage, ServerMessage } from '../protocol/messages.ts'
import type { SessionLimits } from './limits.ts'
import { Outbox } from './outbox.ts'
import { Presence } from './presence.ts'
import type { Reporter } from './reporter.ts'
import { Signals } from './signals.ts'

export interface TalkOptions {
  readonly clock: Clock
  readonly limits: SessionLimits
  readonly createId: () => string
  readonly reporter: Reporter
  readonly send: (message: ClientMessage) => void
  /** As many as before wait to be sent, or not. */
  readonly onQueued: () => void
}

/** All that is no subscription: what the app says to the server, and what clients say of and to each other. */
export class Talk {
  readonly outbox: Outbox
  readonly presence: Presence
  readonly signals: Signals

  constructor({ clock, limits, createId, reporter, send, onQueued }: TalkOptions) {
    const tell = (call: () => void) => {
      reporter.tell(call)
    }
    const onError = reporter.error.bind(reporter)
    this.outbox = new Outbox({ clock, limits, createId, send, onError, onChange: onQueued })
    this.presence = new Presence({ send, tell })
    this.signals = new Signals({ send, tell })
  }

  /** The connection takes messages. */
  connected(): void {
    this.presence.connected()
    this.outbox.connection(true)
    this.signals.connection(true)
  }

  disconnected(): void {
    this.presence.disconnected()
    this.outbox.connection(false)
    this.signals.connection(false)
  }

  /** Another user (L10). */
  forget(): void {
    this.presence.forget()
    this.outbox.stop()
  }

  /** False: the message is about something else. */
  received(message: ServerMessage): boolean {
    switch (message.t) {
      case 'ack':
        this.outbox.answered(message.id, message)
        return true
      case 'error':
        // The outbox reports the end of a send, and knows which one it was.
        if (message.id === undefined) return false
        this.outbox.answered(message.id, message)
        return true
      case 'presence-state':
      case 'presence-diff':
        this.presence.received(message)
        return true
      case 'signals':
        this.signals.received(message.topic, message.signals)
        return true
      default:
        return false
    }
  }
}
