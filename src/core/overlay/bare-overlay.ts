/**
 * What stands in for the overlay while nothing needs one: no response states a position, and no mutation is shown before
 * it is confirmed. The base of a query is then what the cache shows, and events are folded straight into it. An app that
 * uses neither does not ship the overlay.
 */
import type { Position } from '../event.ts'
import { newEntry, type Entry } from './entry.ts'
import { isRepeatable, widest, type Fact, type RefetchType } from './fact.ts'
import { foldEffects } from './fold-effects.ts'
import type { Folded } from './fold-over.ts'
import type { EffectContext } from '../routing/effect.ts'
import type { Outcome } from './outcome.ts'
import type { Overlay } from './overlay.ts'
import type { Response } from './take-response.ts'
import type { LoggedEvent, StreamLog } from './stream-log.ts'

/** What the cache stage does with an overlay, be it a bare one. */
export interface QueryOverlay<TQuery extends EffectContext> extends Pick<
  Overlay<TQuery>,
  | 'entries'
  | 'tick'
  | 'nextTick'
  | 'forget'
  | 'prune'
  | 'view'
  | 'isLive'
  | 'inspect'
  | 'apply'
  | 'respond'
  | 'reset'
  | 'caughtUp'
  | 'clear'
> {
  readonly log: Pick<StreamLog, 'append' | 'advance' | 'reset' | 'contains' | 'clear'>
}

/** Topics whose position is remembered. The one silent longest is forgotten first. */
const MAX_TOPICS = 1_000

/** Where each topic is: what an overlay that comes later begins with. */
class StreamHeads implements Pick<StreamLog, 'append' | 'advance' | 'reset' | 'contains' | 'clear'> {
  readonly heads = new Map<string, Position>()

  append(topic: string, { event }: LoggedEvent): void {
    this.reset(topic, event.position)
  }

  advance(topic: string, position: Position): void {
    this.reset(topic, position)
  }

  reset(topic: string, position: Position): void {
    this.heads.delete(topic) // Set again, it is the youngest.
    this.heads.set(topic, position)
    const [oldest] = this.heads.keys()
    if (this.heads.size > MAX_TOPICS && oldest !== undefined) this.heads.delete(oldest)
  }

  contains(): undefined {
    return undefined
  }

  clear(): void {
    this.heads.clear()
  }
}

export class BareOverlay<TQuery extends EffectContext> implements QueryOverlay<TQuery> {
  readonly log = new StreamHeads()
  /** Responses that are about to be shown. */
  readonly entries = new Map<TQuery, Entry>()
  #tick = 0

  get tick(): number {
    return this.#tick
  }

  nextTick(): number {
    return ++this.#tick
  }

  forget(query: TQuery): void {
    this.entries.delete(query)
  }

  prune(query: TQuery): void {
    this.entries.delete(query)
  }

  view(query: TQuery): Folded | undefined {
    const entry = this.entries.get(query)
    return entry && { data: entry.base, refetch: false, problems: [], effects: [] }
  }

  isLive(): boolean {
    return false
  }

  inspect(): ReturnType<Overlay<TQuery>['inspect']> {
    return { positions: undefined, isLive: false, pending: [] }
  }

  apply(query: TQuery, entry: Entry, facts: readonly Fact[]): Outcome {
    const effects = facts.flatMap((fact) => fact.effects)
    const { data, refetch, problems } = foldEffects(effects, entry.base, query)
    entry.base = data
    let refetchType: RefetchType | undefined = refetch ? 'active' : undefined
    for (const fact of facts) if (fact.refetchType) refetchType = widest(refetchType, fact.refetchType)
    return { isRefused: false, refetchType, problems, effects }
  }

  /** A response was read before what has arrived since, or after it: nobody can tell. */
  respond(query: TQuery, { data, startedAt, arrived }: Response): Outcome {
    const entry = newEntry(data)
    this.entries.set(query, entry)
    const missed = arrived.filter(({ tick }) => tick > startedAt)
    const outcome = this.apply(query, entry, missed)
    const isDoubtful = missed.some((fact) => !fact.refetchType && !isRepeatable(fact))
    return isDoubtful ? { ...outcome, refetchType: widest(outcome.refetchType, 'active') } : outcome
  }

  reset(): boolean | undefined {
    return undefined
  }

  caughtUp(): [] {
    return []
  }

  clear(): void {
    this.entries.clear()
    this.log.clear()
  }
}
