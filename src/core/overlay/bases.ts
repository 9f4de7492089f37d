/**
 * The confirmed base of each query, and what events do to it: applied while it is live, kept beside it while it is
 * frozen (`entry.ts` says when that is).
 */
import type { Position } from '../event.ts'
import type { EffectContext } from '../routing/effect.ts'
import type { BareOverlay } from './bare-overlay.ts'
import { demand, freeze, newEntry, positionIn, rebase, type Entry } from './entry.ts'
import { hasReached, isRepeatable, widest, type Fact, type Positions } from './fact.ts'
import { foldEffects } from './fold-effects.ts'
import { foldOver } from './fold-over.ts'
import { NOTHING, type Outcome } from './outcome.ts'
import type { PAGES_AHEAD } from './pages-ahead.ts'
import { StreamLog } from './stream-log.ts'

export class Bases<TQuery extends EffectContext> {
  readonly log: StreamLog
  readonly entries = new Map<TQuery, Entry>()
  /** Once responses say where they were read. */
  pagesAhead: typeof PAGES_AHEAD | undefined
  /** When what a query shows was asked for, also where it has no entry. In ticks. */
  readonly readAt = new WeakMap<TQuery, number>()
  readonly #maxFacts: number
  /** Those with pages that the stream may have come to by now. */
  readonly #held = new Set<TQuery>()
  #tick = 0

  /**
   * @param maxFacts - facts kept per frozen query, and events per topic
   * @param before - what has stood in for it until now
   */
  constructor(maxFacts: number, before: BareOverlay<TQuery> | undefined) {
    this.#maxFacts = maxFacts
    this.log = new StreamLog(maxFacts)
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

  /** The entry of a query, made on first use from the data that it has. */
  entryOf(query: TQuery, data: unknown): Entry {
    let entry = this.entries.get(query)
    if (entry === undefined) {
      entry = newEntry(data, this.readAt.get(query))
      this.entries.set(query, entry)
    }
    return entry
  }

  /** What a query shows has not come from a fetch: nothing is known of it. */
  forget(query: TQuery): void {
    this.entries.delete(query)
    this.readAt.delete(query)
  }

  /** Whether a query is as current as the stream is. */
  isLive(query: TQuery): boolean {
    const entry = this.entries.get(query)
    return entry !== undefined && entry.positions.size > 0 && (!entry.isFrozen || entry.isHeld)
  }

  /** Events, or local writes, over a base that there is. Called before the log is told of them. */
  apply(query: TQuery, entry: Entry, facts: readonly Fact[]): Outcome {
    const fresh = facts.filter((fact) => !this.mayHave(entry.positions, fact))
    const isProven = (fact: Fact) => this.log.contains(entry.positions, fact) !== undefined
    const cut = fresh.findIndex((fact) => fact.refetchType !== undefined && isProven(fact))
    const [foldable, rest] = cut < 0 ? [fresh, []] : [fresh.slice(0, cut), fresh.slice(cut)]
    const outcome = this.fold(query, entry, { facts: foldable })
    for (const { event: { topic, position } = {} } of foldable)
      if (topic !== undefined && position && !entry.positions.has(topic)) entry.taken.set(topic, position)
    let refetchType = outcome.refetchType
    for (const fact of fresh) if (fact.refetchType) refetchType = widest(refetchType, fact.refetchType)
    if (rest.length > 0) {
      if (!entry.isFrozen) this.#advanceOver(entry, foldable)
      freeze(entry, this.log)
      this.keep(query, entry, rest)
    }
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

  /** The stream has moved: pages that it has come to become part of their base. Gives what that has done. */
  caughtUp(): [TQuery, Outcome][] {
    const outcomes: [TQuery, Outcome][] = []
    for (const query of this.#held) {
      const entry = this.entries.get(query)
      if (entry?.isHeld && this.pagesAhead?.isCaughtUp(entry, this.log) === false) continue
      this.#held.delete(query)
      if (entry?.isHeld) outcomes.push([query, this.join(query, entry)])
    }
    return outcomes
  }

  /** Whether data has a fact in it, or may have it and must not have it twice: of two epochs nobody can tell. */
  mayHave(positions: Positions | undefined, fact: Fact): boolean {
    const isOfAnEpoch = positions?.has(fact.event?.topic ?? '') === true && fact.event?.position !== undefined
    return this.log.contains(positions, fact) ?? (isOfAnEpoch && !isRepeatable(fact))
  }

  /** Folds facts into a base that is live, or has no positions. One that fails freezes it, unchanged. */
  fold(
    query: TQuery,
    entry: Entry,
    { facts, isResponse = false }: { facts: readonly Fact[]; isResponse?: boolean },
  ): Outcome {
    if (facts.length === 0) return NOTHING
    if (entry.isFrozen) {
      this.keep(query, entry, facts)
      return NOTHING
    }
    const effects = facts.flatMap((fact) => fact.effects)
    const { data, refetch, problems } = foldEffects(effects, entry.base, query)
    if (refetch && entry.positions.size > 0) {
      // A response stands where it was read, whatever the stream has brought since.
      if (isResponse) entry.isFrozen = true
      else freeze(entry, this.log)
      this.keep(query, entry, facts)
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
  keep(query: TQuery, entry: Entry, facts: readonly Fact[]): void {
    for (const fact of facts) {
      const { topic, position } = fact.event ?? {}
      if (fact.refetchType && topic !== undefined && position) {
        demand(entry, topic, { position, tick: this.#tick })
      }
      if (fact.effects.length > 0) entry.facts.push(fact)
    }
    const maxFacts = this.#maxFacts
    if (entry.facts.length <= maxFacts) return
    if (entry.ahead.length > 0) this.join(query, entry)
    if (entry.facts.length === 0) return
    // At the limit the older half goes into the base: what is shown stays the same, and a fetch is wanted anyway.
    const oldest = entry.facts.splice(0, entry.facts.length - maxFacts / 2)
    entry.base = foldEffects(
      oldest.flatMap((fact) => (this.log.contains(entry.positions, fact) ? [] : fact.effects)),
      entry.base,
      query,
    ).data
  }

  /** Its base waits for the stream to come to its pages. */
  hold(query: TQuery, entry: Entry): void {
    entry.isFrozen = true
    entry.isHeld = true
    this.#held.add(query)
  }

  /** Pages that were read ahead, and what lies under and over them, become the base. */
  join(query: TQuery, entry: Entry): Outcome {
    const { data, refetch, problems, effects } = this.foldOver(entry, [], { query, log: this.log })
    if (!refetch || !entry.isHeld) rebase(entry, data)
    else freeze(entry, this.log)
    if (entry.isFrozen && entry.ahead.length === 0) entry.facts = []
    return { isRefused: false, refetchType: refetch ? 'active' : undefined, problems, effects }
  }

  get foldOver(): typeof foldOver {
    return this.pagesAhead?.foldOver ?? foldOver
  }

  /** A base that has taken these facts stands at the last of them. */
  #advanceOver(entry: Entry, facts: readonly Fact[]): void {
    for (const { event } of facts) {
      const { topic, position } = event ?? {}
      if (topic === undefined || position === undefined) continue
      if (hasReached(entry.positions.get(topic), position) === false) entry.positions.set(topic, position)
    }
  }
}
