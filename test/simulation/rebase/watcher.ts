/**
 * What a person sees, judged without any knowledge of how it came about: nothing on screen may become older (I4), one's
 * own change may not be hidden by something older (I5), a refusal changes its own row only (I6), no row is there
 * twice (I8).
 */
import type { ModelServer, Row } from './facts.ts'
import { isOfUnnamedRow, showing, type Operation } from './operation.ts'
import type { PageOptions } from './page.ts'
import { isIdempotent, type Configuration } from './configurations.ts'
import { isSameRow, rowsOf, type RowQuery, type Stats } from './queries.ts'

export type AnomalyKind = 'flash-back' | 'flicker' | 'collateral' | 'duplicate'

export interface Anomaly {
  readonly kind: AnomalyKind
  readonly client: number
  readonly text: string
}

/** What was on screen of one query. */
interface Memory {
  /** By row: its newest version, and those that are shown older than that now. */
  readonly newest: Map<string, number>
  readonly older: Set<string>
  /** Rows that others have deleted. */
  readonly gone: Set<string>
  /** Confirmed rows that were shown last. */
  last: Set<string>
  readonly shown: Set<Operation>
  isDouble: boolean
  /** Of a counter: what it showed last, and how much it may fall because own increments were refused. */
  n: number
  readonly refunded: Set<Operation>
  credit: number
}

/** How long an event is waited for at most. */
const ECHO_TIMEOUT_MS = 5_000

const KEEPS_ITS_ROWS: readonly string[] = ['all', 'both', 'detail']

export class Watcher {
  readonly anomalies: Anomaly[] = []
  readonly #client: number
  readonly #server: ModelServer
  readonly #time: PageOptions['time']
  readonly #configuration: Configuration
  readonly #operations: readonly Operation[]
  readonly #memories = new Map<string, Memory>()

  constructor({ index, network, time }: PageOptions, operations: readonly Operation[]) {
    this.#client = index
    this.#server = network.server
    this.#time = time
    this.#configuration = network.configuration
    this.#operations = operations
  }

  /** The page or the query starts over. */
  forget(name?: string): void {
    if (name === undefined) this.#memories.clear()
    else this.#memories.delete(name)
  }

  look(query: RowQuery, data: unknown): void {
    if (data === undefined) return
    let memory = this.#memories.get(query.name)
    if (!memory) this.#memories.set(query.name, (memory = newMemory()))
    if (query.kind === 'counter')
      return this.#lookAtCounter(query, data as { n: number; rev: number }, memory)
    if (query.kind === 'stats') return this.#lookAtVersion(query, 'stats', (data as Stats).rev, memory)
    const rows = new Map<string, Row>()
    /** The older versions of rows that are there in two. */
    const olderToo = new Map<string, number>()
    let isDouble = false
    for (const row of rowsOf(query, data)) {
      const key = this.#server.keyOf(row.id)
      const other = rows.get(key)
      // Pages are read one after the other: a row that has moved meanwhile is on both, until the move is heard of.
      isDouble ||= other !== undefined && (query.kind !== 'feed' || other.rev === row.rev)
      if (other) olderToo.set(key, Math.min(row.rev, other.rev, olderToo.get(key) ?? Infinity))
      if (!other || other.rev < row.rev) rows.set(key, row)
    }
    if (isDouble && !memory.isDouble) this.#report('duplicate', query, 'a row is there twice')
    memory.isDouble = isDouble
    for (const [key, row] of rows) {
      if (row.rev > 0) this.#lookAtVersion(query, key, row.rev, memory)
      if (memory.gone.delete(key)) this.#report('flash-back', query, `deleted ${key} is back`)
    }
    // Both were on screen, and a guess may be built upon either.
    for (const [key, rev] of olderToo) memory.newest.set(key, rev)
    if (KEEPS_ITS_ROWS.includes(query.kind)) this.#noteGone(memory, rows)
    for (const operation of this.#operations) this.#lookFor(operation, { query, rows }, memory)
  }

  /** What the rows of a query are now, to be compared after a refusal. */
  #noteGone(memory: Memory, rows: ReadonlyMap<string, Row>): void {
    for (const key of memory.last) {
      const isOwn = this.#operations.some(
        ({ write, state }) =>
          write.op === 'delete' && state !== 'failed' && this.#server.keyOf(write.id) === key,
      )
      if (!rows.has(key) && !isOwn && this.#server.deletedAt.has(key)) memory.gone.add(key)
    }
    memory.last = new Set([...rows].filter(([, { rev }]) => rev > 0).map(([key]) => key))
  }

  #lookAtVersion(query: RowQuery, key: string, rev: number, { newest, older }: Memory): void {
    const before = newest.get(key) ?? 0
    if (rev >= before) {
      newest.set(key, rev)
      older.delete(key)
    } else if (!older.has(key)) {
      older.add(key)
      this.#report('flash-back', query, `${key} goes from version ${before} back to ${rev}`)
    }
  }

  #lookFor(operation: Operation, view: Parameters<typeof showing>[1], memory: Memory): void {
    const { state, mutationId, serial, unknownAt = 0, isOfThePast } = operation
    const isDead = state === 'failed' || mutationId === undefined || isOfThePast
    // When its event does not come either, a response may be of a replica that does not have it: nobody can tell. What
    // must not be there twice does not wait for the event.
    const isPatient = isIdempotent(operation.write.op, this.#configuration)
    const isUnheardOf = !isPatient || this.#time.now - unknownAt >= ECHO_TIMEOUT_MS
    const known = { operations: this.#operations, server: this.#server }
    const isLost = state === 'unknown' && (isUnheardOf || !this.#server.factOf(mutationId ?? ''))
    if (isDead || isLost || isOfUnnamedRow(operation, { ...known, now: this.#time.now })) {
      memory.shown.delete(operation)
      return
    }
    const how = showing(operation, view, known)
    if (how === 'shown') memory.shown.add(operation)
    else if (how === 'hidden' && memory.shown.delete(operation))
      this.#report('flicker', view.query, `own ${operation.write.op} #${serial} is hidden`)
  }

  #lookAtCounter(query: RowQuery, { n, rev }: { n: number; rev: number }, memory: Memory): void {
    this.#lookAtVersion(query, 'counter', rev, memory)
    const [board] = query.boards
    for (const operation of this.#operations) {
      const { write, state } = operation
      if (write.op !== 'add' || write.board !== board || memory.refunded.has(operation)) continue
      if (state !== 'failed' && state !== 'unknown') continue
      memory.refunded.add(operation)
      memory.credit += write.by
    }
    const fall = memory.n - n
    if (fall > memory.credit) this.#report('flash-back', query, `the counter falls from ${memory.n} to ${n}`)
    else if (fall > 0) memory.credit -= fall
    memory.n = n
  }

  #report(kind: AnomalyKind, query: RowQuery, text: string): void {
    this.anomalies.push({ kind, client: this.#client, text: `client ${this.#client} ${query.name}: ${text}` })
  }
}

/** Rows that a refusal has changed, that are not its own, and are not newer than before. */
export function collateral(
  before: readonly Row[],
  after: readonly Row[],
  {
    isPartial,
    isOwn,
    isDeleted,
    isMade,
  }: {
    isPartial: boolean
    isOwn(row: Row): boolean
    isDeleted(row: Row): boolean
    /** The server has made the row. */
    isMade(row: Row): boolean
  },
): number {
  const was = new Map(before.map((row) => [row.id, row]))
  const is = new Map(after.map((row) => [row.id, row]))
  let count = 0
  for (const id of new Set([...was.keys(), ...is.keys()])) {
    const [a, b] = [was.get(id), is.get(id)]
    if (isOwn((a ?? b)!) || isSameRow(a, b)) continue
    // What waited for the end of a frame may be applied in the same step.
    // A guess beyond the last loaded row of an infinite list shows only while there is a row behind it.
    const isAtEdge = isPartial && (!a || !b)
    // A row that a guess has taken from another query follows what is news there. So does one that a response, held
    // until the refusal, has put beyond the last loaded row.
    const isFromElsewhere = isPartial && isMade((a ?? b)!) && (a?.rev === 0 || b?.rev === 0)
    const isNews = isAtEdge || isFromElsewhere || (b ? b.rev > (a?.rev ?? 0) : isDeleted(a!))
    if (!isNews) count += 1
  }
  return count
}

const newMemory = (): Memory => ({
  newest: new Map(),
  older: new Set(),
  gone: new Set(),
  last: new Set(),
  shown: new Set(),
  isDouble: false,
  n: 0,
  refunded: new Set(),
  credit: 0,
})
