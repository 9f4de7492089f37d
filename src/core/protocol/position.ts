import type { Position } from '../event.ts'

/** The longest epoch name accepted from the wire, in characters. */
export const MAX_EPOCH_LENGTH = 64

/** Whether a value from the wire names an epoch. */
export function isEpoch(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_EPOCH_LENGTH
}

/** Whether a value from the wire is a position. */
export function isPosition(value: unknown): value is Position {
  if (typeof value !== 'object' || value === null) return false
  const { epoch, offset } = value as Partial<Position>
  return isEpoch(epoch) && Number.isSafeInteger(offset) && (offset as number) >= 0
}
