/** What an event, or a confirmed local write, does to one query, and where it stands in the stream it came by. */
import type { Position, RealtimeEvent } from '../event.ts'
import type { Effect, InvalidateEffect, PatchingEffect } from '../routing/effect.ts'
import { isReplayable } from '../routing/effects.ts'

export type RefetchType = InvalidateEffect['refetchType']

export interface Fact {
  /** Absent: a write of the app's own. */
  readonly event?: RealtimeEvent | undefined
  readonly effects: readonly PatchingEffect[]
  /** The event says that the query is out of date, without saying what is in it. */
  readonly refetchType?: RefetchType | undefined
  /** When it arrived, in the overlay's ticks. */
  readonly tick: number
  /** It was missed and came by replay: a query fetched meanwhile may hold it already. */
  readonly isReplay?: boolean | undefined
}

/** By topic: what is known of each. */
export type Positions = ReadonlyMap<string, Position>

/** Whether `at` is not before `position`; `undefined`: they cannot be compared. */
export function hasReached(at: Position | undefined, position: Position): boolean | undefined {
  return at?.epoch === position.epoch ? at.offset >= position.offset : undefined
}

/** Whether applying its effects twice is the same as once. */
export const isRepeatable = ({ effects }: Fact): boolean => effects.every(isReplayable)

const WIDTH = { none: 0, inactive: 1, active: 1, all: 2 } as const

/** The refetch type that covers both. */
export function widest(a: RefetchType | undefined, b: RefetchType): RefetchType {
  if (a === undefined || a === b) return b
  if (WIDTH[a] === WIDTH[b]) return 'all' // active and inactive
  return WIDTH[a] > WIDTH[b] ? a : b
}

/** Whether it says what is in a query, and not only that the query is out of date. */
export const isPatching = (effect: Effect): effect is PatchingEffect =>
  effect.kind !== 'invalidate' && effect.kind !== 'drop'
