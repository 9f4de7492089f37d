/**
 * The view is rebase(base, pending) (L3). For each query that has positions, or a mutation over it, this holds the
 * confirmed base; over it lie the operations that are not in it yet. Pure: it reads no clock, writes no cache, and
 * knows a query only as a key with options.
 *
 *   facts (events) ──apply──▶ base, or, while it is frozen, beside it
 *   response ───────respond─▶ base, brought up to date with what it has missed; or refused
 *   operations ─────────────▶ view = base ⊕ facts ⊕ operations not included
 *
 * The rules and their reasons: ARCHITECTURE.md, "The overlay".
 */
import type { Position, RealtimeEvent } from '../event.ts'
import type { Effect, PatchingEffect } from '../routing/effect.ts'
import type { BareOverlay } from './bare-overlay.ts'
import {
  answers,
  comesAfter,
  demand,
  freeze,
  heldFrom,
  includes,
  newEntry,
  positionIn,
  rebase,
  type Entry,
  type Layer,
} from './entry.ts'
import { hasReached, isRepeatable, widest, type Fact, type Positions, type RefetchType } from './fact.ts'
import { foldEffects, type FoldProblem } from './fold-effects.ts'
import type { EffectContext } from '../routing/effect.ts'
import type { Operation } from './operation.ts'
import { foldOver } from './fold-over.ts'
import { appendPage } from './pages.ts'
import type { PAGES_AHEAD } from './pages-ahead.ts'
import { StreamLog } from './stream-log.ts'

export interface OverlayOptions<TQuery extends EffectContext> {
  /** Whether an effect concerns a query. */
  touches(effect: Effect, query: TQuery): boolean
  /** Facts kept per frozen query, and events per topic. */
  readonly maxFacts: number
  /** What has stood in for it until now. @default nothing has happened yet */
  readonly before?: BareOverlay<TQuery> | undefined
}

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

export interface Outcome {
  /** The response is older than what is known: it changes nothing, and the query is fetched again. */
  readonly isRefused: boolean
  /** What has to be fetched, because the base does not have all that is known. */
  readonly refetchType: RefetchType | undefined
  readonly problems: readonly FoldProblem[]
  /** What `problems` count in. */
  readonly effects: readonly PatchingEffect[]
}

const NOTHING: Outcome = { isRefused: false, refetchType: undefined, problems: [], effects: [] }
const REFUSED: Outcome = { isRefused: true, refetchType: 'active', problems: [], effects: [] }

export class Overlay<TQuery extends EffectContext> {
  readonly log: StreamLog
  readonly entries = new Map<TQuery, Entry>()
  /** In the order in which the server is to carry them out. */
  readonly operations = new Map<string, Operation>()
  /** Once responses say where they were read. */
  pagesAhead: typeof PAGES_AHEAD | undefined
  readonly #options: OverlayOptions<TQuery>
  /** Those with pages that the stream may have come to by now. */
  readonly #held = new Set<TQuery>()
  /** What a list of effects does to a query. */
  readonly #effectsOn = new WeakMap<readonly Effect[], WeakMap<TQuery, readonly PatchingEffect[]>>()
  /** When what a query shows was asked for, also where it has no entry. In ticks. */
  readonly #readAt = new WeakMap<TQuery, number>()
  #tick = 0

  constructor(options: OverlayOptions<TQuery>) {
    this.#options = options
    this.log = new StreamLog(options.maxFacts)
    const { before } = options
    if (before === undefined) return
    this.#tick = before.tick
    for (const [query, entry] of before.entries) this.entries.set(query, entry)
    // What came before is not known: responses from before it are fetched again, unless nothing says when they were read.
    for (const [topic, position] of before.log.heads) this.log.reset(topic, position, before.tick)
  }

  /** Counts what happens: of two moments the later has the higher tick. */
  get tick(): number {
    return this.#tick
  }

  nextTick(): number {
    return ++this.#tick
  }

  /**
   * Shows an operation from now on: over all others, or below those that are about what it makes again in place of one
   * that was refused.
   */
  begin(operation: Operation, inPlaceOf?: string): void {
    this.operations.set(operation.mutationId, operation)
    if (inPlaceOf === undefined) return
    const all = [...this.operations.values()]
    const first = all.findIndex(({ follows }) => follows.includes(inPlaceOf))
    if (first < 0) return
    for (const other of all.slice(first, -1)) {
      if (other.follows.includes(inPlaceOf)) other.follows = [...other.follows, operation.mutationId]
      this.operations.delete(other.mutationId)
      this.operations.set(other.mutationId, other)
    }
  }

  /** The entry of a query, made on first use from the data that it has. */
  entryOf(query: TQuery, data: unknown): Entry {
    let entry = this.entries.get(query)
    if (entry === undefined) {
      entry = newEntry(data, this.#readAt.get(query))
      this.entries.set(query, entry)
    }
    return entry
  }

  /** What a query shows has not come from a fetch: nothing is known of it. */
  forget(query: TQuery): void {
    this.entries.delete(query)
    this.#readAt.delete(query)
  }

  /** Forgets entries that prove nothing and cover nothing: their base is what the cache shows. */
  prune(query: TQuery): void {
    if (this.entries.get(query)?.positions.size !== 0) return
    for (const operation of this.operations.values()) {
      // One that is in the base already would be shown twice without the entry.
      if (this.effectsOn(operation, query).length > 0) return
    }
    this.entries.delete(query)
  }

  /** What an operation does to a query; nothing when they have nothing to do with each other. */
  effectsOn({ effects, confirmed }: Operation, query: TQuery): readonly PatchingEffect[] {
    const own = confirmed ? this.#effectsOf(confirmed, query) : []
    return own.length > 0 ? own : this.#effectsOf(effects, query)
  }

  #effectsOf(effects: readonly Effect[], query: TQuery): readonly PatchingEffect[] {
    let byQuery = this.#effectsOn.get(effects)
    if (byQuery === undefined) this.#effectsOn.set(effects, (byQuery = new WeakMap()))
    let own = byQuery.get(query)
    if (own === undefined) {
      own = effects.filter(isPatching).filter((effect) => this.#options.touches(effect, query))
      byQuery.set(query, own)
    }
    return own
  }

  /** The operations that are not in the base of a query, oldest first; with `below`, those before that one. */
  layers(query: TQuery, below?: Operation): Layer[] {
    const entry = this.entries.get(query)
    const layers: Layer[] = []
    for (const operation of this.operations.values()) {
      if (operation === below) break
      if (entry && includes(entry, operation, this.log)) continue
      const effects = this.effectsOn(operation, query)
      if (effects.length > 0) layers.push({ operation, effects })
    }
    return layers
  }

  /** What a query is to show; with `below`, without that operation and those after it. */
  view(query: TQuery, below?: Operation): unknown {
    const entry = this.entries.get(query)
    if (entry === undefined) return undefined
    const layers = this.layers(query)
    const shown = below ? this.layers(query, below) : layers
    if (entry.base === undefined) return undefined
    return this.#foldOver(entry, shown, { query, log: this.log, heldFrom: heldFrom(layers) }).data
  }

  /** Whether a query is as current as the stream is. */
  isLive(query: TQuery): boolean {
    const entry = this.entries.get(query)
    return entry !== undefined && entry.positions.size > 0 && (!entry.isFrozen || entry.isHeld)
  }

  /** What is known of a query beside its base. */
  inspect(query: TQuery): {
    positions: Readonly<Record<string, Position>> | undefined
    isLive: boolean
    pending: string[]
  } {
    const entry = this.entries.get(query)
    const positions: Record<string, Position> = {}
    for (const topic of entry?.positions.keys() ?? []) {
      const at = entry && positionIn(entry, topic, this.log)
      if (at) positions[topic] = at
    }
    return {
      positions: entry && entry.positions.size > 0 ? positions : undefined,
      isLive: this.isLive(query),
      pending: this.layers(query).map(({ operation }) => operation.mutationId),
    }
  }

  /** Events, or local writes, over a base that there is. Called before the log is told of them. */
  apply(query: TQuery, entry: Entry, facts: readonly Fact[]): Outcome {
    const fresh = facts.filter((fact) => !this.#mayHave(entry.positions, fact))
    const isProven = (fact: Fact) => this.log.contains(entry.positions, fact) !== undefined
    const cut = fresh.findIndex((fact) => fact.refetchType !== undefined && isProven(fact))
    const [foldable, rest] = cut < 0 ? [fresh, []] : [fresh.slice(0, cut), fresh.slice(cut)]
    const outcome = this.#fold(query, entry, { facts: foldable })
    for (const { event: { topic, position } = {} } of foldable)
      if (topic !== undefined && position && !entry.positions.has(topic)) entry.taken.set(topic, position)
    let refetchType = outcome.refetchType
    for (const fact of fresh) if (fact.refetchType) refetchType = widest(refetchType, fact.refetchType)
    if (rest.length > 0) {
      if (!entry.isFrozen) this.#advanceOver(entry, foldable)
      freeze(entry, this.log)
      this.#keep(query, entry, rest)
    }
    return { ...outcome, refetchType }
  }

  /** A response has come: the new base, or nothing. */
  respond(query: TQuery, response: Response): Outcome {
    const { positions, startedAt, page, arrived, undecided } = response
    const entry = this.entryOf(query, undefined)
    // Better what is there than what may have something twice. With nothing there, the guess is what waits.
    if (entry.base !== undefined && undecided.size > 0) return REFUSED
    for (const [topic, position] of positions ?? [])
      this.log.judge(topic, position, { startedAt, tick: this.#tick })
    const { missed, isCovered } = this.#missedBy(query, response)
    const isReplayed = isCovered && !missed.some(({ refetchType }) => refetchType)
    if (entry.base !== undefined && positions && this.#isTooOld(entry, { positions, startedAt }, isReplayed))
      return REFUSED
    // What was shown of these events may not be part of what the log can make good.
    const isBehind = [...entry.taken].some(([topic, at]) => hasReached(positions?.get(topic), at) === false)
    if (!isCovered && isBehind) return REFUSED
    const isPage = page !== undefined && entry.base !== undefined
    if (isPage && this.#isAhead(entry, positions, missed)) {
      entry.ahead.push({ data: response.data, page, positions })
      if (!entry.isFrozen) {
        freeze(entry, this.log)
        this.#hold(query, entry)
        this.#keep(query, entry, missed)
      }
      return NOTHING
    }
    if (entry.ahead.length > 0 && isPage) this.#join(query, entry)
    const known = isPage ? this.#lowest(entry, positions) : new Map(positions)
    const wasFrozen = isPage && entry.isFrozen
    entry.base = isPage ? appendPage(entry.base, response.data, { page, context: query }) : response.data
    entry.positions = known
    if (!isPage) {
      entry.isFrozen = false
      entry.isHeld = false
      entry.ahead = []
      entry.facts = []
      entry.readAt = startedAt
      entry.readFrom = positions
      entry.undecided = undecided
      entry.taken.clear()
      this.#readAt.set(query, startedAt)
      entry.tainted.clear()
      for (const [topic, need] of entry.need) {
        const reached = hasReached(positions?.get(topic), need.position)
        // Of another epoch it is of a later one, or it would have been refused.
        const isMet = positions?.has(topic) ? reached !== false : startedAt >= need.tick
        if (isMet) entry.need.delete(topic)
      }
      for (const id of entry.kept) {
        const operation = this.operations.get(id)
        const isAmong = missed.some(({ event, effects }) => event?.mutationId === id && effects.length > 0)
        if (!operation || isAmong || answers(operation, positions, startedAt)) entry.kept.delete(id)
      }
    }
    let refetchType: RefetchType | undefined = undecided.size > 0 ? 'active' : undefined
    for (const fact of missed) {
      const isUnproven = this.log.contains(positions, fact) === undefined
      if (fact.refetchType) refetchType = widest(refetchType, fact.refetchType)
      // Whether the response has it is not known, and twice is not the same as once.
      else if (isUnproven && !isRepeatable(fact)) refetchType = widest(refetchType, 'active')
    }
    if (entry.need.size > 0 && !isPage) refetchType = widest(refetchType, 'active')
    const isBroken = positions !== undefined && (!isCovered || missed.some(({ refetchType }) => refetchType))
    if (wasFrozen || isBroken || entry.need.size > 0) {
      if (!wasFrozen) entry.isFrozen = entry.positions.size > 0
      if (!isCovered) refetchType = widest(refetchType, 'active')
    }
    for (const { event, effects } of missed) {
      const { mutationId } = event ?? {}
      if (mutationId !== undefined && effects.length > 0 && this.operations.has(mutationId))
        this.hasTaken(entry, mutationId, effects)
    }
    const split = isPage ? undefined : this.pagesAhead?.splitAhead(response, this.log)
    if (split) {
      entry.base = split.base
      entry.ahead = split.ahead
      if (!entry.isFrozen) this.#hold(query, entry)
    }
    if (entry.isFrozen) {
      // What the other pages had taken before they were frozen comes before all that is kept beside them.
      const { facts } = entry
      const taken = arrived.filter((fact) => !facts.includes(fact) && !this.#mayHave(entry.positions, fact))
      entry.facts = []
      this.#keep(query, entry, wasFrozen ? [...taken, ...facts] : missed)
      return { ...NOTHING, refetchType }
    }
    const outcome = this.#fold(query, entry, { facts: missed, isResponse: true })
    if (outcome.refetchType) refetchType = widest(refetchType, outcome.refetchType)
    return { ...outcome, refetchType }
  }

  /**
   * The stream of a topic was broken. Whether the query has missed something, as far as its own position tells: one
   * that was read late enough has not. `undefined`: it does not say where it was read.
   */
  reset(query: TQuery, topic: string, position: Position): boolean | undefined {
    const entry = this.entries.get(query)
    const at = entry && positionIn(entry, topic, this.log)
    if (entry === undefined || at === undefined) return undefined
    if (hasReached(at, position)) return false
    if (at.epoch !== position.epoch) this.log.outlive(topic, at)
    freeze(entry, this.log)
    demand(entry, topic, { position, tick: this.#tick })
    return true
  }

  /** A query has taken the echo of an operation: into its base, or beside it. */
  hasTaken(entry: Entry, mutationId: string, effects: readonly PatchingEffect[]): void {
    entry.echoed.add(mutationId)
    const operation = this.operations.get(mutationId)
    if (operation === undefined || entry.isFrozen || !effects.some(isWhole)) return
    for (const earlier of this.operations.values()) {
      if (earlier === operation) return
      // It was carried out before, or never: shown now, it would be shown over what came after it.
      if (comesAfter(operation, earlier)) entry.overtaken.add(earlier.mutationId)
    }
  }

  /** Only a fetch takes this operation out of the view of this query. */
  keepUntilFetched(query: TQuery, operation: Operation): void {
    const entry = this.entries.get(query)
    if (entry === undefined) return
    entry.kept.add(operation.mutationId)
    for (const [topic, position] of operation.acks) {
      if (entry.positions.has(topic)) demand(entry, topic, { position, tick: this.#tick })
    }
    if (entry.positions.size > 0) freeze(entry, this.log)
  }

  /**
   * Whether everything up to these positions has arrived, without a break since the operation began, and its echo was
   * not among it: what was read there cannot have it.
   */
  hasNoEcho({ settle, beganAt }: Operation, positions: Positions): boolean {
    return (
      settle === 'echo' &&
      [...positions].every(([topic, position]) => {
        const at = this.log.position(topic)
        return at !== undefined && hasReached(at, position) === true && !this.log.wasBroken(topic, beganAt)
      })
    )
  }

  /**
   * Whether an operation has nothing left to cover: each query that shows it has it in its base, and no response can
   * come any more that was read before it.
   *
   * @param queries - those that it touches, and that show something or are about to
   * @param inFlight - when the oldest fetch in flight of a query that it touches began, in ticks
   */
  isDone(operation: Operation, queries: readonly TQuery[], inFlight: number): boolean {
    if (operation.fate === 'pending' || inFlight <= operation.settledAt) return false
    let isHeardOf = true
    for (const [topic, position] of operation.acks) {
      const at = this.log.position(topic)
      if (this.log.hasReached(topic, at, position) === false) return false
      isHeardOf &&= at !== undefined
    }
    return queries.every((query) => {
      const entry = this.entries.get(query)
      if (entry === undefined) return true
      // A first load may come from a replica that does not have it, and no log tells what that misses.
      return entry.base === undefined ? isHeardOf : includes(entry, operation, this.log)
    })
  }

  /** The stream has moved: pages that it has come to become part of their base. Gives what that has done. */
  caughtUp(): [TQuery, Outcome][] {
    const outcomes: [TQuery, Outcome][] = []
    for (const query of this.#held) {
      const entry = this.entries.get(query)
      if (entry?.isHeld && this.pagesAhead?.isCaughtUp(entry, this.log) === false) continue
      this.#held.delete(query)
      if (entry?.isHeld) outcomes.push([query, this.#join(query, entry)])
    }
    return outcomes
  }

  clear(): void {
    this.entries.clear()
    this.operations.clear()
    this.log.clear()
  }

  /** Its base waits for the stream to come to its pages. */
  #hold(query: TQuery, entry: Entry): void {
    entry.isFrozen = true
    entry.isHeld = true
    this.#held.add(query)
  }

  #isAhead(entry: Entry, positions: Positions | undefined, missed: readonly Fact[]): positions is Positions {
    if (positions === undefined || entry.positions.size === 0) return false
    // What is of another topic the page may have or not; the base has it.
    const isOfOthers = (fact: Fact) => isRepeatable(fact) && this.log.contains(positions, fact) === undefined
    if (!entry.isFrozen && !missed.every(isOfOthers)) return false
    const known = new Map(entry.positions)
    for (const topic of known.keys()) {
      const at = entry.ahead.at(-1)?.positions.get(topic) ?? positionIn(entry, topic, this.log)
      if (at) known.set(topic, at)
    }
    return this.pagesAhead?.isAheadOf(positions, known) === true
  }

  get #foldOver(): typeof foldOver {
    return this.pagesAhead?.foldOver ?? foldOver
  }

  /** Pages that were read ahead, and what lies under and over them, become the base. */
  #join(query: TQuery, entry: Entry): Outcome {
    const { data, refetch, problems, effects } = this.#foldOver(entry, [], { query, log: this.log })
    if (!refetch || !entry.isHeld) rebase(entry, data)
    else freeze(entry, this.log)
    if (entry.isFrozen && entry.ahead.length === 0) entry.facts = []
    return { isRefused: false, refetchType: refetch ? 'active' : undefined, problems, effects }
  }

  /** Folds facts into a base that is live, or has no positions. One that fails freezes it, unchanged. */
  #fold(
    query: TQuery,
    entry: Entry,
    { facts, isResponse = false }: { facts: readonly Fact[]; isResponse?: boolean },
  ): Outcome {
    if (facts.length === 0) return NOTHING
    if (entry.isFrozen) {
      this.#keep(query, entry, facts)
      return NOTHING
    }
    const effects = facts.flatMap((fact) => fact.effects)
    const { data, refetch, problems } = foldEffects(effects, entry.base, query)
    if (refetch && entry.positions.size > 0) {
      // A response stands where it was read, whatever the stream has brought since.
      if (isResponse) entry.isFrozen = true
      else freeze(entry, this.log)
      this.#keep(query, entry, facts)
      for (const { event } of facts) {
        const { topic, position } = event ?? {}
        if (topic !== undefined && position && entry.positions.has(topic)) {
          demand(entry, topic, { position, tick: this.#tick })
        }
      }
    } else entry.base = data
    return { isRefused: false, refetchType: refetch ? 'active' : undefined, problems, effects }
  }

  /** Keeps facts beside a frozen base, and what they ask of the next response. */
  #keep(query: TQuery, entry: Entry, facts: readonly Fact[]): void {
    for (const fact of facts) {
      const { topic, position } = fact.event ?? {}
      if (fact.refetchType && topic !== undefined && position) {
        demand(entry, topic, { position, tick: this.#tick })
      }
      if (fact.effects.length > 0) entry.facts.push(fact)
    }
    const { maxFacts } = this.#options
    if (entry.facts.length <= maxFacts) return
    if (entry.ahead.length > 0) this.#join(query, entry)
    if (entry.facts.length === 0) return
    // At the limit the older half goes into the base: what is shown stays the same, and a fetch is wanted anyway.
    const oldest = entry.facts.splice(0, entry.facts.length - maxFacts / 2)
    entry.base = foldEffects(
      oldest.flatMap(({ effects }) => effects),
      entry.base,
      query,
    ).data
  }

  /** A base that has taken these facts stands at the last of them. */
  #advanceOver(entry: Entry, facts: readonly Fact[]): void {
    for (const { event } of facts) {
      const { topic, position } = event ?? {}
      if (topic === undefined || position === undefined) continue
      if (hasReached(entry.positions.get(topic), position) === false) entry.positions.set(topic, position)
    }
  }

  /** What a response does not have in it, as far as is known here, in the order of its arrival. */
  #missedBy(
    query: TQuery,
    { positions, arrived, startedAt }: Response,
  ): { missed: readonly Fact[]; isCovered: boolean } {
    // It may have been read again since its fetch began: then the clock tells, where positions do not.
    const late = arrived.filter(
      (fact) =>
        !(this.log.contains(positions, fact) ?? fact.tick <= startedAt) && !this.#mayHave(positions, fact),
    )
    const earlier: Fact[] = []
    let isCovered = true
    for (const [topic, position] of positions ?? []) {
      const covered = this.log.after(topic, position)
      if (covered === undefined) isCovered = false
      for (const { event, effects } of covered ?? this.log.knownAfter(topic, position)) {
        // Both have arrived as one: the log has a copy.
        if (arrived.some((fact) => isSameEvent(fact.event, event))) continue
        const own = effects.filter((effect) => this.#options.touches(effect, query))
        if (own.length === 0) continue
        let refetchType: RefetchType | undefined
        for (const effect of own) {
          if (effect.kind === 'invalidate') refetchType = widest(refetchType, effect.refetchType)
          else if (effect.kind === 'drop') refetchType = widest(refetchType, 'active')
        }
        earlier.push({ event, effects: own.filter(isPatching), refetchType, tick: 0 })
      }
    }
    return { missed: [...earlier, ...late], isCovered }
  }

  /** Whether data has a fact in it, or may have it and must not have it twice: of two epochs nobody can tell. */
  #mayHave(positions: Positions | undefined, fact: Fact): boolean {
    const isOfAnEpoch = positions?.has(fact.event?.topic ?? '') === true && fact.event?.position !== undefined
    return this.log.contains(positions, fact) ?? (isOfAnEpoch && !isRepeatable(fact))
  }

  #isTooOld(
    entry: Entry,
    { positions, startedAt }: { positions: Positions; startedAt: number },
    isReplayed: boolean,
  ): boolean {
    for (const [topic, position] of positions) {
      if (this.log.isPast(topic, position) || this.log.isStrange(topic, position)) return true
      const need = entry.need.get(topic)
      if (need && this.log.hasReached(topic, position, need.position) === false) return true
      const at = positionIn(entry, topic, this.log)
      const stream = this.log.position(topic)
      const isBridged = isReplayed && stream && hasReached(stream, position)
      const end = isBridged ? stream : position
      if (at && this.log.hasReached(topic, end, at) === false) return true
    }
    // Positions that are known are not given up for a response that states others.
    return [...entry.need].some(([topic, { tick }]) => !positions.has(topic) && startedAt < tick)
  }

  /** Pages that were read at different times are all as far as the one that is furthest behind. */
  #lowest(entry: Entry, positions: Positions | undefined): Map<string, Position> {
    const lowest = new Map<string, Position>()
    for (const topic of entry.positions.keys()) {
      const old = positionIn(entry, topic, this.log)
      const added = positions?.get(topic)
      if (!old || !added || old.epoch !== added.epoch) continue
      lowest.set(topic, added.offset < old.offset ? added : old)
    }
    return lowest
  }
}

const isSameEvent = (a: RealtimeEvent | undefined, b: RealtimeEvent): boolean =>
  a === b ||
  (a?.topic === b.topic &&
    a?.position !== undefined &&
    a.position.epoch === b.position?.epoch &&
    a.position.offset === b.position.offset)

/** Whether it leaves nothing of what was there before. */
const isWhole = ({ kind }: PatchingEffect): boolean =>
  kind === 'upsert' || kind === 'remove' || kind === 'setData'

const isPatching = (effect: Effect): effect is PatchingEffect =>
  effect.kind !== 'invalidate' && effect.kind !== 'drop'
