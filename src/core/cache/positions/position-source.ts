import type { Position } from '../../event.ts'
import type { Positions } from '../../overlay/fact.ts'
import { isPosition, parsePositions, POSITION_HEADER } from '../../protocol/position.ts'

/** Headers as `fetch` has them, or as a plain object (axios, ky, `node:http`). */
export interface HeaderSource {
  readonly headers: { get(name: string): string | null } | Readonly<Record<string, unknown>>
}

/** What states positions: a response with the header `Realtime-Position`, or the positions themselves, by topic. */
export type PositionSource = HeaderSource | Readonly<Record<string, Position>>

/** The positions that a response states. What is no position is left out; nothing throws. */
export function positionsOf(source: PositionSource): Positions {
  const { headers } = source as Partial<HeaderSource>
  if (headers === undefined || isPosition(headers)) {
    return new Map(Object.entries(source).filter((pair): pair is [string, Position] => isPosition(pair[1])))
  }
  const text =
    typeof headers.get === 'function'
      ? (headers as { get(name: string): unknown }).get(POSITION_HEADER)
      : ((headers as Record<string, unknown>)[POSITION_HEADER] ??
        (headers as Record<string, unknown>)[POSITION_HEADER.toLowerCase()])
  return new Map(Object.entries(typeof text === 'string' ? parsePositions(text) : {}))
}
