/** What devtools see of a bridge while they are attached. Nothing in the bridge depends on whether they are. */
import type { RoutedEvent } from './core/cache/plan-batch.ts'
import type { RealtimeEvent } from './core/event.ts'
import type { Resolved } from './core/routing/event-table.ts'
import type { Ack, TopicResync } from './core/session/session.ts'

/** Told in the midst of things, so it must neither throw nor call the bridge. */
export interface BridgeTap {
  /** An event has arrived. `resolved`: what the table makes of it. */
  onEvent(event: RealtimeEvent, resolved: Resolved, isReplay: boolean): void
  /** A batch is in the cache. */
  onApplied(batch: readonly RoutedEvent[]): void
  /** A topic has become current, or could not. */
  onResync(resync: TopicResync): void
  /** The app sends. */
  onSend(type: string, data: unknown, ack: Promise<Ack>): void
}
