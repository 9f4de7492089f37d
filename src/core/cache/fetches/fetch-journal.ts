/**
 * What arrives while a fetch is in flight, per query (L4).
 *
 * A response shows the server as it was when it was read, and what arrived since the fetch began may be missing
 * from it. So each fetch in flight has a record: the facts that arrived (applied again over the response, unless it
 * states a position that has them), and whether that proves enough (`dirty`: it does not, fetch once more).
 *
 * A record opens with query-core's `fetch` action and closes with the response, the error or the revert. The
 * action comes before the request is sent, also when the fetch starts paused or retries, so "since the action"
 * is never too short.
 */
import type { Query } from '@tanstack/query-core'
import { widest, type Fact, type Positions, type RefetchType } from '../../overlay/fact.ts'
import { freshnessOf, type Freshness } from '../cache-writer.ts'

export interface FetchRecord {
  /** In ticks of the overlay. */
  readonly startedAt: number
  /** When the first request began whose answer it has in it: a request may be repeated. In ticks. */
  readAt: number | undefined
  /** What has arrived since, in order. */
  facts: Fact[]
  /** The response cannot be trusted to be current: the query is invalidated again after it. */
  dirty: RefetchType | undefined
  /** `fetchNextPage` or `fetchPreviousPage`: the pages that were there are not read again. */
  readonly page: 'forward' | 'backward' | undefined
  /** Where the response says that it stands; of several pages, the lowest. */
  positions: Positions | undefined
  /** Where each of its pages stands, in the order in which they were read. */
  readonly reads: Positions[]
  /** It may hold what these mutations do, or not: it waited for their fate in vain. By mutationId. */
  readonly undecided: Set<string>
  /** It answers what was asked elsewhere, before it began. */
  readonly isHandedOver: boolean
  /** Our last write during this fetch, put back when a cancel reverts the query. */
  written: { readonly data: unknown; readonly freshness: Freshness } | undefined
}

export class FetchJournal {
  readonly #maxFacts: number
  /** By query, so that a removed query takes its record along. */
  readonly #records = new Map<Query, FetchRecord>()

  /** @param maxFacts - Per fetch. At the limit they are given up and the query is fetched once more. */
  constructor(maxFacts: number) {
    this.#maxFacts = maxFacts
  }

  /** A fetch began. One that replaces another starts over: its request leaves now, after all that was noted. */
  open(
    query: Query,
    {
      page,
      startedAt,
      isHandedOver = false,
    }: Pick<FetchRecord, 'page' | 'startedAt'> & { isHandedOver?: boolean },
  ): void {
    const replaced = this.#records.get(query)
    // A page fetch reads no old page again, so it makes nothing good that the fetch it replaces was to.
    let dirty = page ? replaced?.dirty : undefined
    if (page)
      for (const { refetchType } of replaced?.facts ?? []) if (refetchType) dirty = widest(dirty, refetchType)
    this.#records.set(query, {
      startedAt,
      readAt: undefined,
      facts: [],
      dirty,
      page,
      positions: undefined,
      reads: [],
      undecided: new Set(),
      isHandedOver,
      written: undefined,
    })
  }

  /** The record of the fetch in flight, if there is one. */
  get(query: Query): FetchRecord | undefined {
    return this.#records.get(query)
  }

  /** The fetch ended, whatever way. Gives its record. */
  close(query: Query): FetchRecord | undefined {
    const record = this.#records.get(query)
    this.#records.delete(query)
    return record
  }

  /** Notes what arrived while a fetch is in flight; nothing otherwise. */
  note(query: Query, facts: readonly Fact[]): void {
    const record = this.#records.get(query)
    if (record === undefined) return
    if (record.facts.length + facts.length > this.#maxFacts) {
      record.facts = []
      record.dirty = widest(record.dirty, 'active')
    } else record.facts.push(...facts)
  }

  /** What a query shows now is a write of ours: a cancel must not take it back. */
  noteWrite(query: Query): void {
    const record = this.#records.get(query)
    if (record) record.written = { data: query.state.data, freshness: freshnessOf(query.state) }
  }

  /** The fetch in flight will not be current. False when nothing is in flight. */
  markDirty(query: Query, refetchType: RefetchType): boolean {
    const record = this.#records.get(query)
    if (record === undefined) return false
    record.dirty = widest(record.dirty, refetchType)
    return true
  }

  /** When the oldest fetch in flight of these queries began, in ticks. */
  oldest(queries: readonly Query[]): number {
    return Math.min(...queries.map((query) => this.#records.get(query)?.startedAt ?? Infinity))
  }

  /** The queries whose response, when it comes, is not the whole truth. */
  unfinished(): Query[] {
    const records = [...this.#records]
    return records.filter(([, { facts, dirty }]) => facts.length > 0 || dirty).map(([query]) => query)
  }

  clear(): void {
    this.#records.clear()
  }
}
