/** What a bridge is made with, and what it counts. */
import type { QueryClient } from '@tanstack/query-core'
import type { RequestFrame } from './core/cache/batcher.ts'
import type { CacheLimits } from './core/cache/cache-options.ts'
import type { TopicsOfQuery } from './core/cache/topics/topic-interest.ts'
import type { Clock } from './core/clock.ts'
import type { RealtimeError, RealtimeErrorCode } from './core/errors.ts'
import type { EventTable } from './core/routing/event-table.ts'
import type { SessionLimits, WakeSignals } from './core/session/session.ts'
import type { Transport } from './core/transport.ts'

/** Bounds and times. Each has a default; see `CacheLimits` and `SessionLimits`. */
export interface BridgeLimits extends CacheLimits, SessionLimits {
  /** How long a topic stays subscribed after its last user is gone, in ms. @default 10_000 */
  readonly topicLingerMs: number
}

export interface RealtimeQueryBridgeOptions<TTable extends EventTable> {
  /** The app's QueryClient. */
  readonly queryClient: QueryClient
  /** The table made by `defineEvents` (or several, by `mergeEvents`). */
  readonly events: TTable
  /** How events come: `webSocketTransport(…)`, … */
  readonly transport: Transport
  /**
   * Topics, for servers that have them. A list: always subscribed, and keeping live every query that names no
   * topics of its own. A function: the topics of a query, in place of its `meta.topics`.
   * @default []
   */
  readonly topics?: readonly string[] | TopicsOfQuery | undefined
  /**
   * Told of everything that went wrong and was skipped: bad messages, refused topics, failing handlers.
   * @default console.warn, outside production
   */
  readonly onError?: ((error: RealtimeError) => void) | undefined
  /**
   * Who is signed in: any text that differs from user to user. `null`: nobody. Later it is told by `setIdentity`.
   * @default null
   */
  readonly identity?: string | null | undefined
  readonly limits?: Partial<BridgeLimits> | undefined
  /** For tests. @default the platform's */
  readonly clock?: Clock | undefined
  /** For tests: numbers in [0, 1). @default Math.random */
  readonly random?: (() => number) | undefined
  /**
   * What tells of the network and of the page's visibility, where it is not a browser's window (React Native).
   * @default the window's events; none where there is no window
   */
  readonly signals?: WakeSignals | undefined
  /** For tests: makes the ids of mutations. @default crypto.randomUUID */
  readonly createId?: (() => string) | undefined
  /** For tests: when a burst is flushed. @default requestAnimationFrame, or a timer in hidden tabs */
  readonly requestFrame?: RequestFrame | undefined
}

/** What the bridge has counted since it was made. */
export interface BridgeCounts {
  /** Events received, good or bad. */
  readonly events: number
  /** Errors, by code. */
  readonly errors: Readonly<Partial<Record<RealtimeErrorCode, number>>>
}
