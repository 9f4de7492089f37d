/**
 * What a response does to a query: it becomes the new base, brought up to date with what it has missed; or it is refused,
 * because more is known than it has in it.
 */
import type { Position, RealtimeEvent } from '../event.ts'
import type { EffectContext } from '../routing/effect.ts'
import { answers, freeze, positionIn, type Entry } from './entry.ts'
import {
  hasReached,
  isPatching,
  isRepeatable,
  widest,
  type Fact,
  type Positions,
  type RefetchType,
} from './fact.ts'
import { foldEffects } from './fold-effects.ts'
import { NOTHING, REFUSED, type Outcome } from './outcome.ts'
import type { Overlay } from './overlay.ts'
import { appendPage } from './pages.ts'

/** What came back from the server for a query. */
export interface Response {
  readonly data: unknown
  /** Where the server stood when it was read, as far as it says. */
  readonly positions: Positions | undefined
  /** Of several pages, where each stands, in their order. */
  readonly reads?: readonly Positions[] | undefined
  /** When its fetch began, in ticks. */
  readonly startedAt: number
  /** One more page of an infinite query, at this end. The other pages are not read again. */
  readonly page: 'forward' | 'backward' | undefined
  /** What has arrived since its fetch began. */
  readonly arrived: readonly Fact[]
  /** Operations that must not be applied twice, and that it may have in it or not. */
  readonly undecided: ReadonlySet<string>
}

/** What a response does not have in it, as far as is known here, in the order of its arrival. */
interface Missed {
  readonly facts: readonly Fact[]
  /** The log goes back as far as the response: nothing else is missing. */
  readonly isCovered: boolean
}

/** One response, the query that it is of, and what is known of that. */
interface Taking<TQuery extends EffectContext> {
  readonly overlay: Overlay<TQuery>
  readonly query: TQuery
  readonly entry: Entry
  readonly response: Response
}

export function takeResponse<TQuery extends EffectContext>(
  overlay: Overlay<TQuery>,
  query: TQuery,
  response: Response,
): Outcome {
  const { log } = overlay
  const { positions, startedAt, page, arrived, undecided } = response
  const entry = overlay.entryOf(query, undefined)
  const taking: Taking<TQuery> = { overlay, query, entry, response }
  // Better what is there than what may have something twice. With nothing there, the guess is what waits.
  if (entry.base !== undefined && undecided.size > 0) return REFUSED
  for (const [topic, position] of positions ?? [])
    log.judge(topic, position, { startedAt, tick: overlay.tick })
  const { facts: missed, isCovered } = missedBy(taking)
  if (isTooOld(taking, { facts: missed, isCovered })) return REFUSED

  const isPage = page !== undefined && entry.base !== undefined
  if (isPage && isAhead(taking, positions, missed)) {
    entry.ahead.push({ data: response.data, page, positions })
    if (!entry.isFrozen) {
      freeze(entry, log)
      overlay.hold(query, entry)
      overlay.keep(query, entry, missed)
    }
    return NOTHING
  }
  if (entry.ahead.length > 0 && isPage) overlay.join(query, entry)
  const wasFrozen = isPage && entry.isFrozen
  if (isPage) {
    entry.positions = lowest(taking)
    entry.base = appendPage(entry.base, response.data, { page, context: query })
  } else replaceBase(taking, missed)

  let refetchType = wantedAfter(taking, missed)
  if (entry.need.size > 0 && !isPage) refetchType = widest(refetchType, 'active')
  const isBroken = positions !== undefined && (!isCovered || missed.some(({ refetchType }) => refetchType))
  if (wasFrozen || isBroken || entry.need.size > 0) {
    if (!wasFrozen) entry.isFrozen = entry.positions.size > 0
    if (!isCovered) refetchType = widest(refetchType, 'active')
  }
  for (const { event, effects } of missed) {
    const { mutationId } = event ?? {}
    if (mutationId !== undefined && effects.length > 0 && overlay.operations.has(mutationId))
      overlay.hasTaken(entry, mutationId, effects)
  }
  const split = isPage ? undefined : overlay.pagesAhead?.splitAhead(response, log)
  if (split) {
    entry.base = split.base
    entry.ahead = split.ahead
    if (!entry.isFrozen) overlay.hold(query, entry)
  }
  if (entry.isFrozen) {
    // What the other pages had taken before they were frozen comes before all that is kept beside them.
    const { facts } = entry
    const taken = arrived.filter((fact) => !facts.includes(fact) && !overlay.mayHave(entry.positions, fact))
    entry.facts = []
    overlay.keep(query, entry, wasFrozen ? [...taken, ...facts] : missed)
    return { ...NOTHING, refetchType }
  }
  const outcome = overlay.fold(query, entry, { facts: missed, isResponse: true })
  if (outcome.refetchType) refetchType = widest(refetchType, outcome.refetchType)
  return { ...outcome, refetchType }
}

/** The response is the whole query: what was known of the one before is over. */
function replaceBase<TQuery extends EffectContext>(
  { overlay, query, entry, response }: Taking<TQuery>,
  missed: readonly Fact[],
): void {
  const { data, positions, startedAt, undecided } = response
  const { operations, readAt } = overlay
  entry.base = data
  entry.positions = new Map(positions)
  entry.isFrozen = false
  entry.isHeld = false
  entry.ahead = []
  entry.facts = []
  entry.readAt = startedAt
  entry.readFrom = positions
  entry.undecided = undecided
  entry.taken.clear()
  readAt.set(query, startedAt)
  entry.tainted.clear()
  for (const [topic, need] of entry.need) {
    const reached = hasReached(positions?.get(topic), need.position)
    // Of another epoch it is of a later one, or it would have been refused.
    const isMet = positions?.has(topic) ? reached !== false : startedAt >= need.tick
    if (isMet) entry.need.delete(topic)
  }
  for (const id of entry.kept) {
    const operation = operations.get(id)
    const isAmong = missed.some(({ event, effects }) => event?.mutationId === id && effects.length > 0)
    if (!operation || isAmong || answers(operation, positions, startedAt)) entry.kept.delete(id)
  }
}

/** What has to be fetched, because of what the response misses or may have twice. */
function wantedAfter<TQuery extends EffectContext>(
  { overlay: { log }, response: { positions, undecided } }: Taking<TQuery>,
  missed: readonly Fact[],
): RefetchType | undefined {
  let refetchType: RefetchType | undefined = undecided.size > 0 ? 'active' : undefined
  for (const fact of missed) {
    const isUnproven = log.contains(positions, fact) === undefined
    if (fact.refetchType) refetchType = widest(refetchType, fact.refetchType)
    // Whether the response has it is not known, and twice is not the same as once.
    else if (isUnproven && !isRepeatable(fact)) refetchType = widest(refetchType, 'active')
  }
  return refetchType
}

function missedBy<TQuery extends EffectContext>({ overlay, query, response }: Taking<TQuery>): Missed {
  const { log } = overlay
  const { positions, arrived, startedAt } = response
  // It may have been read again since its fetch began: then the clock tells, where positions do not.
  const late = arrived.filter(
    (fact) => !(log.contains(positions, fact) ?? fact.tick <= startedAt) && !overlay.mayHave(positions, fact),
  )
  const earlier: Fact[] = []
  let isCovered = true
  for (const [topic, position] of positions ?? []) {
    const covered = log.after(topic, position)
    if (covered === undefined) isCovered = false
    for (const { event, effects } of covered ?? log.knownAfter(topic, position)) {
      // Both have arrived as one: the log has a copy.
      if (arrived.some((fact) => isSameEvent(fact.event, event))) continue
      const own = effects.filter((effect) => overlay.touches(effect, query))
      if (own.length === 0) continue
      let refetchType: RefetchType | undefined
      for (const effect of own) {
        if (effect.kind === 'invalidate') refetchType = widest(refetchType, effect.refetchType)
        else if (effect.kind === 'drop') refetchType = widest(refetchType, 'active')
      }
      earlier.push({ event, effects: own.filter(isPatching), refetchType, tick: 0 })
    }
  }
  return { facts: [...earlier, ...late], isCovered }
}

/** Whether more is known than the response, with all that can be added to it, has in it. */
function isTooOld<TQuery extends EffectContext>(
  { overlay: { log }, query, entry, response: { data, positions, startedAt, page } }: Taking<TQuery>,
  { facts, isCovered }: Missed,
): boolean {
  // What was shown of these events may not be part of what the log can make good.
  const isBehind = [...entry.taken].some(([topic, at]) => hasReached(positions?.get(topic), at) === false)
  if (!isCovered && isBehind) return true
  if (entry.base === undefined || positions === undefined) return false
  const effects = facts.flatMap((fact) => fact.effects)
  // What cannot be applied to it would lie beside it, and not all that lies beside a base is shown.
  const isReplayed =
    isCovered &&
    !facts.some(({ refetchType }) => refetchType) &&
    (page !== undefined || !foldEffects(effects, data, query).refetch)
  for (const [topic, position] of positions) {
    if (log.isPast(topic, position) || log.isStrange(topic, position)) return true
    const need = entry.need.get(topic)
    if (need && log.hasReached(topic, position, need.position) === false) return true
    const at = positionIn(entry, topic, log)
    const stream = log.position(topic)
    const isBridged = isReplayed && stream && hasReached(stream, position)
    const end = isBridged ? stream : position
    if (at && log.hasReached(topic, end, at) === false) return true
  }
  // Positions that are known are not given up for a response that states others.
  return [...entry.need].some(([topic, { tick }]) => !positions.has(topic) && startedAt < tick)
}

/** Whether a page was read after what is known of the stream: it waits until the other pages have come as far. */
function isAhead<TQuery extends EffectContext>(
  { overlay: { log, pagesAhead }, entry }: Taking<TQuery>,
  positions: Positions | undefined,
  missed: readonly Fact[],
): positions is Positions {
  if (positions === undefined || entry.positions.size === 0) return false
  // What is of another topic the page may have or not; the base has it.
  const isOfOthers = (fact: Fact) => isRepeatable(fact) && log.contains(positions, fact) === undefined
  if (!entry.isFrozen && !missed.every(isOfOthers)) return false
  const known = new Map(entry.positions)
  for (const topic of known.keys()) {
    const at = entry.ahead.at(-1)?.positions.get(topic) ?? positionIn(entry, topic, log)
    if (at) known.set(topic, at)
  }
  return pagesAhead?.isAheadOf(positions, known) === true
}

/** Pages that were read at different times are all as far as the one that is furthest behind. */
function lowest<TQuery extends EffectContext>({
  overlay: { log },
  entry,
  response: { positions },
}: Taking<TQuery>): Map<string, Position> {
  const lowest = new Map<string, Position>()
  for (const topic of entry.positions.keys()) {
    const old = positionIn(entry, topic, log)
    const added = positions?.get(topic)
    if (!old || !added || old.epoch !== added.epoch) continue
    lowest.set(topic, added.offset < old.offset ? added : old)
  }
  return lowest
}

const isSameEvent = (a: RealtimeEvent | undefined, b: RealtimeEvent): boolean =>
  a === b ||
  (a?.topic === b.topic &&
    a?.position !== undefined &&
    a.position.epoch === b.position?.epoch &&
    a.position.offset === b.position.offset)
