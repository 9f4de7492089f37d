import type { Clock } from '../clock.ts'
import type { Position } from '../event.ts'
import type { Transport } from '../transport.ts'
import type { SessionLimits } from './limits.ts'
import type { Reporter } from './reporter.ts'
import type { SessionHandlers } from './session-handlers.ts'
import type { WakeSignals } from './connection/wake-signals.ts'

export interface SessionOptions {
  readonly transport: Transport
  readonly handlers: SessionHandlers
  readonly reporter: Reporter
  /** @default the platform's */
  readonly clock?: Clock | undefined
  /** Numbers in [0, 1). @default Math.random */
  readonly random?: (() => number) | undefined
  /** @default the browser's, where there is one */
  readonly signals?: WakeSignals | undefined
  readonly limits?: Partial<SessionLimits> | undefined
  /** From where a topic's events are needed that is wanted now. @default from the answer to the subscription */
  readonly startOf?: ((topic: string) => Position | undefined) | undefined
  /** Ids that no other client has. @default random ones */
  readonly createId?: (() => string) | undefined
}
