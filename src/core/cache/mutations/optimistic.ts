/**
 * Mutations over the cache: begins, acks, rejects, and the echoes among the events, each put to the overlay and then
 * shown. An ack only says where the mutation stands; what is confirmed comes with its echo or with a fetch, and takes
 * its place in the same step.
 */
import type { Query } from '@tanstack/query-core'
import { comesAfter, includes } from '../../overlay/entry.ts'
import { widest, type Fact, type Positions } from '../../overlay/fact.ts'
import type { Operation } from '../../overlay/operation.ts'
import type { Effect } from '../../routing/effect.ts'
import { Guesses, type Guess } from './guesses.ts'
import type { OptimisticOptions } from './optimistic-host.ts'
import type { Plan, RoutedEvent } from '../plan-batch.ts'
import { Settlement } from './settlement.ts'

/** A mutation as it begins. */
export interface Beginning {
  readonly mutationId: string
  readonly scope?: string | undefined
  /** The mutations that make what it mentions. @default none */
  readonly follows?: readonly string[] | undefined
  /** The refused one that this one is the next attempt of: what followed that one follows this one. */
  readonly inPlaceOf?: string | undefined
  /** @default whether it creates no row under its mutationId: a second one could stand beside the real row */
  readonly isIdempotent: boolean | undefined
  readonly settle: 'echo' | 'refetch'
  readonly guess: Guess
}

/** What the server has said of a mutation. */
export interface Ack {
  readonly positions?: Positions | undefined
  /** The server's answer, in place of the guess. */
  readonly effects?: readonly Effect[] | undefined
}

export class Optimistic {
  readonly #options: OptimisticOptions
  readonly #guesses: Guesses
  readonly #settlement: Settlement
  readonly #listeners = new Set<(mutationId: string) => void>()
  /** Wait for the next change of a fate, or of a stream's place. */
  readonly #waiters = new Set<() => void>()

  constructor(options: OptimisticOptions) {
    this.#options = options
    this.#guesses = new Guesses(options)
    this.#settlement = new Settlement({
      ...options,
      guesses: this.#guesses,
      onSettled: (mutationId) => {
        this.#wake()
        this.#tell(mutationId)
      },
    })
  }

  /** Calls back when a mutation's fate has become known by its echo, or nothing of it is left to be confirmed. */
  subscribe(listener: (mutationId: string) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Shows a mutation from now on. */
  begin({ mutationId, scope, follows = [], inPlaceOf, isIdempotent, settle, guess }: Beginning): void {
    const { overlay } = this.#options
    if (overlay.operations.has(mutationId)) return
    const operation: Operation = {
      mutationId,
      scope,
      follows,
      isIdempotent: isIdempotent ?? true,
      settle,
      beganAt: overlay.nextTick(),
      isSent: false,
      isAnswered: false,
      effects: [],
      confirmed: undefined,
      isConfirmed: false,
      fate: 'pending',
      settledAt: Infinity,
      acks: new Map(),
      precedes: new Map(),
      isOverdue: false,
      hasEchoed: false,
    }
    overlay.begin(operation, inPlaceOf)
    this.#guesses.add(mutationId, guess)
    this.#options.together(() => {
      this.#guesses.run(operation)
      operation.isIdempotent =
        isIdempotent ?? !operation.effects.some((effect) => isCreation(effect, mutationId))
      // What mentions it has another id for it now.
      if (inPlaceOf !== undefined) this.#guesses.refresh(true)
      this.#guesses.showAll(operation.effects)
    })
  }

  /** The request of a mutation leaves: from now on a response may have what it does. */
  sent(mutationId: string): void {
    const operation = this.#options.overlay.operations.get(mutationId)
    if (operation) operation.isSent = true
  }

  /** The server has carried it out. */
  ack(mutationId: string, { positions, effects }: Ack): void {
    const { overlay, ids } = this.#options
    const operation = overlay.operations.get(mutationId)
    if (operation === undefined) return
    operation.isAnswered = true
    const isNews = effects !== undefined && ids.learn(mutationId, operation.effects, effects)
    this.#options.together(() => {
      this.#acked(operation, positions)
      if (effects) {
        operation.confirmed = effects
        operation.isConfirmed = true
      }
      const queries = this.#guesses.queriesOf(operation)
      for (const query of queries) this.#guesses.cover(query)
      this.#showReordered()
      this.#settlement.begin(operation, queries)
      this.#guesses.refresh(isNews)
      this.#guesses.show(queries)
    })
    this.#settlement.forgetDone()
  }

  /** The server has refused it: its effect goes, and nothing else. */
  reject(mutationId: string): void {
    const { overlay, invalidate } = this.#options
    const operation = overlay.operations.get(mutationId)
    this.answered(mutationId)
    // What has come as an echo was carried out, whatever the answer says.
    if (operation === undefined || operation.fate === 'acked') return
    overlay.nextTick()
    this.#options.together(() => {
      const queries = this.#guesses.queriesOf(operation)
      this.#settlement.forget(mutationId)
      this.#wake()
      this.#guesses.refresh()
      this.#guesses.show(queries)
      for (const query of queries) {
        // The app wrote this query while the guess was in what it read: only the server knows what is left of it.
        if (overlay.entries.get(query)?.tainted.delete(mutationId)) invalidate(query)
      }
    })
  }

  /** Its request has ended: no answer will name what it has made. */
  answered(mutationId: string): void {
    const operation = this.#options.overlay.operations.get(mutationId)
    if (operation === undefined) return
    operation.isAnswered = true
    this.#wake()
  }

  /** It was sent, and nobody knows what became of it. It stays in view until a fetch, or its echo, tells. */
  unknown(mutationId: string): void {
    const { overlay, invalidate } = this.#options
    const operation = overlay.operations.get(mutationId)
    this.answered(mutationId)
    if (operation?.fate !== 'pending') return
    operation.fate = 'unknown'
    operation.settledAt = overlay.nextTick()
    if (operation.settle === 'echo') this.#settlement.wait(operation)
    for (const query of this.#guesses.queriesOf(operation)) invalidate(query)
  }

  /** It is sent once more: its fate is open again. */
  retried(mutationId: string): void {
    const operation = this.#options.overlay.operations.get(mutationId)
    if (operation) operation.isAnswered = false
    if (operation?.fate !== 'unknown') return
    operation.fate = 'pending'
    operation.settledAt = Infinity
    operation.isOverdue = false
    operation.acks.clear()
    operation.precedes.clear()
    this.#settlement.waitNoLonger(mutationId)
    this.#guesses.show(this.#guesses.queriesOf(operation))
  }

  /** A batch is about to be applied. */
  receiving(batch: readonly RoutedEvent[]): void {
    for (const { event } of batch)
      if (event?.mutationId !== undefined) this.#settlement.unechoed.echoed(event.mutationId)
  }

  /** What may be older than an own change that no echo tells of only says that the query is out of date. */
  ordered(query: Query, fact: Fact): Fact {
    const { overlay } = this.#options
    const { mutationId } = fact.event ?? {}
    const isOwn = mutationId !== undefined && overlay.operations.has(mutationId)
    const isDoubtful =
      fact.event !== undefined &&
      !isOwn &&
      this.#settlement.unechoed.mayPrecede(query, fact.effects) &&
      overlay.log.contains(overlay.entries.get(query)?.positions, fact) === undefined
    return isDoubtful ? { ...fact, effects: [], refetchType: widest(fact.refetchType, 'active') } : fact
  }

  /** Looks for echoes in a batch that is in the cache, and shows what it changes of the queries under mutations. */
  received(batch: readonly RoutedEvent[], plans: ReadonlyMap<Query, Plan>): void {
    const { overlay, ids } = this.#options
    this.#wake()
    if (overlay.operations.size === 0) return
    const echoed = new Set<Operation>()
    let isNews = false
    for (const { event, effects } of batch) {
      const operation = event?.mutationId === undefined ? undefined : overlay.operations.get(event.mutationId)
      if (operation === undefined || event === undefined) continue
      const { topic, position } = event
      this.#acked(operation, topic !== undefined && position ? new Map([[topic, position]]) : undefined)
      if (ids.learn(operation.mutationId, operation.effects, effects)) isNews = true
      // Until it is in the base of a query, what the event says is a better guess than ours.
      if (!operation.isConfirmed) operation.confirmed = [...(operation.confirmed ?? []), ...effects]
      operation.hasEchoed = true
      echoed.add(operation)
    }
    for (const operation of echoed) this.#echoed(operation, plans)
    this.#guesses.refresh(isNews)
    for (const operation of overlay.operations.values())
      this.#guesses.show(this.#guesses.queriesOf(operation))
    this.#settlement.forgetDone()
    for (const { mutationId } of echoed) this.#tell(mutationId)
  }

  /** A query is new, or has new data of its own: mutations are shown over it. */
  cover(query: Query): void {
    this.#guesses.found()
    if (this.#guesses.cover(query)) this.#options.show(query)
  }

  /** Somebody looks at a query: where a guess belongs in its pages depends on its options, which may be new. */
  observed(query: Query): void {
    const { overlay, show } = this.#options
    if (overlay.operations.size > 0 && overlay.entries.has(query)) show(query)
  }

  /** The app has written a query itself: that is its base now. What is pending is to be shown over it. */
  writtenByApp(query: Query): void {
    const { overlay } = this.#options
    const entry = overlay.entries.get(query)
    if (entry === undefined) return this.cover(query)
    for (const { operation } of overlay.layers(query)) entry.tainted.add(operation.mutationId)
  }

  /** The stream of a topic has moved without an event, or was broken. */
  moved(): void {
    this.#wake()
    if (this.#options.overlay.operations.size === 0) return
    this.#guesses.refresh()
    for (const operation of this.#options.overlay.operations.values())
      this.#guesses.show(this.#guesses.queriesOf(operation))
    this.#settlement.forgetDone()
  }

  /** Whether something of a mutation is left to be confirmed, on screen or not. */
  isKnown(mutationId: string): boolean {
    return this.#options.overlay.operations.has(mutationId)
  }

  /** Whether a mutation is not in the data of a query on screen yet. */
  has(mutationId: string): boolean {
    const { overlay } = this.#options
    const operation = overlay.operations.get(mutationId)
    return operation !== undefined && this.#settlement.isOpen(operation)
  }

  /** Resolves at the next change of a mutation's fate, or of a stream's place. */
  whenChanged(): { promise: Promise<void>; cancel(): void } {
    let waiter = (): void => undefined
    const promise = new Promise<void>((resolve) => {
      waiter = resolve
    })
    this.#waiters.add(waiter)
    return { promise, cancel: () => this.#waiters.delete(waiter) }
  }

  /** A fetch has ended: what it has confirmed everywhere is forgotten. */
  fetched(): void {
    if (this.#options.overlay.operations.size === 0) return
    this.#showReordered()
    this.#guesses.refresh()
    this.#settlement.forgetDone()
  }

  /** Goes on with what `stop` has left, and with what was answered meanwhile. */
  start(): void {
    this.#settlement.start()
    this.fetched()
  }

  /** No timer is left. Mutations stay: their requests are on their way. */
  stop(): void {
    this.#settlement.stop()
  }

  /** Forgets every mutation, without showing it. */
  clear(): void {
    this.stop()
    this.#guesses.clear()
    this.#settlement.unechoed.clear()
  }

  #acked(operation: Operation, positions: Positions | undefined): void {
    const { overlay } = this.#options
    for (const [topic, position] of positions ?? []) {
      operation.acks.set(topic, position)
      // Begun when the stream was where it is known to be, it was not carried out in an epoch before that.
      overlay.log.judge(topic, position, { startedAt: operation.beganAt, tick: overlay.tick })
    }
    for (const other of overlay.operations.values()) {
      if (other === operation) break
      // Of one scope, or what makes the row: it was carried out before this one, or not at all.
      if (other.fate === 'pending' || !comesAfter(operation, other)) continue
      for (const [topic, position] of operation.acks) other.precedes.set(topic, position)
      if (other.fate === 'acked') continue
      // Where it is not shown any more, it is not shown again.
      for (const entry of overlay.entries.values())
        if (includes(entry, other, overlay.log)) entry.overtaken.add(other.mutationId)
      for (const [topic, { epoch, offset }] of operation.acks)
        if (!other.acks.has(topic)) other.acks.set(topic, { epoch, offset: offset - 1 })
    }
    this.#wake()
    this.#untaint(operation)
    if (operation.fate === 'acked') return
    operation.fate = 'acked'
    operation.settledAt = Math.min(operation.settledAt, overlay.nextTick())
  }

  /** The app wrote a query with this guess in it: now it is confirmed, it would be there twice. */
  #untaint(operation: Operation): void {
    if (!operation.isIdempotent) this.#settlement.fetchTainted(operation)
  }

  /** What the echo brings takes the place of the guess; where it brings nothing, a fetch will. */
  #echoed(operation: Operation, plans: ReadonlyMap<Query, Plan>): void {
    const { overlay, invalidate } = this.#options
    const { mutationId } = operation
    for (const query of this.#guesses.queriesOf(operation)) {
      this.#guesses.cover(query)
      const entry = overlay.entries.get(query)
      if (entry?.base === undefined || entry.echoed.has(mutationId)) continue
      const facts = plans.get(query)?.facts.filter(({ event }) => event?.mutationId === mutationId) ?? []
      const effects = facts.flatMap((fact) => fact.effects)
      if (effects.length > 0 || overlay.isOfAnother(operation, query))
        overlay.hasTaken(entry, mutationId, effects)
      else if (facts.length === 0 && overlay.effectsOn(operation, query).length > 0) {
        overlay.keepUntilFetched(query, operation)
        invalidate(query)
      }
    }
  }

  /** Which of two epochs is the later one has become known: what of them lies over the bases depends on it. */
  #showReordered(): void {
    const { log, entries } = this.#options.overlay
    if (!log.hasNewOrder) return
    log.hasNewOrder = false
    this.#guesses.show([...entries.keys()])
  }

  #wake(): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of waiters) wake()
  }

  #tell(mutationId: string): void {
    for (const listener of [...this.#listeners]) listener(mutationId)
  }
}

const isCreation = (effect: Effect, mutationId: string): boolean =>
  effect.kind === 'upsert' && effect.itemId === mutationId
