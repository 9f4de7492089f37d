import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EventLog } from '../../../src/server/event-log.ts'
import { memoryEventLog } from '../../../src/server/logs/memory.ts'
import { eventLogContract } from '../../../src/testing/event-log-contract.ts'

const event = (json = '1') => ({ type: 'n', json })

const append = async (log: EventLog, topic: string, count: number) => {
  for (let n = 1; n <= count; n++) await log.append(topic, event(String(n)))
}

describe('memoryEventLog', () => {
  eventLogContract(it, (options) => memoryEventLog(options))

  it('has another epoch in each process, unless it is given one', async () => {
    const [one, other, given] = [memoryEventLog(), memoryEventLog(), memoryEventLog({ epoch: 'given' })]
    expect((await one.head('t')).epoch).not.toBe((await other.head('t')).epoch)
    expect((await given.append('t', event())).epoch).toBe('given')
  })

  it('forgets the oldest events of a topic beyond maxEventsPerTopic', async () => {
    const log = memoryEventLog({ epoch: 'e', maxEventsPerTopic: 3 })
    await append(log, 't', 5)
    expect(await log.read('t', { epoch: 'e', offset: 1 }, 10)).toMatchObject({ outcome: 'reset' })
    expect(await log.read('t', { epoch: 'e', offset: 2 }, 10)).toMatchObject({
      events: [{ offset: 3 }, { offset: 4 }, { offset: 5 }],
    })
  })

  it('forgets events older than maxAgeMs and keeps counting', async () => {
    let now = 0
    const log = memoryEventLog({ epoch: 'e', maxAgeMs: 100, now: () => now })
    await append(log, 't', 2)
    now = 101
    expect(await log.read('t', { epoch: 'e', offset: 1 }, 10)).toEqual({
      outcome: 'reset',
      head: { epoch: 'e', offset: 2 },
    })
    expect(await log.append('t', event())).toEqual({ epoch: 'e', offset: 3 })
    expect(await log.read('t', { epoch: 'e', offset: 2 }, 10)).toMatchObject({ events: [{ offset: 3 }] })
  })

  it('forgets the oldest events of the whole log beyond maxBytes', async () => {
    const log = memoryEventLog({ epoch: 'e', maxBytes: 2_000 })
    await append(log, 'quiet', 1)
    await append(log, 'busy', 100)
    expect(await log.read('quiet', { epoch: 'e', offset: 0 }, 10)).toMatchObject({ outcome: 'reset' })
    expect(await log.read('busy', { epoch: 'e', offset: 99 }, 10)).toMatchObject({
      events: [{ offset: 100 }],
    })
    expect(await log.read('busy', { epoch: 'e', offset: 50 }, 100)).toMatchObject({ outcome: 'reset' })
  })

  it('knows for how long a topic has been quiet, and never says longer than it knows', async () => {
    let now = 1_000
    const log = memoryEventLog({ epoch: 'e', maxTopics: 2, now: () => now })
    const quiet = (topic: string) => log.quietMs?.(topic)
    now = 1_500
    expect(await quiet('never used')).toBe(500) // since the log began: before that it knows nothing
    await append(log, 'a', 1)
    now = 1_700.9
    expect(await quiet('a')).toBe(200)
    await append(log, 'b', 1)
    await append(log, 'c', 1) // evicts a, which is remembered no more
    now = 2_000.9
    expect(await quiet('a')).toBe(300)
  })

  it('tells of an event that is larger than maxBytes, and does not keep it', async () => {
    const log = memoryEventLog({ epoch: 'e', maxBytes: 1_000 })
    const heard: number[] = []
    log.subscribe((entry) => heard.push(entry.event.offset))
    await log.append('t', event(JSON.stringify('x'.repeat(5_000))))
    expect(heard).toEqual([1])
    expect(await log.read('t', { epoch: 'e', offset: 0 }, 10)).toMatchObject({ outcome: 'reset' })
  })

  it('lets the topic go that is longest without an event beyond maxTopics, and brings it back under a new epoch', async () => {
    const log = memoryEventLog({ maxTopics: 2 })
    const first = await log.append('first', event())
    await log.append('second', event())
    await log.append('first', event())
    const second = await log.head('second')
    await log.append('third', event())
    expect((await log.head('first')).epoch).toBe(first.epoch)
    expect(await log.read('second', second, 10)).toMatchObject({ outcome: 'reset', head: { offset: 0 } })
    const back = await log.append('second', event())
    expect(back.offset).toBe(1)
    expect(back.epoch).not.toBe(second.epoch)
  })

  it('tells all listeners the same order when one of them appends', async () => {
    const log = memoryEventLog()
    const heard: string[] = []
    let echo: Promise<unknown> | undefined
    log.subscribe(() => {
      echo ??= log.append('t', event('2'))
    })
    log.subscribe(({ event: { json } }) => heard.push(json))
    await log.append('t', event('1'))
    await echo
    expect(heard).toEqual(['1', '2'])
  })

  it.each([
    ['maxEventsPerTopic', 0],
    ['maxAgeMs', -1],
    ['maxBytes', Number.NaN],
    ['maxTopics', 0],
  ])('refuses %s = %d', (name, value) => {
    expect(() => memoryEventLog({ [name]: value })).toThrow(`${name} of memoryEventLog must be above 0`)
  })

  it('refuses an epoch that no client would accept', () => {
    expect(() => memoryEventLog({ epoch: 'e'.repeat(49) })).toThrow('1 to 48 characters')
  })

  it('stays within its bounds, and its reads never have a hole', async () => {
    const steps = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(40), fc.nat(30)), {
      maxLength: 120,
    })
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        let now = 0
        const log = memoryEventLog({
          maxEventsPerTopic: 5,
          maxBytes: 3_000,
          maxTopics: 3,
          maxAgeMs: 100,
          now: () => now,
        })
        /** What an unbounded log would hold. */
        const truth = new Map<string, { epoch: string; json: string[] }>()
        for (const [topic, size, waitMs] of script) {
          now += waitMs
          const json = JSON.stringify('x'.repeat(size))
          const { epoch, offset } = await log.append(topic, { type: 'n', json })
          const known = truth.get(topic)
          const history = known?.epoch === epoch ? known : { epoch, json: [] }
          history.json.push(json)
          truth.set(topic, history)
          expect(offset).toBe(history.json.length)

          let keptBytes = 0
          for (const [name, { epoch: known, json: all }] of truth) {
            let kept = 0
            for (let after = 0; after <= all.length; after++) {
              const read = await log.read(name, { epoch: known, offset: after }, 1_000)
              if (read.outcome === 'reset') continue
              expect(read.events.map((found) => found.json)).toEqual(all.slice(after))
              kept = Math.max(kept, read.events.length)
            }
            expect(kept).toBeLessThanOrEqual(5)
            keptBytes += all.slice(all.length - kept).reduce((sum, text) => sum + 2 * text.length, 0)
          }
          expect(keptBytes).toBeLessThanOrEqual(3_000)
        }
      }),
      { numRuns: 60 },
    )
  })
})
