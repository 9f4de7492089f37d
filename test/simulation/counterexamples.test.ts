/**
 * Histories that once ended wrong, as `simulation.test.ts` found and shrank them, each with what was behind it.
 */
import { describe, expect, it } from 'vitest'
import type { Command } from './commands.ts'
import type { Conditions } from './network.ts'
import { simulate, type History } from './simulate.ts'

const conditions: Conditions = {
  backend: 'log',
  latencyMs: 50,
  failing: 0,
  abortable: 0,
  publishMs: 0,
  delayMs: 0,
  lost: 0,
  doubled: 0,
  logSize: 1_000,
  logTopics: 10,
  bufferBytes: 1_000_000,
}

/** One client in fair weather that knows the queries given, all on screen. */
const history = (more: Partial<History>): History => ({
  seed: 0,
  clients: 1,
  conditions,
  versions: true,
  queries: [ALL_A],
  isMounted: true,
  commands: [],
  ...more,
})

/** Queries, as `QUERIES` counts them. */
const [ALL_A, ALL_B, STATS_A, FEED_A, FEED_B, DETAIL_1] = [0, 1, 10, 16, 17, 20]

/** What every write has, and does not always need. */
const write = (command: Partial<Extract<Command, { do: 'write' }>>): Command => ({
  do: 'write',
  op: 'retitle',
  style: 'saved',
  board: 0,
  row: 0,
  value: 0,
  ...command,
})
const pass = (ms: number): Command => ({ do: 'pass', ms })
const on = { client: 0, query: 0 } as const

describe('a history that once ended wrong', () => {
  it.each<[string, string, History]>([
    [
      'the bridge stops while a fetch is in flight',
      'what arrives during a fetch is kept in the journal, which stop() threw away, while its position counted as known',
      history({
        seed: 4,
        conditions: { ...conditions, latencyMs: 4_000 },
        commands: [
          pass(10_000),
          { do: 'refetch', ...on },
          pass(1_000),
          write({ op: 'create' }),
          pass(20),
          { do: 'stop', client: 0 },
        ],
      }),
    ],
    [
      'a snapshot is put back over a response',
      'only events counted as changes that a snapshot may undo, though a response may bring what no event will',
      history({
        conditions: { ...conditions, logTopics: 1 },
        queries: [ALL_B],
        commands: [
          pass(1_000),
          { do: 'cut', client: 0, downMs: 500, silently: false },
          { do: 'mutate', ...on, row: 0, title: 'guess', latencyMs: 5_000, fails: true, invalidates: false },
          write({ op: 'create', board: 1 }),
          { do: 'restart', downMs: 0 },
          pass(10_000),
        ],
      }),
    ],
    [
      'a snapshot is put back into a query that the app has removed',
      'the query that it makes is new, so nothing was known to have happened since the snapshot',
      history({
        commands: [
          pass(1_000),
          { do: 'mutate', ...on, row: 0, title: 'guess', latencyMs: 100, fails: true, invalidates: false },
          { do: 'remove', ...on },
          write({ op: 'create' }),
        ],
      }),
    ],
    [
      'the answer to a subscription comes twice',
      'a second answer moved the position back, so that events were asked for and delivered again',
      history({
        conditions: { ...conditions, doubled: 0.5 },
        commands: [pass(10), write({ op: 'create' }), pass(4_000)],
      }),
    ],
    [
      'the app writes a query that an event has marked stale',
      'setQueryData clears the mark, and of a query that is not on screen nothing else was kept',
      history({
        conditions: { ...conditions, backend: 'plain' },
        commands: [
          pass(1_000),
          { do: 'unmount', ...on },
          write({ style: 'touched' }),
          pass(1_000),
          { do: 'rewrite', ...on },
        ],
      }),
    ],
    [
      'a page is fetched for a stale query',
      'a page clears the mark and reads none of the pages before it',
      history({
        queries: [FEED_A],
        isHeld: true,
        commands: [
          pass(1_000),
          { do: 'enable', ...on, enabled: false },
          write({ style: 'touched' }),
          pass(1_000),
          { do: 'page', ...on, isNext: true, kindly: false },
        ],
      }),
    ],
    [
      'the fetch fails that mounting a stale query starts',
      'only a fetch that an event had asked for at once was tried again',
      history({
        conditions: { ...conditions, failing: 0.4, delayMs: 1_000 },
        clients: 2,
        queries: [2],
        commands: [
          { do: 'unmount', client: 1, query: 0 },
          pass(10),
          write({ op: 'create' }),
          pass(2_219),
          { do: 'mount', client: 1, query: 0, enabled: true },
          pass(11),
        ],
      }),
    ],
    [
      'the last row of a feed leaves, and another comes to where it stood',
      'the next page begins where the last row stood, so a row between it and the one before was on no page',
      history({
        queries: [FEED_B],
        commands: [
          { do: 'write', op: 'create', style: 'saved', board: 1, row: 0, value: 8 },
          pass(1_000),
          write({ op: 'rank', row: 5, value: 0 }),
          pass(1_000),
          write({ op: 'create', board: 1, value: 5 }),
          pass(1_000),
        ],
      }),
    ],
    [
      'events go on while the server fails',
      'each of them was one of the eight tries that a fetch has, so that the last event was not tried for again',
      history({
        seed: 886_579_582,
        conditions: { ...conditions, failing: 0.4, delayMs: 1_000 },
        versions: false,
        clients: 2,
        queries: [FEED_B, ALL_A],
        isMounted: false,
        commands: [
          { do: 'mount', client: 1, query: 0, enabled: true },
          pass(14_931),
          write({ op: 'import', board: 1 }),
          write({ op: 'import', board: 1 }),
          pass(391),
          write({ op: 'rank', style: 'touched', row: 4 }),
          { do: 'refetch', client: 1, query: -1 },
          pass(532),
        ],
      }),
    ],
    [
      'a fetch fails that was to make a quiet topic good',
      'a query was left to the fetch in flight when its topic had been quiet since, and forgotten when that failed',
      history({
        seed: 11,
        conditions: { ...conditions, latencyMs: 4_000, failing: 0.4, delayMs: 1_000 },
        queries: [DETAIL_1],
        commands: [
          pass(47),
          write({ op: 'finish' }),
          pass(760),
          { do: 'invalidate', ...on },
          pass(971),
          { do: 'invalidate', ...on },
          { do: 'invalidate', ...on },
          pass(924),
        ],
      }),
    ],
    [
      'a page brings a newer copy of a row that is on a page before it',
      'an older event was held against the first copy only, and took the newer one out',
      history({
        conditions: { ...conditions, publishMs: 1_500 },
        queries: [FEED_A],
        commands: [
          pass(223),
          write({ op: 'rank', value: 26 }),
          pass(7),
          write({ op: 'import' }),
          { do: 'page', ...on, isNext: true, kindly: false },
        ],
      }),
    ],
    [
      'the bridge stops while a mutation holds a snapshot',
      'stop() forgot which queries a rollback may take back',
      history({
        queries: [STATS_A],
        commands: [
          pass(45),
          { do: 'mutate', ...on, row: 0, title: 'guess', latencyMs: 159, fails: false, invalidates: true },
          write({ op: 'create' }),
          pass(159),
          { do: 'stop', client: 0 },
          { do: 'cancel', client: 0, query: -1 },
        ],
      }),
    ],
  ])('ends well: %s', async (_, _cause, failing) => {
    const { problems, regresses } = await simulate(failing)
    expect(problems).toEqual([])
    expect(regresses.filter(({ excuse }) => !excuse)).toEqual([])
  })
})
