import type { Clock } from '../core/clock.ts'
import type { RealtimeError } from '../core/errors.ts'
import type { Connection } from './connection.ts'
import type { ConnectionRequest } from './sockets/server-socket.ts'
import type { Counts } from './counts.ts'
import type { FanOut } from './topics/fan-out.ts'
import type { Gate } from './access/gate.ts'
import type { ServerLimits } from './limits.ts'
import type { LogReader } from './topics/log-reader.ts'
import type { PresenceHub } from './presence/presence-hub.ts'
import type { Questions } from './access/questions.ts'
import type { RateLimiters } from './access/rate-limiter.ts'
import type { RealtimeAction } from './access/rights.ts'
import type { SentMessage } from './sends/sends.ts'
import type { ServerCounters } from './server-stats.ts'
import type { SignalHub } from './presence/signal-hub.ts'
import type { WriteQueue } from './sockets/write-queue.ts'

/** What the connections of a server share. */
export interface ServerContext {
  readonly reader: LogReader
  readonly fanOut: FanOut
  readonly writes: WriteQueue
  readonly presence: PresenceHub
  readonly signals: SignalHub
  readonly limits: ServerLimits
  readonly rateLimiters: RateLimiters
  /** Connections of each user, and of each address. */
  readonly users: Counts
  readonly addresses: Counts
  /** Questions about rights that a lease has raised go through it, so that they do not come all at once. */
  readonly gate: Gate
  /** Everything that the app's functions are asked goes through these. */
  readonly authentications: Questions
  readonly authorizations: Questions
  readonly counters: ServerCounters
  /** For everything but what is compared with other machines: nobody sets it. */
  readonly clock: Clock
  readonly timeOfDay: () => number
  readonly random: () => number
  readonly newId: () => string
  readonly leaseMs: number
  readonly renewBeforeMs: number
  readonly presenceTtlMs: number
  authenticate(input: { token: string | undefined; request: ConnectionRequest; previous?: unknown }): unknown
  authorize(input: { identity: unknown; topic: string; action: RealtimeAction }): unknown
  userId(identity: unknown): string | undefined
  expiresAt(identity: unknown): number | undefined
  clientAddress(request: ConnectionRequest): string | undefined
  readonly onSend: ((message: SentMessage<unknown>) => unknown) | undefined
  /** A socket has closed. */
  gone(connection: Connection, code: number, reason: string): void
  report(error: RealtimeError): void
  /** Tells the app's logger. */
  note(level: 'debug' | 'warn', message: string, details: Readonly<Record<string, unknown>>): void
}
