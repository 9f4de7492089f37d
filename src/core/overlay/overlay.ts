/**
 * The view is rebase(base, pending) (L3): over the confirmed base of each query that has positions, or a mutation over
 * it, lie the operations that are not in it yet. Pure: it reads no clock, writes no cache, and knows a query only as a
 * key with options.
 *
 *   facts (events) ──apply──▶ base, or, while it is frozen, beside it           (bases.ts)
 *   response ───────respond─▶ base, brought up to date with what it has missed  (take-response.ts)
 *   operations ─────begin───▶ view = base ⊕ facts ⊕ operations not included
 *
 * The rules and their reasons: ARCHITECTURE.md, "The overlay".
 */
import type { Position } from '../event.ts'
import type { Effect, EffectContext, PatchingEffect } from '../routing/effect.ts'
import { idOf } from '../routing/item-id.ts'
import type { BareOverlay } from './bare-overlay.ts'
import { Bases } from './bases.ts'
import {
  comesAfter,
  demand,
  freeze,
  heldFrom,
  includes,
  positionIn,
  type Entry,
  type Layer,
} from './entry.ts'
import { hasReached, isPatching, type Positions } from './fact.ts'
import { foldEffects } from './fold-effects.ts'
import type { Folded } from './fold-over.ts'
import type { Operation } from './operation.ts'
import type { Outcome } from './outcome.ts'
import { takeResponse, type Response } from './take-response.ts'

export interface OverlayOptions<TQuery extends EffectContext> {
  /** Whether an effect concerns a query. */
  touches(effect: Effect, query: TQuery): boolean
  /** Facts kept per frozen query, and events per topic. */
  readonly maxFacts: number
  /** What has stood in for it until now. @default nothing has happened yet */
  readonly before?: BareOverlay<TQuery> | undefined
}

export class Overlay<TQuery extends EffectContext> extends Bases<TQuery> {
  /** In the order in which the server is to carry them out. */
  readonly operations = new Map<string, Operation>()
  /** What a list of effects does to a query. */
  readonly #effectsOn = new WeakMap<readonly Effect[], WeakMap<TQuery, readonly PatchingEffect[]>>()

  readonly #options: OverlayOptions<TQuery>

  constructor(options: OverlayOptions<TQuery>) {
    super(options.maxFacts, options.before)
    this.#options = options
  }

  /** Whether an effect concerns a query. */
  touches(effect: Effect, query: TQuery): boolean {
    return this.#options.touches(effect, query)
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

  /** Nothing of an operation is to be shown any more. */
  end(mutationId: string): void {
    this.operations.delete(mutationId)
    for (const { kept, echoed, overtaken } of this.entries.values()) {
      kept.delete(mutationId)
      echoed.delete(mutationId)
      overtaken.delete(mutationId)
    }
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
      own = effects.filter(isPatching).filter((effect) => this.touches(effect, query))
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
  view(query: TQuery, below?: Operation): Folded | undefined {
    const entry = this.entries.get(query)
    if (entry === undefined) return undefined
    const layers = this.layers(query)
    const shown = below ? this.layers(query, below) : layers
    if (entry.base === undefined) return undefined
    return this.foldOver(entry, shown, { query, log: this.log, heldFrom: heldFrom(layers) })
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

  /** A response has come: the new base, or nothing. */
  respond(query: TQuery, response: Response): Outcome {
    return takeResponse(this, query, response)
  }

  /** Whether what an operation does is to rows, and a query is the detail of another one: it has nothing to wait for. */
  isOfAnother(operation: Operation, query: TQuery): boolean {
    const base = this.entries.get(query)?.base
    if (typeof base !== 'object' || base === null) return false
    const effects = this.effectsOn(operation, query)
    const { data, problems } = foldEffects(effects, base, query)
    if (effects.length === 0 || problems.length > 0 || data !== base) return false
    // No list: what a list does not show now, a response that is on its way may bring.
    return effects.every(
      (effect) =>
        'rules' in effect &&
        idOf(effect.id, base) !== effect.itemId &&
        effect.rules.openList(base, effect.list) === undefined,
    )
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
      if (entry.positions.has(topic)) demand(entry, topic, { position, tick: this.tick })
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
    // A query may be shown yet, by a replica that does not have it, before its topic is heard.
    if (!isHeardOf && operation.settle === 'echo' && !operation.isOverdue) return false
    return queries.every((query) => {
      const entry = this.entries.get(query)
      if (entry === undefined) return true
      // A first load may come from a replica that does not have it, and no log tells what that misses.
      return entry.base === undefined ? isHeardOf : includes(entry, operation, this.log)
    })
  }

  clear(): void {
    this.entries.clear()
    this.operations.clear()
    this.log.clear()
  }
}

/** Whether it leaves nothing of what was there before. */
const isWhole = ({ kind }: PatchingEffect): boolean =>
  kind === 'upsert' || kind === 'remove' || kind === 'setData'
