/** What the recorder keeps of each thing that passes. Entries are replaced, never changed. */
import type { QueryFilters, QueryKey } from '@tanstack/query-core'
import type { PendingStatus } from '../core/cache/mutations/pending-mutation.ts'
import type { RealtimeErrorCode } from '../core/errors.ts'
import type { Position } from '../core/event.ts'
import type { Effect } from '../core/routing/effect.ts'
import type { Ack, BridgeStatus } from '../core/session/session.ts'

/**
 * - `changed`: it shows other data;
 * - `unchanged`: it has shown this already, or it holds none of what the effect is about;
 * - `fetched`: it is out of date, and is fetched now or shortly;
 * - `stale`: it is out of date, and fetched when it is on screen again;
 * - `no-data`: it has nothing yet that could change;
 * - `dropped`: it has left the cache, or begins anew.
 */
export type Outcome = 'changed' | 'unchanged' | 'fetched' | 'stale' | 'no-data' | 'dropped'

export interface TouchedQuery {
  readonly queryKey: QueryKey
  readonly queryHash: string
  /** Absent: it waits for its frame. */
  readonly outcome?: Outcome | undefined
}

/** An effect without what it carries. */
export interface RecordedEffect {
  readonly kind: Effect['kind']
  /** In words. */
  readonly description: string
  readonly filters: QueryFilters
  /** Empty: no cached query is meant. */
  readonly queries: readonly TouchedQuery[]
}

interface About {
  readonly type: string
  readonly topic?: string | undefined
  readonly position?: Position | undefined
  readonly mutationId?: string | undefined
}

export interface EventEntry extends About {
  readonly kind: 'event'
  readonly data: unknown
  /** It has come by replay. */
  readonly isReplay: boolean
  /** It is the echo of a mutation of this client. */
  readonly isOwn: boolean
  readonly effects: readonly RecordedEffect[]
  /** How many events were written together with it, itself included. Absent: it waits for its frame. */
  readonly together?: number | undefined
}

/** An event that the table has refused. */
export interface RefusedEntry extends About, Failure {
  readonly kind: 'refused'
  readonly data: unknown
}

export interface Failure {
  readonly code: RealtimeErrorCode
  readonly message: string
  readonly details: unknown
}

export interface ErrorEntry extends Failure {
  readonly kind: 'error'
  readonly cause: unknown
}

export interface StatusEntry {
  readonly kind: 'status'
  readonly status: BridgeStatus
}

/** Another user is signed in: what was recorded of the last one is gone. */
export interface UserEntry {
  readonly kind: 'user'
}

/**
 * - `wanted`, `left`: the app asks for it, or does not any more;
 * - `fresh`: subscribed for the first time, `replayed`: what was missed has come, `reset`: it could not;
 * - `gap`: something is missing on a connection that is live, and is asked for.
 */
export type TopicChange = 'wanted' | 'fresh' | 'replayed' | 'reset' | 'gap' | 'refused' | 'left'

export interface TopicEntry {
  readonly kind: 'topic'
  /** Absent: everything that comes over the connection. */
  readonly topic: string | undefined
  readonly what: TopicChange
  readonly position?: Position | undefined
  readonly quietMs?: number | undefined
}

/** `settled`: carried out, and nothing of it is left to be confirmed. `gone`: discarded, sent again, or shown no more. */
export type MutationChange = PendingStatus | 'settled' | 'gone'

export interface MutationEntry {
  readonly kind: 'mutation'
  readonly what: MutationChange
  readonly mutationId: string
  readonly variables: unknown
  readonly error: unknown
}

export interface SendEntry {
  readonly kind: 'send'
  readonly type: string
  readonly data: unknown
  /** Absent: it is not known yet. */
  readonly ack?: Ack | undefined
}

/** `bridge.write`. */
export interface WriteEntry {
  readonly kind: 'write'
  readonly effects: readonly RecordedEffect[]
}

export type Recorded =
  | EventEntry
  | RefusedEntry
  | ErrorEntry
  | StatusEntry
  | UserEntry
  | TopicEntry
  | MutationEntry
  | SendEntry
  | WriteEntry

/** With its number, and when it was recorded, in ms of the bridge's clock. */
export type Entry = Recorded & { readonly number: number; readonly at: number }

/** What has happened to a topic since the recording began. */
export interface TopicCounts {
  readonly events: number
  readonly gaps: number
  readonly resets: number
  readonly replays: number
}
