/**
 * What arrives while a fetch is in flight, per query (L4).
 *
 * A response shows the server as it was when it was read, and what arrived since the fetch began may be missing
 * from it. So each fetch in flight has a record: the effects that arrived (applied again over the response), and
 * whether that proves enough (`dirty`: it does not, fetch once more).
 *
 * A record opens with query-core's `fetch` action and closes with the response, the error or the revert. The
 * action comes before the request is sent, also when the fetch starts paused or retries, so "since the action"
 * is never too short.
 */
import type { Query } from '@tanstack/query-core'
import type { PatchingEffect } from '../routing/effect.ts'
import { isReplayable } from '../routing/effects.ts'
import type { Freshness } from './cache-writer.ts'
import { widest, type RefetchType } from './invalidation-scheduler.ts'

export interface FetchRecord {
  /** Effects to apply again over the response, in order of arrival. */
  effects: PatchingEffect[]
  /** The response cannot be trusted to be current: the query is invalidated again after it. */
  dirty: RefetchType | undefined
  /** `fetchNextPage` or `fetchPreviousPage`: the pages that were there are not read again. */
  readonly isPage: boolean
  /** Our last write during this fetch, put back when a cancel reverts the query. */
  written: { readonly data: unknown; readonly freshness: Freshness } | undefined
}

export class FetchJournal {
  readonly #maxEffects: number
  /** By query, so that a removed query takes its record along. */
  readonly #records = new Map<Query, FetchRecord>()

  /** @param maxEffects - Per fetch. At the limit the effects are given up and the query is fetched once more. */
  constructor(maxEffects: number) {
    this.#maxEffects = maxEffects
  }

  /** A fetch began. One that replaces another starts over: its request leaves now, after all that was noted. */
  open(query: Query, isPage: boolean): void {
    // A page fetch reads no old page again, so it makes nothing good that the fetch it replaces was to.
    const dirty = isPage ? this.#records.get(query)?.dirty : undefined
    this.#records.set(query, { effects: [], dirty, isPage, written: undefined })
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

  /** Notes effects that arrived while a fetch is in flight; nothing otherwise. */
  note(query: Query, effects: readonly PatchingEffect[]): void {
    const record = this.#records.get(query)
    if (record === undefined) return
    if (record.effects.length + effects.length > this.#maxEffects) {
      record.effects = []
      record.dirty = widest(record.dirty, 'active')
      return
    }
    record.effects.push(...effects)
    // Whether the response holds the effect is not known, and applying it twice is not the same as once.
    if (!effects.every(isReplayable)) record.dirty = widest(record.dirty, 'active')
  }

  /** The fetch in flight will not be current. False when nothing is in flight. */
  markDirty(query: Query, refetchType: RefetchType): boolean {
    const record = this.#records.get(query)
    if (record === undefined) return false
    record.dirty = widest(record.dirty, refetchType)
    return true
  }

  /** The queries whose response, when it comes, is not the whole truth. */
  unfinished(): Query[] {
    const records = [...this.#records]
    return records.filter(([, { effects, dirty }]) => effects.length > 0 || dirty).map(([query]) => query)
  }

  clear(): void {
    this.#records.clear()
  }
}
