import type { MutationKey } from '@tanstack/query-core'
import type { RealtimeQueryBridge } from '../bridge.ts'
import type { Clock } from '../core/clock.ts'
import { RealtimeError } from '../core/errors.ts'
import type { EventTable } from '../core/routing/event-table.ts'
import { MutationQueue } from './mutation-queue.ts'
import type { MutationPersister } from './mutation-store.ts'
import type { GivenUpReason } from './plan-queue.ts'
import type { TabChannel, TabLocks } from './tabs.ts'

/** A stored mutation that is not going to be sent. */
export interface GivenUpMutation {
  readonly mutationId: string
  readonly mutationKey: MutationKey
  readonly variables: unknown
  /** When `mutate` was called, in epoch ms. */
  readonly submittedAt: number
  readonly reason: GivenUpReason
}

export interface PersistMutationsOptions {
  readonly bridge: RealtimeQueryBridge<EventTable>
  /** Any persister of TanStack's with a key of its own, and a `throttleTime` of 0. */
  readonly persister: MutationPersister
  /** Told of stored mutations that are not going to be sent, oldest first. */
  readonly onGivenUp?: ((mutations: readonly GivenUpMutation[]) => void) | undefined
  /** Mutations that are older when they are restored are given up, in ms. @default 24 hours */
  readonly maxAgeMs?: number | undefined
  /** How many are stored, of all tabs together. One more runs, and is not stored. @default 100 */
  readonly maxCount?: number | undefined
  /** Change it when old variables are not understood any more: mutations stored under another one are given up. */
  readonly buster?: string | undefined
  /** Names the locks: one name for one store. @default 'realtime-query-bridge' */
  readonly name?: string | undefined
  /** Keeps the tabs apart; `null`: this page has the store for itself. @default navigator.locks, where there is one */
  readonly locks?: TabLocks | null | undefined
  /** For tests. @default BroadcastChannel, with the browser's locks */
  readonly channel?: TabChannel | undefined
  /** For tests. @default the platform's */
  readonly clock?: Clock | undefined
}

export interface PersistedMutations {
  /** What was stored is back in the MutationCache, shown and on its way. It never rejects. */
  readonly restored: Promise<void>
  /** Resolves when the store has what is pending now. It never rejects: what went wrong is told by `onError`. */
  flush(): Promise<void>
  /** Ends it. What is stored stays; another tab may take it over. */
  stop(): void
}

const persisted = new WeakMap<object, PersistedMutations>()

/** Whether `persistMutations` takes care of the mutations of a bridge. */
export const isPersisted = (bridge: object): boolean => persisted.has(bridge)

/**
 * Stores the pending mutations of a bridge, and brings them back: under their own mutationId, so that the server carries
 * each out once; shown over what the cache has; sent in their order. Several tabs may share one store: what a tab that
 * has died leaves is taken over by exactly one other.
 *
 * A mutation is stored when it has a `mutationKey`. To be sent after a reload it needs its options under that key:
 * `queryClient.setMutationDefaults(key, realtimeMutationOptions(bridge, …))`, before this is called.
 *
 * @throws RealtimeError `usage`: the mutations of this bridge are persisted already.
 * @example
 * const offline = persistMutations({
 *   bridge,
 *   persister: createAsyncStoragePersister({ storage: localStorage, key: 'mutations', throttleTime: 0 }),
 *   onGivenUp: (mutations) => toast(`${mutations.length} changes could not be saved.`),
 * })
 */
export function persistMutations(options: PersistMutationsOptions): PersistedMutations {
  const { bridge } = options
  if (persisted.has(bridge)) {
    throw new RealtimeError(
      'usage',
      'The mutations of this bridge are persisted already. Stop that one first.',
    )
  }
  const queue = new MutationQueue({ ...options, onStop: () => persisted.delete(bridge) })
  persisted.set(bridge, queue)
  return queue
}
