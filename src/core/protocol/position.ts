import type { Position } from '../event.ts'

/** The longest epoch name accepted from the wire, in characters. */
export const MAX_EPOCH_LENGTH = 64

/** Whether a value from the wire is a position. */
export function isPosition(value: unknown): value is Position {
  if (typeof value !== 'object' || value === null) return false
  const { epoch, offset } = value as Partial<Position>
  return (
    typeof epoch === 'string' &&
    epoch.length > 0 &&
    epoch.length <= MAX_EPOCH_LENGTH &&
    Number.isSafeInteger(offset) &&
    (offset as number) >= 0
  )
}
