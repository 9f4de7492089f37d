export {
  RealtimeQueryBridge,
  type BridgeCounts,
  type BridgeLimits,
  type RealtimeQueryBridgeOptions,
} from './bridge.ts'
export type { RequestFrame } from './core/cache/batcher.ts'
export type { CacheLimits, QueryInspection } from './core/cache/cache-options.ts'
export type { EffectExplanation, Explanation, QueryExplanation } from './core/cache/explain.ts'
export type { PendingMutation, PendingStatus } from './core/cache/mutations/pending-mutation.ts'
export type { HeaderSource, PositionSource } from './core/cache/positions/position-source.ts'
export type { PositionedContext } from './core/cache/positions/positioned-fetch.ts'
export type { RealtimeQueryMeta, TopicsOfQuery } from './core/cache/topics/topic-interest.ts'
export { systemClock, type Clock } from './core/clock.ts'
export { RealtimeError, type RealtimeErrorCode } from './core/errors.ts'
export type { Position, RealtimeEvent } from './core/event.ts'
export type { Effect, ItemId, ItemVersion, ListLens, PatchingEffect } from './core/routing/effect.ts'
export {
  drop,
  invalidate,
  patch,
  remove,
  setData,
  update,
  upsert,
  type EffectFilters,
  type PatchOptions,
  type RemoveOptions,
  type UpsertOptions,
} from './core/routing/effects.ts'
export {
  defineEvents,
  mergeEvents,
  on,
  type EventMap,
  type EventRule,
  type EventTable,
  type HandlerResult,
  type InferEvents,
  type PredictedEvent,
  type Register,
  type RegisteredTable,
  type Resolved,
} from './core/routing/event-table.ts'
export { resource, type ResourceOptions } from './core/routing/resource.ts'
export { positioned, presenceOf, signalsOf } from './features.ts'
export type { QueryOfOptions } from './core/cache/topics/live-queries.ts'
export type { PresenceMember, WireSignal } from './core/protocol/messages.ts'
export type {
  Ack,
  BridgeStatus,
  PresenceHold,
  PresenceView,
  SendFate,
  SendOptions,
  SessionLimits,
  SessionStatus,
  StatusReason,
  TopicState,
  WakeSignal,
  WakeSignals,
} from './core/session/session.ts'
export type {
  CloseInfo,
  DecodeMessage,
  HeartbeatOptions,
  RawMessage,
  Transport,
  TransportConnection,
  TransportHandlers,
} from './core/transport.ts'
export { fallback, type FallbackOptions, type FallbackStorage } from './transports/fallback.ts'
