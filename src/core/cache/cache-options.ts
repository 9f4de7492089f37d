/** What the cache stage is given, and what it tells. */
import type { QueryClient } from '@tanstack/query-core'
import type { Clock } from '../clock.ts'
import type { RealtimeError } from '../errors.ts'
import type { Position } from '../event.ts'
import type { RequestFrame } from './batcher.ts'
import type { RoutedEvent } from './plan-batch.ts'

export interface CacheSyncOptions {
  queryClient: QueryClient
  clock: Clock
  readonly random: () => number
  requestFrame: RequestFrame
  limits: CacheLimits
  readonly onError: (error: RealtimeError) => void
  /** Called after the effects of a batch are in the cache. */
  onApplied(batch: readonly RoutedEvent[]): void
}

/** Bounds of the cache stage. */
export interface CacheLimits {
  /** Events that wait for the frame; at the limit they are applied at once. @default 1_000 */
  readonly maxQueuedEvents: number
  /** What is kept per fetch in flight, and of each topic; at the limit a query is fetched once more. @default 1_000 */
  readonly maxJournalEffects: number
  /** Shortest time between the starts of two fetches that events ask for, per query, in ms. @default 200 */
  readonly refetchIntervalMs: number
  /** How many fetches that events ask for run at a time. The others wait in line. @default 6 */
  readonly maxConcurrentRefetches: number
  /**
   * When a server loses its history, its clients hear of it at the same moment: each fetches at random moments within
   * this time, in ms. Those who come back after a drop fetch at once. @default 1_000
   */
  readonly resetSpreadMs: number
  /**
   * How far behind a REST response the event stream may be, in ms. An effect that cannot be applied twice
   * (`update`) and arrives within this time after a response may be in it already: the query is fetched again
   * once this time has passed. @default 5_000
   */
  readonly streamLagMs: number
  /**
   * How long a confirmed mutation waits for the event that it causes, in ms. After that what it touches is fetched.
   * @default 5_000
   */
  readonly echoTimeoutMs: number
  /**
   * How long a response is held at most while a mutation that must not be shown twice is under way, in ms. After that
   * it is not shown, and the query is fetched again. @default 10_000
   */
  readonly barrierTimeoutMs: number
}

export const CACHE_LIMITS: CacheLimits = {
  maxQueuedEvents: 1_000,
  maxJournalEffects: 1_000,
  refetchIntervalMs: 200,
  maxConcurrentRefetches: 6,
  resetSpreadMs: 1_000,
  streamLagMs: 5_000,
  echoTimeoutMs: 5_000,
  barrierTimeoutMs: 10_000,
}

/** What is known of a query's data. */
export interface QueryInspection {
  /** The last confirmed data, under what mutations show. */
  readonly base: unknown
  /** Where in its topics it stands; `undefined`: its responses do not say. */
  readonly positions: Readonly<Record<string, Position>> | undefined
  /** Every event since is in it. */
  readonly isLive: boolean
  /** The mutations shown over it, oldest first. */
  readonly pending: readonly string[]
}

/** What is known of a stream after a break. */
export interface Resync {
  /** `undefined`: everything that comes over the connection. */
  readonly topic?: string | undefined
  readonly position?: Position | undefined
  /** For how long nothing had happened, in ms. */
  readonly quietMs?: number | undefined
  /** It was live until now, and other clients hear of the break at the same moment. */
  readonly wasLive?: boolean | undefined
}
