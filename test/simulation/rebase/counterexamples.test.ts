/** Histories that once showed something wrong, in their shortest form. Each is what a walk has found, shrunk. */
import { describe, expect, it } from 'vitest'
import type { Command, Kind } from './commands.ts'
import { configuration } from './configurations.ts'
import { simulate } from './simulate.ts'
import { bridgeSubject } from './subjects.ts'

type Short = readonly [Kind, client: number, pick: number, luck: number]

interface Counterexample {
  readonly name: string
  readonly configuration: string
  readonly clients: number
  readonly queries: number
  readonly habits: number
  readonly commands: readonly Short[]
}

const COUNTEREXAMPLES: readonly Counterexample[] = [
  {
    name: 'an event that came during a fetch is applied once over its response',
    configuration: 'chaos',
    clients: 3,
    queries: 32,
    habits: 16,
    commands: [
      ['mutate', 4, 38, 7655],
      ['pass', 5, 46, 9281],
      ['serve', 5, 11, 9157],
      ['deliver', 1, 36, 7557],
      ['deliver', 4, 16, 3373],
      ['mutate', 2, 43, 8830],
    ],
  },
  {
    name: 'a response that was read again after an increment has it in it',
    configuration: 'no positions, invalidate events',
    clients: 1,
    queries: 32,
    habits: 0,
    commands: [['mutate', 1, 26, 7682]],
  },
  {
    name: 'a confirmed guess goes on standing on what the base becomes',
    configuration: 'chaos',
    clients: 1,
    queries: 2053,
    habits: 16,
    commands: [
      ['mutate', 5, 8, 8216],
      ['mutate', 3, 41, 5872],
      ['serve', 5, 17, 7302],
      ['respond', 2, 32, 8974],
      ['pass', 4, 13, 6861],
      ['deliver', 5, 4, 5835],
      ['write', 3, 41, 1977],
      ['mutate', 1, 17, 8261],
      ['mutate', 5, 41, 8324],
      ['serve', 5, 31, 9530],
    ],
  },
  {
    name: 'guesses come back after a reload before anything is fetched',
    configuration: 'reloads',
    clients: 1,
    queries: 512,
    habits: 16,
    commands: [
      ['mutate', 4, 12, 7152],
      ['mutate', 3, 15, 7639],
      ['reload', 1, 25, 4908],
    ],
  },
  {
    name: 'an event of an epoch that is over is not applied to what was read in the next one',
    configuration: 'server restarts',
    clients: 3,
    queries: 50,
    habits: 0,
    commands: [
      ['serve', 2, 21, 3222],
      ['respond', 4, 57, 4851],
      ['deliver', 1, 34, 991],
      ['serve', 0, 4, 6130],
      ['respond', 1, 52, 7434],
      ['write', 3, 35, 1148],
      ['deliver', 1, 18, 2586],
      ['invalidate', 4, 32, 5250],
      ['deliver', 4, 40, 4993],
      ['restart', 4, 29, 9838],
    ],
  },
  {
    name: 'an increment that the app has written over the base is counted once in the end',
    configuration: 'positions',
    clients: 1,
    queries: 2048,
    habits: 16,
    commands: [
      ['pass', 3, 3, 2957],
      ['mutate', 3, 51, 1611],
      ['rewrite', 3, 53, 4700],
    ],
  },
  {
    name: 'a mutation that is fetched everywhere is not pending any more',
    configuration: 'no positions, no echo',
    clients: 1,
    queries: 4098,
    habits: 16,
    commands: [['mutate', 5, 34, 6170]],
  },
  {
    name: 'an echo that changes a query which the guess did not touch is in it',
    configuration: 'no positions, row events',
    clients: 3,
    queries: 4290,
    habits: 16,
    commands: [
      ['mutate', 5, 36, 8271],
      ['unmount', 4, 57, 9459],
      ['mutate', 1, 10, 730],
      ['pass', 1, 13, 3759],
    ],
  },
  {
    name: 'a guess that touches one more query after its ack waits for one more fetch',
    configuration: 'no positions, no echo',
    clients: 1,
    queries: 4098,
    habits: 16,
    commands: [
      ['mutate', 5, 34, 6170],
      ['pass', 1, 50, 1647],
    ],
  },
  {
    name: 'a query that is loaded again while a mutation is pending is fetched after its ack',
    configuration: 'no positions, no echo',
    clients: 1,
    queries: 576,
    habits: 16,
    commands: [
      ['mutate', 3, 10, 9315],
      ['mutate', 2, 10, 8108],
      ['remove', 2, 55, 7235],
    ],
  },
  {
    name: 'a mutation stays while a response from before it may bring the row that it is about',
    configuration: 'no positions, invalidate events',
    clients: 2,
    queries: 1044,
    habits: 16,
    commands: [
      ['mutate', 5, 41, 9416],
      ['mutate', 0, 58, 5446],
      ['write', 5, 16, 4196],
      ['serve', 4, 46, 7402],
      ['serve', 4, 42, 1609],
      ['respond', 0, 9, 9981],
      ['mutate', 2, 32, 123],
      ['mutate', 3, 15, 4917],
      ['respond', 4, 12, 3547],
      ['invalidate', 2, 14, 2502],
      ['invalidate', 2, 9, 2318],
      ['mutate', 1, 57, 6829],
      ['serve', 0, 32, 1287],
      ['respond', 0, 30, 6599],
      ['serve', 3, 30, 6125],
      ['mutate', 2, 17, 903],
      ['respond', 5, 22, 7798],
      ['pass', 0, 17, 1831],
    ],
  },
  {
    name: 'an event that is older than an own increment without an echo does not take it back',
    configuration: 'no positions, no echo',
    clients: 1,
    queries: 4256,
    habits: 16,
    commands: [
      ['write', 1, 6, 7524],
      ['mutate', 4, 51, 7046],
      ['serve', 4, 59, 9333],
      ['respond', 2, 38, 5314],
      ['invalidate', 2, 57, 5662],
    ],
  },
  {
    name: 'an event that is older than an own edit without an echo does not take it back',
    configuration: 'no positions, no echo',
    clients: 3,
    queries: 256,
    habits: 16,
    commands: [
      ['mutate', 3, 50, 9073],
      ['serve', 2, 1, 1853],
      ['deliver', 1, 16, 8473],
      ['mutate', 4, 2, 4266],
      ['respond', 5, 39, 3562],
      ['mutate', 0, 8, 9053],
      ['pass', 5, 5, 7892],
    ],
  },
  {
    name: 'a page that was asked for before an event brings nothing back that the event has taken away',
    configuration: 'no positions, no echo',
    clients: 3,
    queries: 86,
    habits: 16,
    commands: [
      ['pass', 2, 39, 9172],
      ['mutate', 5, 44, 6093],
      ['mutate', 4, 2, 8008],
      ['serve', 2, 29, 2893],
      ['respond', 2, 9, 1035],
      ['write', 1, 53, 5672],
      ['network', 3, 30, 4122],
      ['page', 0, 13, 369],
      ['deliver', 3, 15, 4336],
    ],
  },
  {
    name: 'a query that is new since an own change without an echo is not taken back either',
    configuration: 'no positions, no echo',
    clients: 3,
    queries: 4136,
    habits: 0,
    commands: [
      ['mutate', 3, 52, 6464],
      ['serve', 3, 23, 6273],
      ['write', 0, 6, 6304],
      ['pass', 2, 26, 3440],
      ['write', 2, 5, 5123],
      ['cancel', 3, 42, 6727],
      ['respond', 0, 26, 1877],
      ['write', 0, 6, 6920],
      ['serve', 0, 24, 4502],
      ['serve', 0, 32, 88],
      ['serve', 1, 8, 7263],
      ['mutate', 1, 2, 5038],
      ['serve', 0, 21, 2758],
      ['respond', 0, 54, 4001],
      ['serve', 3, 51, 5892],
      ['respond', 4, 35, 3917],
      ['serve', 4, 26, 7235],
      ['mutate', 2, 22, 9982],
      ['write', 0, 18, 4778],
      ['respond', 5, 19, 8721],
      ['serve', 4, 40, 781],
      ['respond', 1, 55, 3405],
      ['remove', 4, 21, 8131],
    ],
  },
]

describe('histories that once went wrong', () => {
  it.each(COUNTEREXAMPLES.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    const commands: Command[] = one.commands.map(([kind, client, pick, luck]) => ({
      do: kind,
      client,
      pick,
      luck,
    }))
    const history = { ...one, configuration: configuration(one.configuration), commands }
    const { violations } = await simulate(history, bridgeSubject())
    expect(violations).toEqual([])
  })
})
