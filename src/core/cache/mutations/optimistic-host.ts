/** What mutations need of the cache stage, and of the app. */
import type { Query, QueryKey } from '@tanstack/query-core'
import type { Clock } from '../../clock.ts'
import type { RealtimeError } from '../../errors.ts'
import type { Overlay } from '../../overlay/overlay.ts'
import type { TemporaryIds } from '../../overlay/temporary-ids.ts'
import type { Effect } from '../../routing/effect.ts'

/** Gives what the cache shows below a mutation. */
export type ReadBelow = (queryKey: QueryKey) => unknown

export interface OptimisticHost {
  overlay: Overlay<Query>
  clock: Clock
  echoTimeoutMs: number
  readonly affected: (effects: readonly Effect[]) => Set<Query>
  readonly find: (queryKey: QueryKey) => Query | undefined
  /** When the oldest fetch in flight of these queries began, in ticks. */
  readonly oldestFetch: (queries: readonly Query[]) => number
  /** Shows a query as it is when what runs together has ended. */
  readonly show: (query: Query) => void
  /** What runs in it is one step for everybody who looks on. */
  readonly together: (step: () => void) => void
  readonly invalidate: (query: Query) => void
  /** False while the bridge is stopped: no query is known then. */
  readonly isAttached: () => boolean
  /** Whether a fetch of a query is in flight, or wanted. */
  readonly isAwaited: (query: Query) => boolean
  readonly onError: (error: RealtimeError) => void
}

export interface OptimisticOptions extends OptimisticHost {
  ids: TemporaryIds
}
