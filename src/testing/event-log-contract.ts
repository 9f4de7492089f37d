import type { Position } from '../core/event.ts'
import type { EventLog, LogEntry, LogEvent, NewLogEvent } from '../server/event-log.ts'
import type { ContractTest } from './contract-test.ts'
import { listen } from './ear.ts'
import { rejects, same } from './same.ts'

export interface ContractLogOptions {
  /** When given, the log must forget what is older than about this many events of a topic. */
  readonly maxEventsPerTopic?: number | undefined
}

/**
 * Makes an empty log: one, or two nodes of one cluster that share it. Called once in each test; the test closes
 * what it got.
 */
export type CreateLog = (
  options: ContractLogOptions,
) => EventLog | readonly [EventLog, EventLog] | Promise<EventLog | readonly [EventLog, EventLog]>

/** Names that a log must take literally. */
const HOSTILE_NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'a:b',
  'a',
  'b',
  "'; --",
  '*',
  'a*',
  '\u{1F600}\n"',
  '{a}',
  // Two that look the same.
  '\u00e9',
  'e\u0301',
  '\ufffd',
]

/** Names that not every store can hold; UTF-8 has one replacement for all halves of surrogate pairs. */
const UNSPEAKABLE_NAMES = ['nul\u0000', 'nul', '\ud800', '\ud801']

/**
 * The promises of `EventLog`, as tests for whichever runner you use.
 *
 * @example
 * describe('my log', () => eventLogContract(test, () => myEventLog()))
 */
export function eventLogContract(test: ContractTest, createLog: CreateLog): void {
  const contract = (name: string, run: (nodes: Nodes) => Promise<void>, options: ContractLogOptions = {}) =>
    test(name, async () => {
      const made = await createLog(options)
      const [a, b] = 'append' in made ? [made, made] : made
      try {
        await run({ a, b })
      } finally {
        await a.close()
        if (b !== a) await b.close()
      }
    })

  contract('counts the offsets of a topic from 1, whichever node appends', async ({ a, b }) => {
    const positions = await Promise.all(range(20).map((n) => (n % 2 ? a : b).append('topic', numbered(n))))
    same(sorted(positions.map(({ offset }) => offset)), range(20))
    same(new Set(positions.map(({ epoch }) => epoch)).size, 1)
  })

  contract('gives every append the position that its event can be read at', async ({ a, b }) => {
    const { epoch } = await a.head('topic')
    const positions = await Promise.all(range(40).map((n) => (n % 2 ? a : b).append('topic', numbered(n))))
    const read = await readAll(b, 'topic', { epoch, offset: 0 })
    for (const [index, position] of positions.entries()) {
      same(read[position.offset - 1], { ...numbered(index + 1), offset: position.offset })
    }
  })

  contract('has epochs that fit on the wire', async ({ a }) => {
    const { epoch } = await a.append('topic', numbered(1))
    for (const text of [epoch, (await a.head('other')).epoch])
      same(text.length >= 1 && text.length <= 64, true)
  })

  contract('gives a topic without events a head, from which its first event follows', async ({ a, b }) => {
    const head = await a.head('topic')
    same(head.offset, 0)
    same(await b.head('topic'), head)
    await b.append('topic', numbered(1))
    same(numbers(await readAll(a, 'topic', head)), [1])
  })

  contract('gives back what was appended, unchanged', async ({ a, b }) => {
    const head = await a.head('topic')
    const events: NewLogEvent[] = [
      { type: 'plain', json: '{"b":1,"a":[null,"\u{1F600}\\u2028"]}' },
      { type: 'with mutation', json: 'null', mutationId: 'm-1' },
      { type: '__proto__', json: '{"__proto__":{"polluted":true}}' },
    ]
    for (const event of events) await a.append('topic', event)
    same(
      (await readAll(b, 'topic', head)).map(({ type, json, mutationId }) => ({ type, json, mutationId })),
      events.map(({ type, json, mutationId }) => ({ type, json, mutationId })),
    )
  })

  contract('reads what follows a position, and no more than the limit', async ({ a, b }) => {
    const { epoch } = await appendNumbers(a, 'topic', 5)
    const read = await b.read('topic', { epoch, offset: 1 }, 2)
    same(read.outcome === 'events' && numbers(read.events), [2, 3])
    same(read.head, { epoch, offset: 5 })
  })

  contract('reads page by page what it reads at once', async ({ a, b }) => {
    const { epoch } = await appendNumbers(a, 'topic', 25)
    const all: number[] = []
    for (;;) {
      const page = await b.read('topic', { epoch, offset: all.length }, 7)
      if (page.outcome === 'reset') throw new Error('reset in the middle')
      all.push(...numbers(page.events))
      if (page.events.length < 7) break
    }
    same(all, range(25))
  })

  contract('reads nothing at the head', async ({ a, b }) => {
    const head = await appendNumbers(a, 'topic', 3)
    same(await b.head('topic'), head)
    same(await b.read('topic', head, 10), { outcome: 'events', events: [], head })
  })

  contract('resets a position of another epoch', async ({ a }) => {
    const head = await appendNumbers(a, 'topic', 3)
    same(await a.read('topic', { epoch: `not ${head.epoch}`.slice(0, 64), offset: 1 }, 10), {
      outcome: 'reset',
      head,
    })
  })

  contract('resets a position in the future', async ({ a }) => {
    const head = await appendNumbers(a, 'topic', 3)
    same(await a.read('topic', { ...head, offset: 4 }, 10), { outcome: 'reset', head })
    const empty = await a.head('empty')
    same(await a.read('empty', { ...empty, offset: 1 }, 10), { outcome: 'reset', head: empty })
  })

  contract(
    'never skips what it has trimmed',
    async ({ a, b }) => {
      const head = await appendNumbers(a, 'topic', 40)
      for (const offset of range(40)) {
        const read = await b.read('topic', { ...head, offset }, 100)
        same(read.head, head)
        if (read.outcome === 'events') same(numbers(read.events), range(40).slice(offset))
      }
    },
    { maxEventsPerTopic: 8 },
  )

  contract('takes every name literally and keeps topics apart', async ({ a, b }) => {
    for (const name of HOSTILE_NAMES) await a.append(name, { type: name, json: JSON.stringify(name) })
    for (const name of HOSTILE_NAMES) {
      const { epoch, offset } = await b.head(name)
      same(offset, 1)
      const [event] = await readAll(b, name, { epoch, offset: 0 })
      same([event?.type, event?.json], [name, JSON.stringify(name)])
    }
    same(({} as Record<string, unknown>)['polluted'], undefined)
  })

  contract('takes a name for another one never, and rather refuses it', async ({ a, b }) => {
    const refused = new Set<string>()
    for (const name of UNSPEAKABLE_NAMES) {
      await a.append(name, { type: 'n', json: JSON.stringify(name) }).catch(() => refused.add(name))
    }
    for (const name of UNSPEAKABLE_NAMES.filter((one) => !refused.has(one))) {
      const { epoch, offset } = await b.head(name)
      same(offset, 1)
      same(
        (await readAll(b, name, { epoch, offset: 0 })).map(({ json }) => json),
        [JSON.stringify(name)],
      )
    }
  })

  contract('tells every subscriber of every event, once and in the order of its topic', async ({ a, b }) => {
    const heard = [hearing(a), hearing(b)]
    // A log that takes time to subscribe makes its reads wait for it.
    await Promise.all([a.head('x'), b.head('x')])
    const topics = ['x', 'y', '__proto__']
    await Promise.all(
      range(30).map((n) => (n % 2 ? a : b).append(topics[n % 3] ?? 'x', { type: 'n', json: String(n) })),
    )
    for (const ear of heard) {
      await ear.first(30)
      for (const topic of topics) {
        same(
          ear.heard.filter((entry) => entry.topic === topic).map(({ event }) => event.offset),
          range(10),
        )
      }
      same(sorted(ear.heard.map(({ event }) => Number(event.json))), range(30))
    }
  })

  contract('tells what was appended as it can be read', async ({ a, b }) => {
    const ear = hearing(b)
    const head = await b.head('topic')
    await a.append('topic', { type: 'made', json: '{"id":1}', mutationId: 'm-1' })
    await ear.first(1)
    same(
      ear.heard.map(({ event }) => event),
      await readAll(a, 'topic', head),
    )
    same(ear.heard[0]?.epoch, head.epoch)
  })

  contract('leaves nothing between a read and what is heard', async ({ a, b }) => {
    const start = await a.head('topic')
    const appending = appendNumbers(a, 'topic', 50)
    // Awaited below, unless something else fails first.
    appending.catch(() => undefined)
    const ear = hearing(b)
    const read = await readAll(b, 'topic', start)
    await appending
    const missing = 50 - read.length
    await ear.first(missing, ({ event }) => event.offset > read.length)
    const late = ear.heard.filter(({ event }) => event.offset > read.length)
    same([...numbers(read), ...late.map(({ event }) => event.offset)], range(50))
  })

  contract('tells those who come after everybody had left', async ({ a, b }) => {
    const first = hearing(b)
    await b.head('topic')
    await a.append('topic', numbered(1))
    await first.first(1)
    first.stop()
    await a.append('topic', numbered(2))
    const second = hearing(b)
    await b.head('topic')
    await a.append('topic', numbered(3))
    await second.first(1, ({ event }) => event.offset === 3)
    same(numbers(first.heard.map(({ event }) => event)), [1])
    same(second.heard.filter(({ event }) => event.offset === 3).length, 1)
  })

  contract('never says that a topic was quiet for longer than it was', async ({ a, b }) => {
    const startMs = Date.now()
    await a.append('topic', numbered(1))
    for (const log of [a, b]) {
      const quietMs = await log.quietMs?.('topic')
      if (quietMs === undefined) continue
      same(Number.isInteger(quietMs) && quietMs >= 0, true)
      same(quietMs <= Date.now() - startMs, true)
    }
  })

  contract('tells nothing after unsubscribing', async ({ a, b }) => {
    const gone = hearing(b)
    const stays = hearing(b)
    await b.head('topic')
    await a.append('topic', numbered(1))
    await Promise.all([gone.first(1), stays.first(1)])
    gone.stop()
    await a.append('topic', numbered(2))
    await stays.first(2)
    same(gone.heard.length, 1)
  })

  contract('rejects everything once it is closed', async ({ a }) => {
    const head = await appendNumbers(a, 'topic', 1)
    await a.close()
    await rejects(() => a.append('topic', numbered(2)))
    await rejects(() => a.read('topic', head, 1))
    await rejects(() => a.head('topic'))
  })
}

interface Nodes {
  readonly a: EventLog
  readonly b: EventLog
}

/** 1, 2, … `length` */
const range = (length: number) => Array.from({ length }, (_, index) => index + 1)

const sorted = (values: readonly number[]) => [...values].sort((one, other) => one - other)

const numbered = (n: number): NewLogEvent => ({ type: 'n', json: String(n) })

const numbers = (events: readonly LogEvent[]) => events.map(({ json }) => Number(json))

async function appendNumbers(log: EventLog, topic: string, count: number): Promise<Position> {
  let position = await log.head(topic)
  for (const n of range(count)) position = await log.append(topic, numbered(n))
  return position
}

async function readAll(log: EventLog, topic: string, after: Position): Promise<readonly LogEvent[]> {
  const read = await log.read(topic, after, 1_000)
  if (read.outcome === 'reset') throw new Error(`${topic} was reset after offset ${after.offset}`)
  return read.events
}

const hearing = (log: EventLog) => listen<LogEntry>((hear, miss) => log.subscribe(hear, miss))
