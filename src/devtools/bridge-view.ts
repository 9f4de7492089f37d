/** What the bridge knows of topics and queries now, as the tabs show it. */
import type { Query } from '@tanstack/query-core'
import type { Position } from '../core/event.ts'
import { BareOverlay } from '../core/overlay/bare-overlay.ts'
import type { StreamLog } from '../core/overlay/stream-log.ts'
import type { AnyBridge } from './recorder.ts'

/** How far a topic has been applied. */
export function positionIn({ cache }: AnyBridge, topic: string): Position | undefined {
  const { overlay } = cache
  return overlay instanceof BareOverlay
    ? overlay.log.heads.get(topic)
    : (overlay.log as StreamLog).position(topic)
}

export interface QueryView {
  /** Every topic that keeps it current is live, now. */
  readonly isLive: boolean
  /** Its topics; `undefined`: it follows the connection as a whole. */
  readonly topics: readonly string[] | undefined
  /**
   * - `untracked`: the bridge keeps no base of it: what is shown is all there is;
   * - `current`: the base has every event in it;
   * - `frozen`: it has missed something, and waits for a fetch.
   */
  readonly base: 'untracked' | 'current' | 'frozen'
  readonly positions: Readonly<Record<string, Position>>
  /** The mutations shown over it. */
  readonly pending: readonly string[]
}

export function viewOf(bridge: AnyBridge, query: Query): QueryView {
  const { cache, interest } = bridge
  const { positions = {}, pending } = cache.overlay.inspect(query)
  const entry = cache.overlay.entries.get(query)
  return {
    isLive: bridge.isLive(query.queryKey),
    topics: interest.topicsOf(query),
    base: entry === undefined ? 'untracked' : entry.isFrozen ? 'frozen' : 'current',
    positions,
    pending,
  }
}
