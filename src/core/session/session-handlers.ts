import type { Position, RealtimeEvent } from '../event.ts'
import type { ResyncOutcome } from '../protocol/messages.ts'
import type { BridgeStatus } from './connection/bridge-status.ts'

/** A topic became current: see `ResyncOutcome`. */
export interface TopicResync {
  /** `undefined`: everything that comes over the connection (plain backends have no topics). */
  readonly topic: string | undefined
  readonly outcome: ResyncOutcome
  /** What is known of the topic now. Absent when the backend keeps no positions. */
  readonly position: Position | undefined
  /** For how long nothing had happened in the topic, in ms, when the server tells. */
  readonly quietMs?: number | undefined
  /** A reset of what was live until now: other clients may hear of it at the same moment. */
  readonly wasLive?: boolean | undefined
}

/** - `live`: its events arrive without a gap. - `resyncing`: on the way. - `unknown`: nobody has asked for it. */
export type TopicState = 'live' | 'resyncing' | 'refused' | 'unknown'

/**
 * What the session tells. A handler that throws is reported and changes nothing. After `stop`, what the frame in hand
 * still holds is told to its end (its positions are counted already); nothing of a later frame is.
 */
export interface SessionHandlers {
  /** The events of one frame. `isReplay`: they answer a subscription, so what was fetched since may contain them. */
  onEvents(events: readonly RealtimeEvent[], isReplay: boolean): void
  /** `replayed` comes after its events; `fresh` and `reset` come before anything later. */
  onResync(resync: TopicResync): void
  onStatus(status: BridgeStatus): void
  /** The state of some topic is another one: see `Session.topicState`. Comes in the midst of a frame, and often. */
  onTopicStates?(): void
}
