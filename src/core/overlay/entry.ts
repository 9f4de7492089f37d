/**
 * What is known of one query: its last confirmed data (`base`), where in the stream that stands, and what has to come
 * before it can be trusted again.
 *
 * A base with positions is *live* while every event since is applied to it. One that has missed something (an event
 * that only says "out of date", a reset, an updater that failed) is *frozen*: it stays exactly what the server was at
 * its positions, later events are kept beside it as `facts` and shown over it, and a fetch is wanted. Without positions
 * nothing can be proven: the base takes every event as it comes.
 */
import type { Position } from '../event.ts'
import type { PatchingEffect } from '../routing/effect.ts'
import { hasReached, type Fact, type Positions } from './fact.ts'
import { isUnnamed, type Operation } from './operation.ts'
import type { PageAhead } from './pages-ahead.ts'
import type { StreamLog } from './stream-log.ts'

/** A response must have come this far to be taken. */
interface Need {
  readonly position: Position
  /** When it was needed, in ticks: what tells for a response without positions. */
  readonly tick: number
}

export interface Entry {
  base: unknown
  /** Of the base, by topic. While it is live, the stream's own position is what counts. */
  positions: Map<string, Position>
  isFrozen: boolean
  /** Pages that are not part of the base yet: each is as it was read. */
  ahead: PageAhead[]
  /** It is frozen for these pages alone, until the stream has come to them: it has missed nothing. */
  isHeld: boolean
  /** What has arrived since it was frozen, in order. */
  facts: Fact[]
  need: Map<string, Need>
  /** Of a base that says nothing of where it stands: the last events that it has taken, by topic. */
  taken: Map<string, Position>
  /** When the fetch that made the base began, in ticks. */
  readAt: number
  /** Where the server stood when the base was read, whatever the stream has brought since. */
  readFrom: Positions | undefined
  /** Operations that only a fetch takes out of the view: no event has brought what they did to this query. */
  readonly kept: Set<string>
  /** Operations whose echo has changed this base. */
  readonly echoed: Set<string>
  /** Operations that this base shows nothing of any more, because it has a later one of their scope in it. */
  readonly overtaken: Set<string>
  /** Operations that the base may have in it or not, without positions that tell. */
  undecided: ReadonlySet<string>
  /** Operations that were pending when the app wrote this query: their guess may be in what it wrote. */
  readonly tainted: Set<string>
}

export const newEntry = (base: unknown, readAt = -1): Entry => ({
  base,
  positions: new Map(),
  isFrozen: false,
  ahead: [],
  isHeld: false,
  facts: [],
  need: new Map(),
  taken: new Map(),
  readAt,
  readFrom: undefined,
  kept: new Set(),
  echoed: new Set(),
  overtaken: new Set(),
  undecided: new Set(),
  tainted: new Set(),
})

/** How far the base of an entry is in a topic: by the stream while it is live. */
export function positionIn(
  { positions, isFrozen }: Entry,
  topic: string,
  log: StreamLog,
): Position | undefined {
  const own = positions.get(topic)
  const stream = log.position(topic)
  if (own === undefined || isFrozen || stream === undefined) return own
  return hasReached(own, stream) === false ? stream : own
}

/** The base has missed something: from now on it is left as it is, until a fetch brings a better one. */
export function freeze(entry: Entry, log: StreamLog): void {
  entry.isHeld = false
  if (entry.isFrozen) return
  for (const topic of entry.positions.keys()) {
    const position = positionIn(entry, topic, log)
    if (position) entry.positions.set(topic, position)
  }
  entry.isFrozen = true
}

/** Nothing lies beside the base any more: `data` has it all. */
export function rebase(entry: Entry, data: unknown): void {
  entry.base = data
  entry.ahead = []
  if (!entry.isHeld) return
  entry.isHeld = false
  entry.isFrozen = false
  entry.facts = []
}

/** A response from before `position` is of no use. */
export function demand(entry: Entry, topic: string, need: Need): void {
  const known = entry.need.get(topic)
  if (known && hasReached(known.position, need.position)) return
  entry.need.set(topic, need)
}

/** Whether the base has the operation in it, so that showing it on top would be once too often. */
export function includes(entry: Entry, operation: Operation, log: StreamLog): boolean {
  const { mutationId, fate, acks, precedes, settledAt } = operation
  if (entry.overtaken.has(mutationId)) return true
  // Shown on top it would be there twice, if it is in. A fetch is on its way.
  const isHeldBack = entry.undecided.has(mutationId)
  if (fate === 'pending' || (isHeldBack && isUnnamed(operation))) return isHeldBack
  if (entry.kept.has(mutationId)) {
    if (acks.size === 0) return isHeldBack
    const reached = [...acks].map(([topic, position]) =>
      log.hasReached(topic, entry.readFrom?.get(topic), position),
    )
    return reached.includes(true) && !reached.includes(false)
  }
  let isProven = false
  for (const [topic, position] of acks) {
    const at = positionIn(entry, topic, log)
    // Positions always beat clocks: a response that began later may come from a replica that lags behind.
    const reached = log.hasReached(topic, at, position)
    if (reached === false) return false
    isProven ||= reached === true
  }
  for (const [topic, position] of precedes)
    isProven ||= log.hasReached(topic, positionIn(entry, topic, log), position) === true
  if (isProven || isHeldBack || entry.echoed.has(mutationId)) return true
  return !waitsForEcho(entry, operation) && entry.readAt > settledAt
}

/**
 * Whether only its echo can tell where an operation stands that was sent: a fetch, however late, may come from a
 * replica that lags behind. One that must not be shown twice, and may never have arrived, is not waited for.
 */
export function waitsForEcho({ positions }: Entry, operation: Operation): boolean {
  const { fate, acks, settle, isOverdue, isIdempotent } = operation
  const isPossible = fate === 'acked' || (fate === 'unknown' && isIdempotent)
  return isPossible && positions.size > 0 && settle === 'echo' && acks.size === 0 && !isOverdue
}

/** Whether a response that began at `startedAt` and stands at `positions` has what an acked operation did. */
export function answers(
  { fate, acks, settledAt }: Operation,
  positions: Positions | undefined,
  startedAt: number,
): boolean {
  if (fate === 'pending') return false
  const reached = [...acks].map(([topic, position]) => hasReached(positions?.get(topic), position))
  return !reached.includes(false) && (reached.includes(true) || startedAt > settledAt)
}

/** Whether the server carries out an operation after another one, whatever is known of their positions. */
export const comesAfter = ({ scope, follows }: Operation, other: Operation): boolean =>
  (scope !== undefined && scope === other.scope) || follows.includes(other.mutationId)

/** An operation with what it does to one query. */
export interface Layer {
  readonly operation: Operation
  readonly effects: readonly PatchingEffect[]
}

/** What has arrived since a guess that must not be applied twice may hold it already: it waits for the fetch. In ticks. */
export function heldFrom(operations: readonly Layer[]): number {
  const open = operations.filter(
    ({ operation }) => !operation.isIdempotent && (operation.fate !== 'acked' || isUnnamed(operation)),
  )
  return Math.min(...open.map(({ operation }) => operation.beganAt))
}

/** A fact or an operation, in its place. */
export interface Placed {
  readonly fact?: Fact
  readonly layer?: Layer
  readonly effects: readonly PatchingEffect[]
}

/**
 * What stands over the base, in the order in which the server has done it as far as that is known: facts, and
 * confirmed operations that are not in the base yet, by position; guesses last, save those that their scope puts
 * before a confirmed one. (R3 of the engine's rules.)
 */
export function layersOver(
  entry: Entry,
  operations: readonly Layer[],
  { log, heldFrom }: { log: StreamLog; heldFrom: number },
): Placed[] {
  const placed: Placed[] = []
  for (const fact of entry.facts) {
    // Of another epoch than the base: that the base is of the later one may have become known since.
    const isIn = log.contains(entry.positions, fact)
    if (!isIn && fact.tick <= heldFrom) placed.push({ fact, effects: fact.effects })
  }

  const isAfter = (item: (typeof placed)[number], acks: ReadonlyMap<string, Position>) => {
    const { topic, position } = item.fact?.event ?? {}
    const own = item.layer?.operation.acks ?? (topic && position ? new Map([[topic, position]]) : new Map())
    return [...acks].some(([topic, ack]) => log.hasReached(topic, ack, own.get(topic) ?? ack) === false)
  }
  // Its echo stands among the facts: that is the operation itself.
  const echoes = new Set(placed.map(({ fact }) => fact?.event?.mutationId))
  const layers = operations.filter(({ operation }) => !echoes.has(operation.mutationId))
  for (const layer of layers) {
    const { acks } = layer.operation
    if (acks.size === 0) continue
    const at = placed.findIndex((item) => isAfter(item, acks))
    // Of two epochs nobody may know yet which is the later one: their scope does.
    let least = 0
    placed.forEach((item, index) => {
      if (item.layer && comesAfter(layer.operation, item.layer.operation)) least = index + 1
    })
    placed.splice(at < 0 ? placed.length : Math.max(at, least), 0, { layer, effects: layer.effects })
  }
  layers.forEach((layer) => {
    const { acks } = layer.operation
    if (acks.size > 0) return
    const later = operations.slice(operations.indexOf(layer) + 1).map(({ operation }) => operation)
    const followers = later.filter((other) => other.acks.size > 0 && comesAfter(other, layer.operation))
    const at = placed.findIndex(({ fact, layer }) =>
      followers.some((other) => other === layer?.operation || other.mutationId === fact?.event?.mutationId),
    )
    placed.splice(at < 0 ? placed.length : at, 0, { layer, effects: layer.effects })
  })
  return placed
}
