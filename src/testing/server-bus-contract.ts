import type { ServerBus } from '../server/cluster/server-bus.ts'
import type { ContractTest } from './contract-test.ts'
import { listen } from './ear.ts'
import { rejects, same } from './same.ts'

/** A bus, and what ends it. */
export interface ContractBus extends ServerBus {
  close?(): void | Promise<void>
}

/**
 * Makes the buses of two nodes that hear each other, and nobody else. Called once in each test; the test closes what
 * it got.
 */
export type CreateBuses = () =>
  readonly [ContractBus, ContractBus] | Promise<readonly [ContractBus, ContractBus]>

/** Messages are JSON, whose texts may hold anything. */
const TEXTS = [
  '{"t":"alive"}',
  '{"quotes":"\'\\" $1 %s \\\\ ; --","lines":"\\n\\u0000\\ud800"}',
  '{"\u{1F600}":"\u00e9 e\u0301 \ufffd \u2028"}',
  '1:0:2:looks like a part of something',
]

/**
 * The promises of `ServerBus`, as tests for whichever runner you use.
 *
 * @example
 * describe('my bus', () => serverBusContract(test, () => [myBus(), myBus()]))
 */
export function serverBusContract(test: ContractTest, createBuses: CreateBuses): void {
  const contract = (name: string, run: (buses: readonly [ContractBus, ContractBus]) => Promise<void>) =>
    test(name, async () => {
      const buses = await createBuses()
      try {
        await connected(buses)
        await run(buses)
      } finally {
        for (const bus of buses) await bus.close?.()
      }
    })

  contract('tells the other node what is said, unchanged and in order', async ([a, b]) => {
    const ear = hearing(b)
    for (const text of TEXTS) await a.publish(text)
    same(await ear.first(TEXTS.length), TEXTS)
  })

  contract(
    'keeps the order of what is said without waiting, and says the same thing twice',
    async ([a, b]) => {
      const said = Array.from({ length: 200 }, (_, n) => `{"n":${n % 2 ? n : 0}}`)
      const ear = hearing(b)
      await Promise.all(said.map(async (text) => a.publish(text)))
      same(await ear.first(said.length), said)
    },
  )

  contract('takes messages of every size', async ([a, b]) => {
    const sizes = [1, 7_000, 7_999, 8_000, 8_001, 20_000, 300_000]
    const said = sizes.flatMap((size) => [sized('x', size), sized('\u{1F600}', size), sized('\u20ac', size)])
    const ear = hearing(b)
    await Promise.all(said.map(async (text) => a.publish(text)))
    const heard = await ear.first(said.length)
    // Not `same`: its message would be megabytes.
    for (const [index, text] of said.entries())
      same([heard[index]?.length, heard[index] === text], [text.length, true])
  })

  contract('keeps what both say at once apart, each in its order', async ([a, b]) => {
    const ears = [hearing(a), hearing(b)]
    const wordsOf = (node: string) =>
      Array.from(
        { length: 100 },
        (_, n) => `{"node":"${node}","n":${n},"long":"${'x'.repeat((n % 4) * 5_000)}"}`,
      )
    await Promise.all([
      ...wordsOf('a').map(async (text) => a.publish(text)),
      ...wordsOf('b').map(async (text) => b.publish(text)),
    ])
    for (const [index, other] of ['b', 'a'].entries()) {
      const isOther = (text: string) => text.startsWith(`{"node":"${other}"`)
      same(
        (await ears[index]!.first(100, isOther)).map((text) => text.length),
        wordsOf(other).map((text) => text.length),
      )
    }
  })

  contract('tells everybody who listens, and nobody who has left', async ([a, b]) => {
    const [left, first, second] = [hearing(b), hearing(b), hearing(b)]
    await a.publish('"one"')
    for (const ear of [left, first, second]) same(await ear.first(1), ['"one"'])
    left.stop()
    await a.publish('"two"')
    for (const ear of [first, second]) same(await ear.first(2), ['"one"', '"two"'])
    same(left.heard, ['"one"'])
  })

  contract('lets one listener subscribe twice', async ([a, b]) => {
    const heard: string[] = []
    const listener = (text: string) => {
      if (text !== READY) heard.push(text)
    }
    const stop = b.subscribe(listener)
    b.subscribe(listener)
    const barrier = hearing(b)
    await a.publish('"one"')
    await barrier.first(1)
    stop()
    await a.publish('"two"')
    await barrier.first(2)
    same(heard, ['"one"', '"one"', '"two"'])
  })

  contract('tells nothing once it is closed, and rejects what is said', async ([a, b]) => {
    if (!b.close) return
    const ear = hearing(b)
    await b.close()
    await a.publish('"one"')
    await rejects(() => Promise.resolve(b.publish('"two"')))
    same(ear.heard, [])
  })
}

const sized = (character: string, bytes: number) =>
  JSON.stringify(
    character.repeat(Math.max(1, Math.floor(bytes / new TextEncoder().encode(character).length))),
  )

const READY = '{"t":"is anybody there"}'

/** A bus may take time to listen, and does not tell when it does. */
async function connected([a, b]: readonly [ContractBus, ContractBus]): Promise<void> {
  for (const [speaker, hearer] of [
    [a, b],
    [b, a],
  ] as const) {
    let isHeard = false
    let wake = () => {}
    const stop = hearer.subscribe(() => {
      isHeard = true
      wake()
    })
    for (let n = 1; !isHeard; n++) {
      // What is lost is lost: it is said again.
      await Promise.resolve(speaker.publish(READY)).catch(() => undefined)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(n, 20) * 5)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
        if (isHeard) wake()
      })
    }
    stop()
  }
}

const hearing = (bus: ServerBus) =>
  listen<string>((hear) =>
    bus.subscribe((text) => {
      if (text !== READY) hear(text)
    }),
  )
