/**
 * One list, and events that change single rows of it: the bridge, from text to the cache, against one
 * `setQueryData(map)` per event that parses and validates as well.
 */
import { QueryObserver, type QueryClient } from '@tanstack/query-core'
import { z } from 'zod'
import { defineEvents, on, patch } from '../src/index.ts'
import { connect, quietClient } from './live-client.ts'
import { measureRounds, median, ratio, type Case, type RoundOptions } from './rounds.ts'
import { Change, makeRows, messageSource, type Row } from './rows.ts'

export const LIST_SIZES = [1_000, 10_000]
export const FLUSH_SIZES = [1, 16, 100]

const QUERY_KEY = ['tasks', 'list', { board: 1 }]
const SEED = 1

const events = defineEvents({
  'task.updated': on(Change, (change) => patch<Row>(['tasks', 'list'], change.id, change)),
})
const Message = z.object({ type: z.literal('task.updated'), data: Change })

export interface PatchingRow {
  readonly rows: number
  /** Events per flush. */
  readonly perFlush: number
  readonly bridgeUs: number
  readonly naiveUs: number
  readonly floorUs: number
  /** naive / bridge. */
  readonly speedup: number
  /** bridge / floor. */
  readonly overFloor: number
}

type Apply = (messages: readonly string[]) => void

interface Contender {
  readonly apply: Apply
  rows(): readonly Row[]
}

export async function benchPatching(options: RoundOptions): Promise<PatchingRow[]> {
  const results: PatchingRow[] = []
  for (const rowCount of LIST_SIZES) {
    await checkAgreement(rowCount)
    const cases = [
      caseOf('naive', rowCount, { perRun: 1, contender: naive(rowCount) }),
      ...(await Promise.all(
        FLUSH_SIZES.map(async (perRun) =>
          caseOf(`bridge ${perRun}`, rowCount, { perRun, contender: await bridged(rowCount, perRun) }),
        ),
      )),
      caseOf('floor', rowCount, { perRun: 1, contender: floor(rowCount) }),
    ]
    const measured = await measureRounds(cases, options)
    const byName = new Map(measured.map((entry) => [entry.name, entry]))
    const naiveOne = byName.get('naive')!
    const floorOne = byName.get('floor')!
    for (const perFlush of FLUSH_SIZES) {
      const bridge = byName.get(`bridge ${perFlush}`)!
      results.push({
        rows: rowCount,
        perFlush,
        bridgeUs: median(bridge.times),
        naiveUs: median(naiveOne.times),
        floorUs: median(floorOne.times),
        speedup: ratio(naiveOne, bridge),
        overFloor: ratio(bridge, floorOne),
      })
    }
  }
  return results
}

function caseOf(
  name: string,
  rowCount: number,
  { perRun, contender }: { perRun: number; contender: Contender },
): Case<string[]> {
  const next = messageSource(rowCount, SEED)
  return {
    name,
    eventsPerRun: perRun,
    prepare: () => Array.from({ length: perRun }, next),
    run: contender.apply,
  }
}

/** What an app does by hand. */
function naive(rowCount: number): Contender {
  const client = observedList(rowCount)
  return {
    apply: (messages) => {
      for (const message of messages) {
        const { data } = Message.parse(JSON.parse(message))
        client.setQueryData<Row[]>(QUERY_KEY, (rows) =>
          rows?.map((row) => (row.id === data.id ? { ...row, ...data } : row)),
        )
      }
    },
    rows: () => client.getQueryData<Row[]>(QUERY_KEY)!,
  }
}

async function bridged(rowCount: number, perFlush: number): Promise<Contender> {
  const { queryClient, receive, endFrame } = await connect(events, observedList(rowCount))
  if (perFlush > 1) {
    // The first event after quiet is written at once. From then on frames follow each other.
    receive(messageSource(rowCount, SEED + 1)())
  }
  return {
    apply: (messages) => {
      for (const message of messages) receive(message)
      endFrame()
    },
    rows: () => queryClient.getQueryData<Row[]>(QUERY_KEY)!,
  }
}

/** The least that any client must do: parse, validate, keep the row. */
function floor(rowCount: number): Contender {
  const rows = new Map(makeRows(rowCount).map((row) => [row.id, row]))
  return {
    apply: (messages) => {
      for (const message of messages) {
        const { data } = Message.parse(JSON.parse(message))
        rows.set(data.id, { ...rows.get(data.id)!, ...data })
      }
    },
    rows: () => [...rows.values()],
  }
}

function observedList(rowCount: number): QueryClient {
  const client = quietClient()
  client.setQueryData(QUERY_KEY, makeRows(rowCount))
  new QueryObserver(client, { queryKey: QUERY_KEY }).subscribe(() => undefined)
  return client
}

/** Numbers of contenders that do different things would mean nothing. */
async function checkAgreement(rowCount: number): Promise<void> {
  const next = messageSource(rowCount, SEED + 2)
  const messages = Array.from({ length: 64 }, next)
  const contenders = [
    naive(rowCount),
    floor(rowCount),
    await bridged(rowCount, 1),
    await bridged(rowCount, 16),
  ]
  // One of them has had an event to begin its frames with.
  const begin = messageSource(rowCount, SEED + 1)()
  const states = contenders.map(({ apply, rows }) => {
    apply([begin])
    apply(messages)
    return JSON.stringify(rows())
  })
  if (new Set(states).size !== 1) throw new Error('The contenders disagree about the rows.')
}
