import type { Position } from '../../../core/event.ts'
import type { LogEvent, LogRead } from '../../event-log.ts'
import { eventFromRow, type EventRow } from './text.ts'

export interface HeadRow {
  readonly topic: string
  readonly epoch: string
  readonly head: number
}

export interface ReadRow extends HeadRow, Omit<EventRow, 'offset'> {
  /** `null`: there is no event. */
  readonly offset: number | null
}

/** What one statement has read, which also says how far it had to look. */
export function toRead(rows: readonly ReadRow[], after: Position): LogRead {
  const [state] = rows
  if (!state) return noPosition()
  const head: Position = { epoch: state.epoch, offset: Number(state.head) }
  if (after.epoch !== head.epoch || after.offset > head.offset) return { outcome: 'reset', head }
  const events: LogEvent[] = []
  for (const { offset, type, json, mutationId } of rows) {
    if (offset === null) continue
    // Trimmed in the middle: what is whole ends here.
    if (Number(offset) !== after.offset + events.length + 1) break
    events.push(eventFromRow({ type, json, mutationId, offset }))
  }
  if (events.length === 0 && after.offset < head.offset) return { outcome: 'reset', head }
  return { outcome: 'events', events, head }
}

export /** The tables are there, and what `migrate` puts into them is not. */
function noPosition(): never {
  throw new Error('The schema of the event log is empty. Run log.migrate() again.')
}
