import { describe, expect, it } from 'vitest'
import { memoryEventLog, type EventLog } from '../../src/server/index.ts'
import { settle, startManual } from './manual.ts'

/** A memory log that answers when it is told to, and counts how much it is asked at a time. */
function busyLog() {
  const { quietMs: _, ...inner } = memoryEventLog({ epoch: 'e' })
  const waiting: (() => void)[] = []
  const asked: string[] = []
  let missed = () => {}
  let most = 0
  const later = async <T>(what: string, ask: () => Promise<T>): Promise<T> => {
    asked.push(what)
    await new Promise<void>((resolve) => {
      waiting.push(resolve)
      most = Math.max(most, waiting.length)
    })
    return ask()
  }
  const log: EventLog = {
    ...inner,
    read: (topic, ...rest) => later(topic, () => inner.read(topic, ...rest)),
    head: (topic) => later(topic, () => inner.head(topic)),
    subscribe(listener, onMissed = () => {}) {
      missed = onMissed
      return inner.subscribe(listener)
    },
  }
  return {
    log,
    asked,
    most: () => most,
    miss: () => missed(),
    /** Answers until nothing is asked any more. */
    async answerAll() {
      for (await settle(); waiting.length > 0; await settle())
        for (const answer of waiting.splice(0)) answer()
    },
  }
}

const subscribe = (topics: string[]) =>
  ({ t: 'subscribe', topics: topics.map((topic) => ({ topic })) }) as const

describe('catching up', () => {
  it('asks the log once for all who want the same, however many there are', async () => {
    const { log, asked, answerAll, miss } = busyLog()
    const { connect, server } = startManual({ log })
    const clients = await Promise.all(Array.from({ length: 50 }, (_, n) => connect(`user${n}`)))
    for (const client of clients) client.send(subscribe(['t']))
    await answerAll()
    await server.publish('t', { type: 'n' })
    await settle()
    asked.length = 0
    miss()
    await server.publish('t', { type: 'n' })
    await answerAll()
    expect(asked).toEqual(['t'])
    for (const client of clients) {
      const events = (await client.takeAll('events')).flatMap((message) => message.events)
      expect(events.map(({ offset }) => offset)).toEqual([1, 2])
    }
  })

  it('asks the log a bounded number of questions at a time, and serves everybody', async () => {
    const { log, asked, answerAll, miss, most } = busyLog()
    const { connect } = startManual({ log, limits: { maxTopicsPerConnection: 1_000 } })
    const topics = Array.from({ length: 150 }, (_, n) => `t${n}`)
    const [ada, bob] = [await connect('ada'), await connect('bob')]
    for (const client of [ada, bob]) client.send(subscribe(topics))
    await answerAll()
    for (const client of [ada, bob]) expect(await client.takeAll('subscribed')).toHaveLength(150)
    asked.length = 0
    miss()
    await answerAll()
    expect(new Set(asked).size).toBe(150)
    expect(asked.length).toBe(150)
    expect(most()).toBeLessThanOrEqual(64)
  })

  it('never answers with what was read before a subscription could hear', async () => {
    const { log, answerAll } = busyLog()
    const { connect, server } = startManual({ log })
    const [ada, bob] = [await connect('ada'), await connect('bob')]
    ada.send(subscribe(['t']))
    await settle()
    await server.publish('t', { type: 'n' })
    bob.send(subscribe(['t']))
    await answerAll()
    await server.publish('t', { type: 'n' })
    await settle()
    const [told] = await bob.takeAll('subscribed')
    expect(told?.position.offset).toBe(1)
  })

  it('refuses everybody who waits when the log fails, and serves who comes later', async () => {
    let isBroken = true
    const inner = memoryEventLog()
    const { connect, errors } = startManual({
      log: { ...inner, head: (topic) => (isBroken ? Promise.reject(new Error('away')) : inner.head(topic)) },
    })
    const [ada, bob] = [await connect('ada'), await connect('bob')]
    for (const client of [ada, bob]) client.send(subscribe(['t']))
    for (const client of [ada, bob]) {
      expect(await client.take()).toMatchObject([{ t: 'refused', code: 'unavailable' }])
    }
    expect(errors.length).toBeGreaterThan(0)
    isBroken = false
    ada.send(subscribe(['t']))
    expect(await ada.take()).toMatchObject([{ t: 'subscribed', outcome: 'fresh' }])
  })

  it('gives up a log that does not answer, and asks it for what is asked later', async () => {
    let isSilent = true
    const inner = memoryEventLog()
    const { connect, errors, time } = startManual({
      presence: { ttlMs: 1e9 },
      limits: { maxTopicsPerConnection: 1_000 },
      log: { ...inner, head: (topic) => (isSilent ? new Promise(() => {}) : inner.head(topic)) },
    })
    const ada = await connect('ada')
    // More than are asked at a time.
    const topics = Array.from({ length: 100 }, (_, n) => `t${n}`)
    ada.send(subscribe(topics))
    await settle()
    isSilent = false
    time.advance(20_000)
    const bob = await connect('bob')
    bob.send(subscribe(['t0', 'other']))
    expect(await bob.take()).toEqual([])
    time.advance(11_000)
    expect((await bob.takeAll('subscribed')).map(({ topic }) => topic).sort()).toEqual(['other', 't0'])
    expect(await ada.takeAll('refused')).toHaveLength(64)
    expect(errors[0]).toMatchObject({
      code: 'log-failed',
      cause: { message: 'The event log has not answered for 30000 ms.' },
    })
  })
})
