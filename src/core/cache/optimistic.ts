/**
 * Mutations over the cache: begins, acks, rejects, and the echoes among the events, each put to the overlay and then
 * shown. An ack only says where the mutation stands; what is confirmed comes with its echo or with a fetch, and takes
 * its place in the same step.
 */
import type { Query, QueryKey } from '@tanstack/query-core'
import type { Clock } from '../clock.ts'
import { RealtimeError } from '../errors.ts'
import { widest, type Fact, type Positions } from '../overlay/fact.ts'
import { includes, waitsForEcho } from '../overlay/entry.ts'
import type { Operation } from '../overlay/operation.ts'
import type { Overlay } from '../overlay/overlay.ts'
import type { TemporaryIds } from '../overlay/temporary-ids.ts'
import { UnechoedWrites } from '../overlay/unechoed-writes.ts'
import type { Effect } from '../routing/effect.ts'
import { touches } from './match-safely.ts'
import type { Plan, RoutedEvent } from './plan-batch.ts'

/** Gives what the cache shows below a mutation. */
export type ReadBelow = (queryKey: QueryKey) => unknown

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
  /** The guess. Pure: it runs again when what it has read changes. */
  readonly guess: (get: ReadBelow) => readonly Effect[]
}

/** What the server has said of a mutation. */
export interface Ack {
  readonly positions?: Positions | undefined
  /** The server's answer, in place of the guess. */
  readonly effects?: readonly Effect[] | undefined
}

/** What mutations need of the cache stage. */
export interface OptimisticHost {
  overlay: Overlay<Query>
  clock: Clock
  echoTimeoutMs: number
  readonly affected: (effects: readonly Effect[]) => Set<Query>
  readonly find: (queryKey: QueryKey) => Query | undefined
  /** When the oldest fetch in flight of these queries began, in ticks. */
  readonly oldestFetch: (queries: readonly Query[]) => number
  /** Shows a query as it is when what runs together has ended. */
  readonly show: (query: Query) => void
  /** What runs in it is one step for everybody who looks on. */
  readonly together: (step: () => void) => void
  readonly invalidate: (query: Query) => void
  /** False while the bridge is stopped: no query is known then. */
  readonly isAttached: () => boolean
  /** Whether a fetch of a query is in flight, or wanted. */
  readonly isAwaited: (query: Query) => boolean
  readonly onError: (error: RealtimeError) => void
}

export interface OptimisticOptions extends OptimisticHost {
  ids: TemporaryIds
}

/** What is kept of a mutation beside its place in the overlay. */
interface Running {
  readonly guess: Beginning['guess']
  /** What the guess has read. */
  reads: Set<Query>
  /** It has asked for what was not there. */
  hasMissed: boolean
  /** Ends the wait for the echo. */
  cancel: (() => void) | undefined
}

export class Optimistic {
  readonly #options: OptimisticOptions
  readonly #running = new Map<string, Running>()
  readonly #unechoed = new UnechoedWrites(touches)
  readonly #listeners = new Set<(mutationId: string) => void>()
  /** Wait for the next change of a fate, or of a stream's place. */
  readonly #waiters = new Set<() => void>()

  constructor(options: OptimisticOptions) {
    this.#options = options
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
      isOverdue: false,
      hasEchoed: false,
    }
    overlay.begin(operation, inPlaceOf)
    this.#running.set(mutationId, { guess, reads: new Set(), hasMissed: false, cancel: undefined })
    this.#options.together(() => {
      this.#guess(operation)
      operation.isIdempotent =
        isIdempotent ?? !operation.effects.some((effect) => isCreation(effect, mutationId))
      // What mentions it has another id for it now.
      if (inPlaceOf !== undefined) this.refresh(true)
      this.#showAll(operation.effects)
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
      const queries = this.#queriesOf(operation)
      for (const query of queries) this.#cover(query)
      if (operation.settle === 'refetch') this.#settleByFetch(operation, queries)
      else this.#wait(operation)
      this.refresh(isNews)
      this.#show(queries)
    })
    this.#forgetDone()
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
      const queries = this.#queriesOf(operation)
      this.#forget(mutationId)
      this.refresh()
      this.#show(queries)
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
    if (operation.settle === 'echo') this.#wait(operation)
    for (const query of this.#queriesOf(operation)) invalidate(query)
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
    const running = this.#running.get(mutationId)
    running?.cancel?.()
    if (running) running.cancel = undefined
    this.#show(this.#queriesOf(operation))
  }

  /** A batch is about to be applied. */
  receiving(batch: readonly RoutedEvent[]): void {
    for (const { event } of batch)
      if (event?.mutationId !== undefined) this.#unechoed.echoed(event.mutationId)
  }

  /** What may be older than an own change that no echo tells of only says that the query is out of date. */
  ordered(query: Query, fact: Fact): Fact {
    const { overlay } = this.#options
    const { mutationId } = fact.event ?? {}
    const isOwn = mutationId !== undefined && overlay.operations.has(mutationId)
    const isDoubtful =
      fact.event !== undefined &&
      !isOwn &&
      this.#unechoed.mayPrecede(query, fact.effects) &&
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
    this.refresh(isNews)
    for (const operation of overlay.operations.values()) this.#show(this.#queriesOf(operation))
    this.#forgetDone()
    for (const { mutationId } of echoed) this.#tell(mutationId)
  }

  /** A query is new, or has new data of its own: mutations are shown over it. */
  cover(query: Query): void {
    if ([...this.#running.values()].some(({ hasMissed }) => hasMissed)) this.refresh()
    if (this.#cover(query)) this.#options.show(query)
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

  /** Runs the guesses again that have read what has changed, and lets go of what is confirmed everywhere. */
  refresh(isAll = false): void {
    const { overlay } = this.#options
    for (const operation of overlay.operations.values()) {
      const running = this.#running.get(operation.mutationId)
      // Also when it is known to be carried out: until it is in the base, it stands on what the base becomes.
      if (!running) continue
      if (running.reads.size === 0 && !running.hasMissed && !isAll) continue
      const before = operation.effects
      this.#guess(operation)
      this.#showAll([...before, ...operation.effects])
    }
  }

  /** The stream of a topic has moved without an event, or was broken. */
  moved(): void {
    this.#wake()
    if (this.#options.overlay.operations.size === 0) return
    this.refresh()
    for (const operation of this.#options.overlay.operations.values()) this.#show(this.#queriesOf(operation))
    this.#forgetDone()
  }

  /** Whether a mutation is not in the data of a query on screen yet. */
  has(mutationId: string): boolean {
    const { overlay } = this.#options
    const operation = overlay.operations.get(mutationId)
    return operation !== undefined && this.#isOpen(operation)
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
    this.refresh()
    this.#forgetDone()
  }

  /** Goes on with what `stop` has left, and with what was answered meanwhile. */
  start(): void {
    const { overlay } = this.#options
    for (const operation of overlay.operations.values())
      if (operation.fate !== 'pending' && operation.settle === 'echo' && !operation.isOverdue)
        this.#wait(operation)
    this.fetched()
  }

  /** No timer is left. Mutations stay: their requests are on their way. */
  stop(): void {
    for (const running of this.#running.values()) {
      running.cancel?.()
      running.cancel = undefined
    }
  }

  /** Forgets every mutation, without showing it. */
  clear(): void {
    this.stop()
    this.#running.clear()
    this.#unechoed.clear()
  }

  #guess(operation: Operation): void {
    const { overlay, find, onError } = this.#options
    const running = this.#running.get(operation.mutationId)
    if (running === undefined) return
    const reads = new Set<Query>()
    let hasMissed = false
    try {
      operation.effects = running.guess((queryKey) => {
        const query = find(queryKey)
        if (query?.state.data === undefined) hasMissed = true
        if (query === undefined) return undefined
        reads.add(query)
        // Earlier guesses may lie over it.
        return this.#cover(query) ? overlay.view(query, operation) : query.state.data
      })
    } catch (cause) {
      const message =
        'optimistic threw. What the mutation shows stays as it was. Make it total: get may give undefined.'
      onError(
        new RealtimeError('handler-failed', message, {
          cause,
          details: { mutationId: operation.mutationId },
        }),
      )
    }
    running.reads = reads
    running.hasMissed = hasMissed
    for (const query of this.#options.affected(operation.effects)) this.#cover(query)
  }

  /** Gives a query an entry when a mutation touches it. False: none does. */
  #cover(query: Query): boolean {
    const { overlay } = this.#options
    if (overlay.entries.has(query)) return true
    const isTouched = [...overlay.operations.values()].some(
      (operation) => overlay.effectsOn(operation, query).length > 0,
    )
    if (isTouched) overlay.entryOf(query, query.state.data)
    return isTouched
  }

  #acked(operation: Operation, positions: Positions | undefined): void {
    const { overlay } = this.#options
    for (const [topic, position] of positions ?? []) operation.acks.set(topic, position)
    for (const other of overlay.operations.values()) {
      if (other === operation) break
      // Of one scope: it was carried out before this one, or not at all.
      if (other.fate !== 'unknown' || other.scope === undefined || other.scope !== operation.scope) continue
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
    if (!operation.isIdempotent) this.#fetchTainted(operation)
  }

  #fetchTainted({ mutationId }: Operation): void {
    for (const [query, { tainted }] of this.#options.overlay.entries)
      if (tainted.delete(mutationId)) this.#options.invalidate(query)
  }

  /** What the echo brings takes the place of the guess; where it brings nothing, a fetch will. */
  #echoed(operation: Operation, plans: ReadonlyMap<Query, Plan>): void {
    const { overlay, invalidate } = this.#options
    const { mutationId } = operation
    for (const query of this.#queriesOf(operation)) {
      this.#cover(query)
      const entry = overlay.entries.get(query)
      if (entry?.base === undefined || entry.echoed.has(mutationId)) continue
      const facts = plans.get(query)?.facts.filter(({ event }) => event?.mutationId === mutationId) ?? []
      const effects = facts.flatMap((fact) => fact.effects)
      if (effects.length > 0) overlay.hasTaken(entry, mutationId, effects)
      else if (facts.length === 0 && overlay.effectsOn(operation, query).length > 0) {
        overlay.keepUntilFetched(query, operation)
        invalidate(query)
      }
    }
  }

  #settleByFetch(operation: Operation, queries: Iterable<Query>): void {
    const { overlay, invalidate } = this.#options
    const { mutationId, fate, hasEchoed, effects, confirmed = [] } = operation
    if (fate === 'acked' && !hasEchoed) this.#unechoed.note(mutationId, [...effects, ...confirmed])
    for (const query of queries) {
      overlay.keepUntilFetched(query, operation)
      invalidate(query)
    }
  }

  /** Waits for the echo, and fetches what it has not brought in time. */
  #wait(operation: Operation): void {
    const { clock, echoTimeoutMs, isAttached } = this.#options
    const running = this.#running.get(operation.mutationId)
    if (running === undefined || running.cancel || !isAttached()) return
    running.cancel = clock.after(echoTimeoutMs, () => {
      operation.isOverdue = true
      // A fetch that has come already tells now what it did not before.
      this.#options.together(() => {
        this.refresh()
        this.#show(this.#queriesOf(operation))
      })
      this.#forgetDone()
    })
  }

  #forgetDone(): void {
    const { overlay, oldestFetch, isAttached } = this.#options
    if (!isAttached()) return
    for (const operation of [...overlay.operations.values()]) {
      if (operation.fate === 'pending') continue
      const all = this.#changedBy(operation)
      const queries = all.filter((query) => query.state.data !== undefined || query.isActive())
      // What is on its way to a query that the guess has read may be from before it, and have the guess touch it.
      const reads = this.#running.get(operation.mutationId)?.reads ?? []
      if (!overlay.isDone(operation, queries, oldestFetch([...all, ...reads]))) {
        this.#fetchLeftOver(operation, queries)
        if (!this.#isOpen(operation)) this.#tell(operation.mutationId)
        continue
      }
      // What the app wrote with a guess in it that may have come to nothing: only the server knows.
      if (operation.fate === 'unknown') this.#fetchTainted(operation)
      this.#forget(operation.mutationId)
      this.#show(queries)
      this.#tell(operation.mutationId)
    }
  }

  /**
   * Its echo has come, or will not come: what does not have it by now is fetched. A guess may come to touch a query
   * late, when what it reads has changed, or when the query is new.
   */
  #fetchLeftOver(operation: Operation, queries: readonly Query[]): void {
    const { overlay, isAwaited } = this.#options
    const { fate, settle, isOverdue, hasEchoed } = operation
    if (fate !== 'unknown' && settle === 'echo' && !isOverdue && !hasEchoed) return
    const left = queries.filter((query) => {
      const entry = overlay.entries.get(query)
      if (entry?.base === undefined || waitsForEcho(entry, operation)) return false
      return !includes(entry, operation, overlay.log) && !isAwaited(query)
    })
    this.#settleByFetch(operation, left)
  }

  #isOpen(operation: Operation): boolean {
    const { overlay, isAttached } = this.#options
    if (!isAttached()) return true
    return this.#changedBy(operation).some((query) => {
      const entry = overlay.entries.get(query)
      if (!query.isActive() || entry === undefined) return false
      // What its first load will tell of it is not known yet.
      return entry.base === undefined
        ? operation.fate === 'unknown'
        : !includes(entry, operation, overlay.log)
    })
  }

  #wake(): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of waiters) wake()
  }

  #forget(mutationId: string): void {
    this.#running.get(mutationId)?.cancel?.()
    this.#running.delete(mutationId)
    this.#options.overlay.operations.delete(mutationId)
    this.#wake()
    for (const { kept, echoed, overtaken } of this.#options.overlay.entries.values()) {
      kept.delete(mutationId)
      echoed.delete(mutationId)
      overtaken.delete(mutationId)
    }
  }

  #queriesOf({ effects, confirmed = [] }: Operation): Set<Query> {
    return this.#options.affected([...effects, ...confirmed])
  }

  /** Without those that it only puts out of date. */
  #changedBy(operation: Operation): Query[] {
    const { overlay } = this.#options
    return [...this.#queriesOf(operation)].filter((query) => overlay.effectsOn(operation, query).length > 0)
  }

  #showAll(effects: readonly Effect[]): void {
    this.#show(this.#options.affected(effects))
  }

  #show(queries: Iterable<Query>): void {
    for (const query of queries) this.#options.show(query)
  }

  #tell(mutationId: string): void {
    for (const listener of [...this.#listeners]) listener(mutationId)
  }
}

const isCreation = (effect: Effect, mutationId: string): boolean =>
  effect.kind === 'upsert' && effect.itemId === mutationId
