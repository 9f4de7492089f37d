/**
 * Pages of an infinite query that were read ahead of the stream. Events up to where a page was read are in it already:
 * they are for the pages before it alone, or they would take its rows back to what they were.
 */
import type { PatchingEffect } from '../routing/effect.ts'
import { layersOver, type Entry, type Layer, type Placed } from './entry.ts'
import { hasReached, type Positions } from './fact.ts'
import { foldEffects, type FoldResult } from './fold-effects.ts'
import type { EffectContext } from '../routing/effect.ts'
import { appendPage } from './pages.ts'
import type { StreamLog } from './stream-log.ts'

export interface PageAhead {
  /** What TanStack has made of it and the pages on screen. */
  readonly data: unknown
  readonly page: 'forward' | 'backward'
  readonly positions: Positions
}

interface Folded extends FoldResult {
  /** What `problems` count in. */
  readonly effects: readonly PatchingEffect[]
}

/** The base with its pages, and with what lies over it; each page takes what is not in it yet. */
export function foldOver(
  entry: Entry,
  layers: readonly Layer[],
  { query, log, heldFrom = Infinity }: { query: EffectContext; log: StreamLog; heldFrom?: number },
): Folded {
  let placed = layersOver(entry, layers, { log, heldFrom })
  let folded: Folded = { data: entry.base, refetch: false, problems: [], effects: [] }
  const fold = (items: readonly Placed[]) => {
    if (items.length === 0) return
    const effects = items.flatMap((item) => item.effects)
    const { data, refetch, problems } = foldEffects(effects, folded.data, query)
    const before = folded.effects.length
    const own = problems.map((problem) => ({ ...problem, index: problem.index + before }))
    folded = {
      data,
      refetch: folded.refetch || refetch,
      problems: [...folded.problems, ...own],
      effects: [...folded.effects, ...effects],
    }
  }
  for (const { data, page, positions } of entry.ahead) {
    fold(placed.filter((item) => isIn(item, positions, log)))
    placed = placed.filter((item) => !isIn(item, positions, log))
    folded = { ...folded, data: appendPage(folded.data, data, { page, context: query }) }
  }
  fold(placed)
  return folded
}

/** Whether a page that was read at `positions` has it. */
function isIn({ fact, layer }: Placed, positions: Positions, log: StreamLog): boolean {
  if (fact) return log.contains(positions, fact) === true
  const acks = [...(layer?.operation.acks ?? [])]
  return acks.length > 0 && acks.every(([topic, ack]) => log.hasReached(topic, positions.get(topic), ack))
}

/** Whether a page at `positions` is nowhere behind `known`, and ahead of it somewhere. */
export function isAheadOf(positions: Positions, known: Positions): boolean {
  let isAhead = false
  for (const [topic, at] of known) {
    const position = positions.get(topic)
    if (position === undefined || hasReached(position, at) !== true) return false
    isAhead ||= position.offset > at.offset
  }
  return isAhead
}

/** Whether the stream has come to all pages of an entry. */
export const isCaughtUp = ({ positions, ahead }: Entry, log: StreamLog): boolean =>
  ahead.every((page) =>
    [...positions.keys()].every((topic) => {
      const position = page.positions.get(topic)
      return position !== undefined && hasReached(log.position(topic), position) === true
    }),
  )
