export { createRealtimeServer } from './realtime-server.ts'
export type {
  DrainOptions,
  RealtimeServer,
  RealtimeServerOptions,
  ServerConnection,
  ServerLogger,
  ServerPlatform,
} from './realtime-server.ts'
export type { PublishedEvent, PublishedEvents, PublishTable } from './publish-event.ts'
export { SendError } from './sends/sends.ts'
export type { SentMessage } from './sends/sends.ts'
export type { RealtimeAction } from './access/rights.ts'
export type { RateLimiter, RateLimiters } from './access/rate-limiter.ts'
export type { RevokeFilter, ServerBus } from './cluster/server-bus.ts'
export type { ServerHealth, ServerStats } from './server-stats.ts'
export type { PresenceMember } from '../core/protocol/messages.ts'
export { tokenExpired } from './connection.ts'
export type { ConnectionRequest, ServerSocket } from './connection.ts'
export type { ServerLimits } from './limits.ts'
export { attachWebSocket } from './sockets/ws.ts'
export type {
  AttachWebSocketOptions,
  CompressionOptions,
  UpgradingServer,
  WebSocketAttachment,
} from './sockets/ws.ts'
export type { FrameCodec } from '../core/protocol/frame-codec.ts'
export type { SharedFrame, SharedFrames } from './sockets/shared-frame.ts'
export { CONNECTION_HEADER, sseHandler } from './sse/sse.ts'
export type { SseHandler, SseHandlerOptions } from './sse/sse.ts'
export { nodeListener } from './sse/node-listener.ts'
export { positionHeader, positionMiddleware, withPosition } from './position-header.ts'
export { idempotent } from './sends/idempotency.ts'
export type {
  IdempotencyClaim,
  IdempotencyStore,
  IdempotentAnswer,
  IdempotentRequest,
} from './sends/idempotency.ts'
export { memoryIdempotencyStore } from './sends/memory-idempotency-store.ts'
export type { MemoryIdempotencyStoreOptions } from './sends/memory-idempotency-store.ts'
export type { AllowedOrigins } from './access/origin.ts'
export { memoryEventLog } from './logs/memory.ts'
export type { MemoryEventLogOptions } from './logs/memory.ts'
export type { EventLog, LogEntry, LogEvent, LogListener, LogRead, NewLogEvent } from './event-log.ts'
export { RealtimeError } from '../core/errors.ts'
export type { RealtimeErrorCode } from '../core/errors.ts'
export type { Position } from '../core/event.ts'
export {
  formatPosition,
  formatPositions,
  parsePosition,
  parsePositions,
  POSITION_HEADER,
} from '../core/protocol/position.ts'
