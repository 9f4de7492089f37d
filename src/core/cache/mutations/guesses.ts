/**
 * What mutations are thought to do until the server has told, and which queries that touches. A guess runs again when
 * what it has read changes.
 */
import type { Query } from '@tanstack/query-core'
import { RealtimeError } from '../../errors.ts'
import type { Operation } from '../../overlay/operation.ts'
import type { Effect } from '../../routing/effect.ts'
import type { OptimisticHost, ReadBelow } from './optimistic-host.ts'

type Host = Pick<OptimisticHost, 'overlay' | 'affected' | 'find' | 'show' | 'onError'>

/** Pure: it runs again when what it has read changes. */
export type Guess = (get: ReadBelow) => readonly Effect[]

interface Made {
  readonly guess: Guess
  reads: ReadonlySet<Query>
  /** It has asked for what was not there. */
  hasMissed: boolean
  /** What was told of it when it threw. */
  failure?: string
}

export class Guesses {
  readonly #host: Host
  /** By mutationId. */
  readonly #made = new Map<string, Made>()

  constructor(host: Host) {
    this.#host = host
  }

  add(mutationId: string, guess: Guess): void {
    this.#made.set(mutationId, { guess, reads: new Set(), hasMissed: false })
  }

  delete(mutationId: string): void {
    this.#made.delete(mutationId)
  }

  clear(): void {
    this.#made.clear()
  }

  /** The queries that a guess has read. */
  reads(mutationId: string): Iterable<Query> {
    return this.#made.get(mutationId)?.reads ?? []
  }

  /** Runs a guess over what lies below its mutation now. */
  run(operation: Operation): void {
    const { overlay, affected, find, onError } = this.#host
    const { mutationId } = operation
    const made = this.#made.get(mutationId)
    if (made === undefined) return
    const reads = new Set<Query>()
    let hasMissed = false
    try {
      operation.effects = made.guess((queryKey) => {
        const query = find(queryKey)
        if (query?.state.data === undefined) hasMissed = true
        if (query === undefined) return undefined
        reads.add(query)
        // Earlier guesses may lie over it.
        return this.cover(query) ? overlay.view(query, operation)?.data : query.state.data
      })
    } catch (cause) {
      const message = `optimistic threw (${String(cause)}). What the mutation shows stays as it was.`
      // It is run again whenever what it has read changes.
      if (made.failure !== message)
        onError(new RealtimeError('handler-failed', message, { cause, details: { mutationId } }))
      made.failure = message
    }
    made.reads = reads
    made.hasMissed = hasMissed
    for (const query of affected(operation.effects)) this.cover(query)
  }

  /** Runs those again that have read something, or all. */
  refresh(isAll = false): void {
    for (const operation of this.#host.overlay.operations.values()) {
      const made = this.#made.get(operation.mutationId)
      // Also when it is known to be carried out: until it is in the base, it stands on what the base becomes.
      if (!made) continue
      if (made.reads.size === 0 && !made.hasMissed && !isAll) continue
      const before = operation.effects
      this.run(operation)
      this.showAll([...before, ...operation.effects])
    }
  }

  /** A query is there that a guess may have asked for. */
  found(): void {
    if ([...this.#made.values()].some(({ hasMissed }) => hasMissed)) this.refresh()
  }

  /** Gives a query an entry when a mutation touches it. False: none does. */
  cover(query: Query): boolean {
    const { overlay } = this.#host
    if (overlay.entries.has(query)) return true
    const isTouched = [...overlay.operations.values()].some(
      (operation) => overlay.effectsOn(operation, query).length > 0,
    )
    if (isTouched) overlay.entryOf(query, query.state.data)
    return isTouched
  }

  queriesOf({ effects, confirmed = [] }: Operation): Set<Query> {
    return this.#host.affected([...effects, ...confirmed])
  }

  /** Without those that it only puts out of date. */
  changedBy(operation: Operation): Query[] {
    const { overlay } = this.#host
    return [...this.queriesOf(operation)].filter((query) => overlay.effectsOn(operation, query).length > 0)
  }

  showAll(effects: readonly Effect[]): void {
    this.show(this.#host.affected(effects))
  }

  show(queries: Iterable<Query>): void {
    for (const query of queries) this.#host.show(query)
  }
}
