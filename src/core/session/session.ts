import type { Clock } from '../clock.ts'
import type { RealtimeError } from '../errors.ts'
import type { Position, RealtimeEvent } from '../event.ts'
import type { ResyncOutcome } from '../protocol/messages.ts'
import type { Transport } from '../transport.ts'
import type { SessionLimits } from './limits.ts'

export type { SessionLimits } from './limits.ts'

/**
 * - `idle`: not started yet.
 * - `connecting`, `handshaking`, `resyncing`: on the way; topics become live one by one in the last.
 * - `live`: connected, and every topic is current or refused.
 * - `waiting`: the next dial is at `retryAt` (a managed source: when it says so).
 * - `offline`: the browser says that there is no network.
 * - `closed`: by `stop`, or by the server for good: `reason` tells which. Only `start` leaves it.
 */
export type SessionStatus =
  'idle' | 'connecting' | 'handshaking' | 'resyncing' | 'live' | 'waiting' | 'offline' | 'closed'

/** The connection, for people. The same object until something changes. */
export interface BridgeStatus {
  readonly status: SessionStatus
  /** Why it is not live: `stopped`, `unauthorized`, `forbidden`, `rejected`, `lost`, `timeout`, … */
  readonly reason?: string | undefined
  /** Dials since it was last live. 0 while live. */
  readonly attempt: number
  /** When the next dial is made, in ms of the clock. Only while `waiting`. */
  readonly retryAt?: number | undefined
  /** Sends that wait for a connection. */
  readonly queued: number
}

/** A topic became current: see `ResyncOutcome`. */
export interface TopicResync {
  /** `undefined`: everything that comes over the connection (plain backends have no topics). */
  readonly topic: string | undefined
  readonly outcome: ResyncOutcome
  /** What is known of the topic now. Absent when the backend keeps no positions. */
  readonly position: Position | undefined
  /** For how long nothing had happened in the topic, in ms, when the server tells. */
  readonly quietMs?: number | undefined
}

/** - `live`: its events arrive without a gap. - `resyncing`: on the way. - `unknown`: nobody asked for it. */
export type TopicState = 'live' | 'resyncing' | 'refused' | 'unknown'

export interface SessionHandlers {
  /** The events of one frame. `isReplay`: they answer a subscription, and may be older than what was fetched since. */
  onEvents(events: readonly RealtimeEvent[], isReplay: boolean): void
  /** `replayed` comes after its events; `fresh` and `reset` come before anything later. */
  onResync(resync: TopicResync): void
  onStatus(status: BridgeStatus): void
  onError(error: RealtimeError): void
}

export interface SessionOptions {
  readonly transport: Transport
  readonly handlers: SessionHandlers
  /** @default the platform's */
  readonly clock?: Clock | undefined
  /** Numbers in [0, 1). @default Math.random */
  readonly random?: (() => number) | undefined
  readonly limits?: Partial<SessionLimits> | undefined
}

export declare class Session {
  constructor(options: SessionOptions)
  /** Connects. Does nothing when started. */
  start(): void
  /** Disconnects and leaves no timer, listener or socket. Positions are kept for the next `start`. */
  stop(): void
  /** The topics that are wanted now, all of them. */
  setTopics(topics: Iterable<string>): void
  get status(): BridgeStatus
  topicState(topic: string): TopicState
}
