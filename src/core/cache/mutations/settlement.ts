/**
 * How a mutation whose fate is known comes to its end: it waits for its echo, what that does not bring is fetched, and
 * when every query on screen has it from the server it is forgotten.
 */
import type { Query } from '@tanstack/query-core'
import { RealtimeError } from '../../errors.ts'
import { includes, waitsForEcho } from '../../overlay/entry.ts'
import type { Operation } from '../../overlay/operation.ts'
import { UnechoedWrites } from '../../overlay/unechoed-writes.ts'
import type { Guesses } from './guesses.ts'
import { touches } from '../matching/match-safely.ts'
import type { OptimisticHost } from './optimistic-host.ts'

export interface SettlementOptions extends OptimisticHost {
  readonly guesses: Guesses
  /** Nothing of a mutation is left to be confirmed on screen, or nothing at all. */
  readonly onSettled: (mutationId: string) => void
}

export class Settlement {
  /** What own mutations have changed for which no event comes. */
  readonly unechoed = new UnechoedWrites(touches)
  readonly #options: SettlementOptions
  /** Ends the wait for an echo. By mutationId. */
  readonly #waits = new Map<string, () => void>()
  #hasToldOfNoEcho = false

  constructor(options: SettlementOptions) {
    this.#options = options
  }

  /** Its fate is known now: by what its base is brought up to date. */
  begin(operation: Operation, queries: Iterable<Query>): void {
    if (operation.settle === 'refetch') this.#fetch(operation, queries)
    else this.wait(operation)
  }

  /** Waits for the echo, and fetches what it has not brought in time. */
  wait(operation: Operation): void {
    const { clock, echoTimeoutMs, guesses, isAttached, overlay, together } = this.#options
    const { mutationId } = operation
    if (!overlay.operations.has(mutationId) || this.#waits.has(mutationId) || !isAttached()) return
    const cancel = clock.after(echoTimeoutMs, () => {
      operation.isOverdue = true
      if (process.env['NODE_ENV'] !== 'production' && this.isOpen(operation)) this.#tellOfNoEcho(operation)
      // A fetch that has come already tells now what it did not before.
      together(() => {
        guesses.refresh()
        guesses.show(guesses.queriesOf(operation))
      })
      this.forgetDone()
    })
    this.#waits.set(mutationId, cancel)
  }

  waitNoLonger(mutationId: string): void {
    this.#waits.get(mutationId)?.()
    this.#waits.delete(mutationId)
  }

  /** Goes on with what `stop` has left. */
  start(): void {
    for (const operation of this.#options.overlay.operations.values())
      if (operation.fate !== 'pending' && operation.settle === 'echo' && !operation.isOverdue)
        this.wait(operation)
  }

  /** No timer is left. */
  stop(): void {
    for (const mutationId of this.#waits.keys()) this.waitNoLonger(mutationId)
  }

  /** The app wrote queries with this guess in them: how much of it is true only the server knows. */
  fetchTainted({ mutationId }: Operation): void {
    const { invalidate, overlay } = this.#options
    for (const [query, { tainted }] of overlay.entries) if (tainted.delete(mutationId)) invalidate(query)
  }

  forget(mutationId: string): void {
    const { guesses, overlay } = this.#options
    this.waitNoLonger(mutationId)
    guesses.delete(mutationId)
    overlay.end(mutationId)
  }

  /** Lets go of what is confirmed everywhere. */
  forgetDone(): void {
    const { guesses, isAttached, oldestFetch, onSettled, overlay } = this.#options
    if (!isAttached()) return
    for (const operation of [...overlay.operations.values()]) {
      const { fate, mutationId } = operation
      if (fate === 'pending') continue
      const all = guesses.changedBy(operation)
      const queries = all.filter((query) => query.state.data !== undefined || query.isActive())
      // What is on its way to a query that the guess has read may be from before it, and have the guess touch it.
      const isDone = overlay.isDone(operation, queries, oldestFetch([...all, ...guesses.reads(mutationId)]))
      // Where what made its row is still shown, it is to be shown over that.
      const isOverOther = operation.follows.some((other) => overlay.operations.has(other))
      if (!isDone || isOverOther) {
        this.#fetchLeftOver(operation, queries)
        if (!this.isOpen(operation)) onSettled(mutationId)
        continue
      }
      // What the app wrote with a guess in it that may have come to nothing: only the server knows.
      if (fate === 'unknown') this.fetchTainted(operation)
      this.forget(mutationId)
      guesses.show(queries)
      onSettled(mutationId)
    }
  }

  /** Whether a mutation is not in the data of a query on screen yet. */
  isOpen(operation: Operation): boolean {
    const { guesses, isAttached, overlay } = this.#options
    if (!isAttached()) return true
    return guesses.changedBy(operation).some((query) => {
      const entry = overlay.entries.get(query)
      if (!query.isActive() || entry === undefined) return false
      // What its first load will tell of it is not known yet.
      return entry.base === undefined
        ? operation.fate === 'unknown'
        : !includes(entry, operation, overlay.log)
    })
  }

  #fetch(operation: Operation, queries: Iterable<Query>): void {
    const { overlay, invalidate } = this.#options
    const { mutationId, fate, hasEchoed, effects, confirmed = [] } = operation
    if (fate === 'acked' && !hasEchoed) this.unechoed.note(mutationId, [...effects, ...confirmed])
    for (const query of queries) {
      const entry = overlay.entries.get(query)
      if (entry && overlay.isOfAnother(operation, query)) {
        overlay.hasTaken(entry, mutationId, [])
        continue
      }
      overlay.keepUntilFetched(query, operation)
      invalidate(query)
    }
  }

  /** It works, by a fetch, and late. Mostly it is the one line that the server lacks. */
  #tellOfNoEcho({ mutationId, fate, hasEchoed }: Operation): void {
    if (this.#hasToldOfNoEcho || hasEchoed || fate !== 'acked') return
    this.#hasToldOfNoEcho = true
    const message =
      `No event with the mutationId of a mutation has come within ${this.#options.echoTimeoutMs} ms of its answer; what ` +
      "it touches is fetched now. Publish its event with { mutationId }, or say settle: 'refetch'."
    this.#options.onError(new RealtimeError('usage', message, { details: { mutationId } }))
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
    this.#fetch(operation, left)
  }
}
