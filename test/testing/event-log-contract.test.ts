import { describe, expect, it } from 'vitest'
import { memoryEventLog, type EventLog, type LogEntry, type LogRead } from '../../src/server/index.ts'
import { eventLogContract, type ContractLogOptions } from '../../src/testing/index.ts'

/** Whatever can happen in memory has happened: who still waits would wait for ever. */
async function settled(): Promise<'waits'> {
  for (let turn = 0; turn < 50; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
  return 'waits'
}

/** The tests of the contract that a log does not pass. */
async function failuresOf(createLog: (options: ContractLogOptions) => EventLog): Promise<string[]> {
  const failures: string[] = []
  const tests: (() => Promise<void>)[] = []
  eventLogContract((name, run) => {
    tests.push(async () => {
      try {
        if ((await Promise.race([run(), settled()])) === 'waits') failures.push(name)
      } catch {
        failures.push(name)
      }
    })
  }, createLog)
  for (const test of tests) await test()
  return failures
}

type Break = (log: EventLog) => Partial<EventLog>

const everyRead =
  (change: (read: LogRead, limit: number) => LogRead): Break =>
  (log) => ({ read: async (topic, after, limit) => change(await log.read(topic, after, limit), limit) })

const everyEntry =
  (tell: (entry: LogEntry, listener: (entry: LogEntry) => void) => void): Break =>
  (log) => ({ subscribe: (listener) => log.subscribe((entry) => tell(entry, listener)) })

const named =
  (rename: (topic: string) => string): Break =>
  (log) => ({
    append: (topic, event) => log.append(rename(topic), event),
    read: (topic, after, limit) => log.read(rename(topic), after, limit),
    head: (topic) => log.head(rename(topic)),
  })

let held: (() => void)[] = []

/** Each of them is a mistake that a log could make. */
const MISTAKES: Record<string, Break> = {
  'counts from 0': (log) => ({
    append: async (topic, event) => {
      const position = await log.append(topic, event)
      return { ...position, offset: position.offset - 1 }
    },
  }),
  'has a hole among what is read': everyRead((read) =>
    read.outcome === 'events'
      ? { ...read, events: read.events.filter(({ offset }) => offset % 7 !== 0) }
      : read,
  ),
  'gives more than the limit': (log) => ({ read: (topic, after) => log.read(topic, after, 1_000) }),
  'gives less than there is within the limit': everyRead((read) =>
    read.outcome === 'events' ? { ...read, events: read.events.slice(0, 3) } : read,
  ),
  'skips what it has trimmed': (log) => ({
    async read(topic, after, limit) {
      for (let { offset } = after; ; offset++) {
        const read = await log.read(topic, { ...after, offset }, limit)
        if (read.outcome === 'events' || offset >= read.head.offset) return read
      }
    },
  }),
  'knows no other epoch': (log) => ({
    read: async (topic, after, limit) => {
      const { epoch } = await log.head(topic)
      return log.read(topic, { ...after, epoch }, limit)
    },
  }),
  'takes a position in the future for its head': (log) => ({
    read: async (topic, after, limit) => {
      const head = await log.head(topic)
      return log.read(topic, { ...after, offset: Math.min(after.offset, head.offset) }, limit)
    },
  }),
  'has an epoch that does not fit on the wire': (log) => ({
    head: async (topic) => ({ ...(await log.head(topic)), epoch: 'e'.repeat(65) }),
  }),
  'gives an empty topic another epoch than its first event': (log) => ({
    head: async (topic) => {
      const head = await log.head(topic)
      return head.offset === 0 ? { ...head, epoch: 'none' } : head
    },
  }),
  'forgets the mutation': (log) => ({
    append: (topic, { type, json }) => log.append(topic, { type, json }),
  }),
  'writes the JSON anew': (log) => ({
    append: (topic, event) => log.append(topic, { ...event, json: JSON.stringify(JSON.parse(event.json)) }),
  }),
  'splits names at a colon': named((topic) => topic.split(':')[0]!),
  'takes names that look the same for one': named((topic) => topic.normalize()),
  'keeps names as UTF-8': named((topic) => Buffer.from(topic).toString()),
  'ends names at a NUL': named((topic) => topic.split('\0')[0]!),
  'tells twice': everyEntry((entry, listener) => {
    listener(entry)
    listener(entry)
  }),
  'does not tell of every event': everyEntry((entry, listener) => {
    if (entry.event.offset !== 5) listener(entry)
  }),
  'tells in another order': everyEntry((entry, listener) => {
    held.push(() => {
      listener(entry)
    })
    if (held.length < 2) return
    for (const tell of held.reverse()) tell()
    held = []
  }),
  'tells of an event without its mutation': everyEntry(({ event, ...entry }, listener) => {
    listener({ ...entry, event: { ...event, mutationId: undefined } })
  }),
  'tells those who have left': (log) => ({
    subscribe(listener) {
      log.subscribe(listener)
      return () => {}
    },
  }),
  'lets everybody leave with the first': (log) => {
    const stops: (() => void)[] = []
    return {
      subscribe(listener) {
        stops.push(log.subscribe(listener))
        return () => {
          for (const stop of stops) stop()
        }
      },
    }
  },
  'says that a busy topic was quiet': () => ({ quietMs: () => Promise.resolve(60_000) }),
  'says half a ms': () => ({ quietMs: () => Promise.resolve(0.5) }),
  'goes on when it is closed': () => ({ close: () => Promise.resolve() }),
  'says that it has missed something when it has not': (log) => ({
    subscribe(listener, onMissed) {
      return log.subscribe((entry) => {
        onMissed?.()
        listener(entry)
      })
    },
  }),
}

describe('eventLogContract', () => {
  it('is passed by a log without a mistake', async () => {
    expect(await failuresOf((options) => memoryEventLog(options))).toEqual([])
  })

  it.each(Object.entries(MISTAKES))('notices a log that %s', async (_, makeMistake) => {
    held = []
    const failures = await failuresOf((options) => {
      const log = memoryEventLog(options)
      return { ...log, ...makeMistake(log) }
    })
    expect(failures).not.toEqual([])
  })
})
