/**
 * One event that concerns one query among many that are cached: the key index, and the bridge as a whole, against
 * `invalidateQueries`.
 */
import { hashKey, type Query, type QueryClient, type QueryFilters, type QueryKey } from '@tanstack/query-core'
import { z } from 'zod'
import { KeyIndex } from '../src/core/cache/matching/key-index.ts'
import { defineEvents, invalidate, on } from '../src/index.ts'
import { connect, quietClient } from './live-client.ts'
import { measureRounds, median, ratio, type Case, type Measured, type RoundOptions } from './rounds.ts'
import { randomNumbers } from './rows.ts'

export const CACHE_SIZES = [100, 1_000, 10_000, 100_000]

/** As many keys are asked for again and again; the others are only cached. */
const HOT_KEYS = 100
const ENTITIES = 20

const events = defineEvents({
  hit: on(z.object({ key: z.array(z.unknown()) }), ({ key }) => invalidate(key)),
})

export interface MatchingRow {
  readonly queries: number
  readonly invalidateQueriesUs: number
  /** `KeyIndex.match` and `query.invalidate()`. */
  readonly indexUs: number
  readonly coldUs: number
  readonly exactUs: number
  readonly fieldUs: number
  readonly missUs: number
  /** From text to the invalidated query. */
  readonly bridgeUs: number
  readonly floorUs: number
  /** invalidateQueries / index. */
  readonly speedup: number
  /** invalidateQueries / bridge. */
  readonly bridgeSpeedup: number
  /** This size / the smallest. */
  readonly flatness: Readonly<
    Record<'index' | 'cold' | 'exact' | 'field' | 'miss' | 'bridge' | 'floor', number>
  >
}

/** What the index of the largest cache costs, per query. */
export interface IndexCost {
  readonly queries: number
  readonly addUs: number
  readonly bytesPerQuery: number
}

/** Details and lists of several entities, as an app caches them. */
function keyAt(at: number): QueryKey {
  const entity = `entity-${at % ENTITIES}`
  const number = Math.floor(at / ENTITIES)
  return number % 2 ? [entity, 'detail', number] : [entity, 'list', { page: number, status: 'open' }]
}

const KINDS = ['naive', 'index', 'cold', 'exact', 'field', 'miss', 'bridge', 'floor'] as const
type Kind = (typeof KINDS)[number]

export async function benchMatching(
  options: RoundOptions,
): Promise<{ rows: MatchingRow[]; indexCost: IndexCost }> {
  const cases: Case[] = []
  let indexCost: IndexCost | undefined
  for (const size of CACHE_SIZES) {
    const client = quietClient()
    for (let at = 0; at < size; at += 1) client.setQueryData(keyAt(at), at)
    const queries = client.getQueryCache().getAll()
    indexCost = measureIndex(queries)
    cases.push(...(await casesOf(client, queries)))
  }
  const measured = await measureRounds(cases, options)
  const at = (sizeAt: number, kind: Kind): Measured => measured[sizeAt * KINDS.length + KINDS.indexOf(kind)]!
  const rows = CACHE_SIZES.map((queries, sizeAt) => {
    const us = (kind: Kind) => median(at(sizeAt, kind).times)
    const flat = (kind: Kind) => ratio(at(sizeAt, kind), at(0, kind))
    return {
      queries,
      invalidateQueriesUs: us('naive'),
      indexUs: us('index'),
      coldUs: us('cold'),
      exactUs: us('exact'),
      fieldUs: us('field'),
      missUs: us('miss'),
      bridgeUs: us('bridge'),
      floorUs: us('floor'),
      speedup: ratio(at(sizeAt, 'naive'), at(sizeAt, 'index')),
      bridgeSpeedup: ratio(at(sizeAt, 'naive'), at(sizeAt, 'bridge')),
      flatness: {
        index: flat('index'),
        cold: flat('cold'),
        exact: flat('exact'),
        field: flat('field'),
        miss: flat('miss'),
        bridge: flat('bridge'),
        floor: flat('floor'),
      },
    }
  })
  return { rows, indexCost: indexCost! }
}

async function casesOf(client: QueryClient, queries: readonly Query[]): Promise<Case[]> {
  const index = new KeyIndex()
  for (const query of queries) index.add(query)
  const byHash = new Map(queries.map((query) => [query.queryHash, query]))
  const live = await connect(events, client)
  const random = randomNumbers(queries.length)
  const hot = hotKeys(queries.length)

  const cycle = <TItem>(items: readonly TItem[]): (() => TItem) => {
    let count = 0
    return () => items[(count += 1) % items.length]!
  }
  const hotFilters = hot.map((queryKey): QueryFilters => ({ queryKey }))
  const invalidateMatches = (filters: QueryFilters) => {
    for (const query of index.match(filters)) query.invalidate()
  }
  const kinds: Record<Kind, Omit<Case, 'name' | 'eventsPerRun'>> = {
    naive: {
      prepare: cycle(hotFilters),
      run: (filters: QueryFilters) => void client.invalidateQueries(filters),
    },
    index: { prepare: cycle(hotFilters), run: invalidateMatches },
    cold: {
      prepare: () => ({ queryKey: keyAt(Math.floor(random() * queries.length)) }),
      run: invalidateMatches,
    },
    exact: {
      prepare: cycle(hotFilters.map((filters) => ({ ...filters, exact: true }))),
      run: invalidateMatches,
    },
    field: { prepare: cycle(hot.flatMap(pageOnly)), run: invalidateMatches },
    miss: {
      prepare: cycle(
        hot.map((_, at): QueryFilters => ({ queryKey: [`entity-${at % ENTITIES}`, 'none', at] })),
      ),
      run: invalidateMatches,
    },
    bridge: {
      prepare: cycle(hot.map((key) => JSON.stringify({ type: 'hit', data: { key } }))),
      run: (message: string) => {
        live.receive(message)
        live.endFrame()
      },
    },
    floor: { prepare: cycle(hot.map(hashKey)), run: (hash: string) => byHash.get(hash)?.invalidate() },
  }
  return KINDS.map((kind) => ({ name: kind, eventsPerRun: 1, ...kinds[kind] }))
}

/** Keys spread over all that are cached, lists and details by turns. */
function hotKeys(size: number): QueryKey[] {
  const numbers = Math.floor(size / ENTITIES)
  return Array.from({ length: HOT_KEYS }, (_, at) => {
    const even = 2 * Math.floor(((at / HOT_KEYS) * (numbers - 1)) / 2)
    return keyAt((even + (at % 2)) * ENTITIES + (at % ENTITIES))
  })
}

/** A filter by one field of a list's object. */
function pageOnly([entity, kind, given]: QueryKey): QueryFilters[] {
  return typeof given === 'object'
    ? [{ queryKey: [entity, kind, { page: (given as { page: number }).page }] }]
    : []
}

/** What the index costs per query: time to add it, and heap. */
function measureIndex(queries: readonly Query[]): IndexCost {
  const rounds = Array.from({ length: 5 }, () => {
    globalThis.gc?.()
    const heap = process.memoryUsage().heapUsed
    const start = performance.now()
    const index = new KeyIndex()
    for (const query of queries) index.add(query)
    const addUs = ((performance.now() - start) * 1_000) / queries.length
    globalThis.gc?.()
    const bytesPerQuery = (process.memoryUsage().heapUsed - heap) / queries.length
    if (index.match({ queryKey: queries[0]!.queryKey }).length === 0)
      throw new Error('The index lost a query.')
    return { addUs, bytesPerQuery }
  })
  return {
    queries: queries.length,
    addUs: median(rounds.map(({ addUs }) => addUs)),
    bytesPerQuery: median(rounds.map(({ bytesPerQuery }) => bytesPerQuery)),
  }
}
