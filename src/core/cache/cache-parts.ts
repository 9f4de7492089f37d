import type { Query } from '@tanstack/query-core'
import type { QueryOverlay } from '../overlay/bare-overlay.ts'
import type { CacheSyncOptions } from './cache-options.ts'
import type { CacheWriter } from './cache-writer.ts'
import type { FailedEffects } from './effect-failed.ts'
import type { FetchJournal } from './fetches/fetch-journal.ts'
import type { ForeignWrites } from './foreign-writes.ts'
import type { KeyIndex } from './matching/key-index.ts'
import type { Optimistic } from './mutations/optimistic.ts'
import type { QueryPositions } from './positions/query-positions.ts'
import type { Refetches } from './fetches/refetches.ts'
import type { View } from './view.ts'

/** What the parts of the cache stage share: `CacheSync` has it, and each part names what it works with. */
export interface CacheParts {
  readonly options: CacheSyncOptions
  readonly index: KeyIndex
  readonly writer: CacheWriter
  readonly journal: FetchJournal
  readonly refetches: Refetches
  readonly foreignWrites: ForeignWrites
  readonly view: View
  readonly failed: FailedEffects
  /** Not to be kept: a bare one may give way to another. */
  readonly overlay: QueryOverlay<Query>
  /** What is known of positions beside it, once responses say them. */
  readonly positions: QueryPositions | undefined
  /** The mutations that are shown before they are confirmed, once the app has any. */
  readonly optimistic: Optimistic | undefined
  /** False: the cache is not ours to write. */
  readonly isAttached: boolean
  /** The confirmed data of a query, under what mutations show. */
  baseOf(query: Query): unknown
  /** Applies what has arrived and waits for its frame. */
  flush(): void
}
