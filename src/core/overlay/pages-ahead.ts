/**
 * Pages of an infinite query that were read ahead of the stream. Events up to where a page was read are in it already:
 * they are for the pages before it alone, or they would take its rows back to what they were.
 */
import type { PatchingEffect } from '../routing/effect.ts'
import { isInfinite } from '../routing/list-draft.ts'
import { layersOver, type Entry, type Layer, type Placed } from './entry.ts'
import { hasReached, type Positions } from './fact.ts'
import { foldEffects } from './fold-effects.ts'
import type { Folded, FoldOverOptions } from './fold-over.ts'
import { appendPage } from './pages.ts'
import type { StreamLog } from './stream-log.ts'

export interface PageAhead {
  /** What TanStack has made of it and the pages on screen. */
  readonly data: unknown
  readonly page: 'forward' | 'backward'
  readonly positions: Positions
}

/** The base with its pages, and with what lies over it; each page takes what is not in it yet. */
function foldOver(
  entry: Entry,
  layers: readonly Layer[],
  { query, log, heldFrom = Infinity }: FoldOverOptions,
): Folded {
  let placed = layersOver(entry, layers, { log, heldFrom })
  let folded: Folded = { data: entry.base, refetch: false, problems: [], effects: [] }
  const fold = (items: readonly Placed[]) => {
    if (items.length === 0) return
    const effects = items.flatMap((item) => item.effects)
    const { data, refetch, problems } = foldEffects(effects, folded.data, query)
    const count = folded.effects.length
    const own = problems.map((problem) => ({ ...problem, index: problem.index + count }))
    folded = {
      data,
      refetch: folded.refetch || refetch,
      problems: [...folded.problems, ...own],
      effects: [...folded.effects, ...effects],
    }
  }
  for (const ahead of entry.ahead) {
    const { data, page, positions } = ahead
    const within = placed.filter((item) => isIn(item, positions, log))
    fold(within.map((item) => ({ ...item, effects: item.effects.map((effect) => before(ahead, effect)) })))
    placed = placed.filter((item) => !isIn(item, positions, log))
    folded = { ...folded, data: appendPage(folded.data, data, { page, context: query }) }
  }
  fold(placed)
  return folded
}

/** What an effect does to the pages before one that was read after it: a row that is there is on none of them. */
function before({ data, page }: PageAhead, effect: PatchingEffect): PatchingEffect {
  if (effect.kind !== 'upsert' || typeof data !== 'object' || data === null || !isInfinite(data))
    return effect
  const { itemId, id, list, where, rules } = effect
  const pages = page === 'forward' ? data.pages.slice(-1) : data.pages.slice(0, 1)
  // Within `where`, since what an app's own lens throws is told of there.
  const isThere = () => (rules.openList({ ...data, pages }, list)?.find(itemId, id) ?? []).length > 0
  return { ...effect, where: (item, queryKey) => !isThere() && (where ? where(item, queryKey) : true) }
}

/** Whether a page that was read at `positions` has it. */
function isIn({ fact, layer }: Placed, positions: Positions, log: StreamLog): boolean {
  if (fact) return log.contains(positions, fact) === true
  const acks = [...(layer?.operation.acks ?? [])]
  return acks.length > 0 && acks.every(([topic, ack]) => log.hasReached(topic, positions.get(topic), ack))
}

/** Whether a page at `positions` is nowhere behind `known`, and ahead of it somewhere. */
function isAheadOf(positions: Positions, known: Positions): boolean {
  let isAhead = false
  for (const [topic, at] of known) {
    const position = positions.get(topic)
    if (position === undefined || hasReached(position, at) !== true) return false
    isAhead ||= position.offset > at.offset
  }
  return isAhead
}

/**
 * The pages of one fetch, apart: query-core reads them one after the other, and those that were read further on than
 * the first have in them what the stream has yet to bring. `undefined`: they are of one moment, or the stream has come
 * to the last of them, or nobody can tell.
 */
function splitAhead(
  { data, reads = [] }: { data: unknown; reads?: readonly Positions[] | undefined },
  log: StreamLog,
): { base: unknown; ahead: PageAhead[] } | undefined {
  const [first, last] = [reads[0], reads.at(-1)]
  if (typeof data !== 'object' || data === null) return undefined
  if (first === undefined || last === undefined || !isInfinite(data) || data.pages.length !== reads.length)
    return undefined
  const isInOrder = reads.every((read, index) => {
    const before = reads[index - 1]
    return (
      !before ||
      (read.size === first.size && [...before].every(([topic, at]) => hasReached(read.get(topic), at)))
    )
  })
  const from = reads.findIndex((read) => isAheadOf(read, first))
  const isThere = [...last].every(([topic, at]) => hasReached(log.position(topic), at))
  if (!isInOrder || from < 0 || isThere) return undefined
  const { pages, pageParams } = data
  const upTo = (count: number) => ({
    ...data,
    pages: pages.slice(0, count),
    pageParams: pageParams.slice(0, count),
  })
  const ahead = reads
    .slice(from)
    .map((positions, index) => ({ data: upTo(from + index + 1), page: 'forward' as const, positions }))
  return { base: upTo(from), ahead }
}

/** Whether the stream has come to all pages of an entry. */
const isCaughtUp = ({ positions, ahead }: Entry, log: StreamLog): boolean =>
  ahead.every((page) =>
    [...positions.keys()].every((topic) => {
      const position = page.positions.get(topic)
      return position !== undefined && hasReached(log.position(topic), position) === true
    }),
  )

/** What an overlay needs of this. It comes with `positioned`: only what says where it was read can be ahead. */
export const PAGES_AHEAD = { foldOver, isAheadOf, isCaughtUp, splitAhead }
