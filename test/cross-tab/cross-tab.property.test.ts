/** Tabs that come, go, crash, freeze and change their topics, over a network that breaks: nothing twice, nothing skipped. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Dice } from '../simulation/dice.ts'
import type { Tab } from './tab.ts'
import { World } from './world.ts'

const TOPICS = ['a', 'b', 'c']
const topics = fc.uniqueArray(fc.constantFrom(...TOPICS), { minLength: 1, maxLength: 3 })
const tab = fc.nat(3)

const command = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      topic: fc.constantFrom(...TOPICS),
      count: fc.integer({ min: 1, max: 12 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('open' as const), topics }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('want' as const), tab, topics }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('close', 'crash', 'freeze', 'stop', 'thaw', 'reload'), tab }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('cut', 'silence', 'down', 'up') }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(1, 5, 20, 300, 3_000, 40_000),
    }),
  },
)

type Command = typeof command extends fc.Arbitrary<infer T> ? T : never

/** What each tab of the last run went through, for a look at what the histories reach. */
const reached = new Map<string, number>()

async function run(seed: number, commands: readonly Command[]): Promise<void> {
  const dice = new Dice(seed)
  let rolls = 0
  const roll = () => dice.roll(++rolls)
  const world = new World({ historySize: 8, random: roll, latency: () => Math.floor(roll() * 12) })
  const gone = new Set<Tab>()
  const pick = (index: number) => there()[index % Math.max(1, there().length)]
  const counts = new Map<string, number>()
  const publish = async (topic: string) => {
    const count = (counts.get(topic) ?? 0) + 1
    counts.set(topic, count)
    await world.server.publish(topic, { type: 'e', data: count })
  }
  const all: Tab[] = world.tabs
  /** A response of the REST API has told where its topics stand, before their events are here. */
  const startOf = (topic: string) =>
    roll() < 0.5 ? { epoch: 'e1', offset: counts.get(topic) ?? 0 } : undefined
  const there = () => all.filter((one) => !gone.has(one))
  const areUpToDate = () => {
    for (const one of there())
      for (const [topic, at] of one.at)
        expect([topic, at]).toEqual([topic, { epoch: 'e1', offset: counts.get(topic) ?? 0 }])
  }
  world.open({ startOf }).start('a', 'b')
  for (const one of commands) {
    const { do: what } = one
    reached.set(what, (reached.get(what) ?? 0) + 1)
    const chosen = 'tab' in one ? pick(one.tab) : undefined
    if (what === 'publish') for (let n = 0; n < one.count; n++) await publish(one.topic)
    else if (what === 'open') {
      if (world.tabs.length - gone.size < 4) world.open({ startOf }).start(...one.topics)
    } else if (what === 'wait') await world.pass(one.ms)
    else if (what === 'down' || what === 'up') {
      world.isDown = what === 'down'
      if (world.isDown) for (const wire of world.wires) wire.cut()
    } else if (what === 'cut' || what === 'silence') {
      for (const wire of world.wires) wire.cut(what === 'silence')
    } else if (chosen) {
      if (what === 'want') chosen.page.run(() => chosen.want(one.topics))
      else if (what === 'thaw') chosen.page.thaw()
      else if (what === 'freeze' || what === 'stop') {
        if (!chosen.page.isFrozen) chosen.page[what]()
      } else if (!chosen.page.isFrozen || what === 'crash') {
        gone.add(chosen)
        if (what === 'close') chosen.session.stop()
        else {
          if (what === 'reload') chosen.page.suspend()
          world.crash(chosen)
        }
        if (what === 'reload') world.open({ startOf }).start('a', 'c')
      }
    }
  }
  world.isDown = false
  for (const one of all) one.page.thaw()
  await world.pass(120_000)

  // In calm, nobody waits for a ping to find out what it has missed.
  for (let round = 0; round < 3; round++) {
    const away = pick(Math.floor(roll() * 4))
    if (!away) break
    const luck = roll()
    if (luck < 0.3) away.want(['b', 'c'])
    else if (luck < 0.5 && there().length < 5) world.open({ startOf }).start('a', 'b', 'c')
    else away.page.suspend() // It dials again, from where it stands.
    for (let burst = 0; burst < 6; burst++) {
      for (const topic of TOPICS) for (let n = roll() * 4; n > 1; n--) await publish(topic)
      await world.pass(Math.floor(roll() * 300))
    }
    await world.pass(4_000)
    areUpToDate()
  }

  expect(all.flatMap(({ wrongs }) => wrongs)).toEqual([])
  expect(world.time.errors).toEqual([])
  expect(there().map(({ status }) => status)).toEqual(there().map(() => 'live'))
  expect(world.connections).toBe(there().length > 0 ? 1 : 0)

  for (const one of there()) one.session.stop()
  await world.pass(10_000)
  expect(world.connections).toBe(0)
  expect(world.browser.locks).toEqual({ held: 0, waiting: 0 })
  expect(world.browser.channels.size).toBe(0)
  expect(
    all.map(({ page }) => page.listeners).filter((count, index) => !gone.has(all[index]!) && count > 0),
  ).toEqual([])
  await world.server.close({ graceMs: 0 })
}

const RUNS = Number(process.env['CROSS_TAB_RUNS'] ?? 150)

it('L1: whoever holds the connection, each tab applies each event once and in order', async () => {
  await fc.assert(fc.asyncProperty(fc.nat(), fc.array(command, { minLength: 5, maxLength: 60 }), run), {
    numRuns: RUNS,
    endOnFailure: process.env['CROSS_TAB_RAW'] !== undefined,
  })
  expect(reached.size).toBeGreaterThan(10)
})
