/**
 * What is said over a connection beside subscriptions: sends, presence, signals. A session gets each when it is first
 * used (`Session.use`), so that an app ships those that it uses.
 */
import type { Clock } from '../../clock.ts'
import type { ClientMessage, ServerMessage } from '../../protocol/messages.ts'
import type { SessionLimits } from '../limits.ts'
import type { Reporter } from '../reporter.ts'

/** What an extension is given. */
export interface SessionLink {
  readonly clock: Clock
  readonly limits: SessionLimits
  readonly createId: () => string
  readonly reporter: Reporter
  readonly send: (message: ClientMessage) => void
  /** The transport speaks the messages of its backend: none of an extension's. */
  readonly isPlain: boolean
  /** The session is not started, or was stopped: nothing may wait for a connection. */
  readonly isStopped: () => boolean
  /** Tells how many sends wait. */
  readonly onQueued: (count: number) => void
}

export interface SessionExtension {
  /** The connection takes messages. */
  connected?(): void
  disconnected?(): void
  /** Started again after its end: what was refused may be asked for again. */
  restarted?(): void
  stopped?(): void
  /** Another user (L10). */
  forget?(): void
  /** True: the message was for this extension alone. */
  received(message: ServerMessage): boolean
}

export type SessionExtensionClass<TExtension extends SessionExtension> = new (link: SessionLink) => TExtension
