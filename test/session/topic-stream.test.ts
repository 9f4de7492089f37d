import { describe, expect, it } from 'vitest'
import type { WireEvent } from '../../src/core/protocol/messages.ts'
import { SESSION_LIMITS } from '../../src/core/session/limits.ts'
import {
  advance,
  newStream,
  type StreamInput,
  type StreamOutput,
  type TopicStream,
} from '../../src/core/session/topics/topic-stream.ts'

const LIMITS = { ...SESSION_LIMITS, maxHeldEvents: 5 }

const at = (offset: number, epoch = 'a') => ({ epoch, offset })

const wire = (offset: number, prev?: number): WireEvent => ({ type: 'e', data: offset, offset, prev })

/** One stream with a clock. `told` is what the last input led to, in short. */
class Feed {
  stream: TopicStream = newStream('t')
  now = 0
  told: string[] = []

  do(input: StreamInput): this {
    const { stream, outputs } = advance(this.stream, { ...input, now: this.now }, LIMITS)
    this.stream = stream
    this.told = outputs.map(short)
    return this
  }

  events(...offsets: number[]): this {
    return this.eventsOf('a', ...offsets)
  }

  eventsOf(epoch: string, ...offsets: number[]): this {
    return this.do({ type: 'events', epoch, events: offsets.map((offset) => wire(offset)) })
  }

  replayed(offset: number, ...offsets: number[]): this {
    const events = offsets.map((each) => wire(each))
    return this.do({ type: 'subscribed', outcome: 'replayed', position: at(offset), events })
  }

  answer(outcome: 'fresh' | 'reset', offset: number, epoch = 'a'): this {
    return this.do({ type: 'subscribed', outcome, position: at(offset, epoch) })
  }

  /** Lets the deadline pass. */
  timer(): this {
    this.now = this.stream.dueAt!
    return this.do({ type: 'timer' })
  }
}

const short = (output: StreamOutput): string => {
  if (output.type === 'deliver') return output.events.map(({ data }) => data).join(' ')
  if (output.type === 'resync') return `${output.outcome} ${output.position.epoch}${output.position.offset}`
  return output.type
}

const asking = () => new Feed().do({ type: 'connected' })
const live = () => asking().answer('fresh', 5)
/** Live at 5, 6 is missing, 7 is held. */
const gap = () => live().events(7)

describe('delivery (L1)', () => {
  it('delivers what follows', () => {
    expect(live().events(6, 7).told).toEqual(['6 7'])
  })

  it('gives events their topic and position, and keeps the mutation that caused them', () => {
    const { outputs } = advance(
      live().stream,
      { type: 'events', epoch: 'a', events: [{ ...wire(6), mutationId: 'm' }], now: 0 },
      LIMITS,
    )
    expect(outputs).toEqual([
      { type: 'deliver', events: [{ type: 'e', data: 6, topic: 't', position: at(6), mutationId: 'm' }] },
    ])
  })

  it('drops a duplicate', () => {
    expect(live().events(6).events(5, 6).told).toEqual([])
    expect(live().events(6, 6, 7).told).toEqual(['6 7'])
  })

  it('puts a frame in order', () => {
    expect(live().events(8, 6, 7).told).toEqual(['6 7 8'])
  })

  it('follows `prev` where offsets have holes', () => {
    const feed = live().do({ type: 'events', epoch: 'a', events: [wire(9, 5), wire(12, 9)] })
    expect(feed.told).toEqual(['9 12'])
    expect(feed.do({ type: 'events', epoch: 'a', events: [wire(20, 15)] }).told).toEqual(['ask'])
  })

  it('takes an event whose `prev` lies before the position: what is between is not for this connection', () => {
    expect(live().do({ type: 'events', epoch: 'a', events: [wire(9, 2)] }).told).toEqual(['9'])
  })

  it('ignores events while it is not subscribed', () => {
    expect(live().do({ type: 'disconnected' }).events(6).told).toEqual([])
    expect(new Feed().events(1).stream.position).toBeUndefined()
  })
})

describe('a gap (L1)', () => {
  it('holds what follows it, and asks at once', () => {
    const feed = gap()
    expect(feed.told).toEqual(['ask'])
    expect(feed.stream).toMatchObject({ phase: 'gap', position: at(5) })
  })

  it('asks once, however many events follow', () => {
    expect(gap().events(8).events(9).told).toEqual([])
  })

  it('closes when the missing event comes late', () => {
    const feed = gap().events(6)
    expect(feed.told).toEqual(['6 7'])
    expect(feed.stream).toMatchObject({ phase: 'live', dueAt: undefined })
  })

  it('closes with the replay, and delivers replayed and held events in one piece', () => {
    const feed = gap().events(9).replayed(8, 6, 7, 8)
    expect(feed.told).toEqual(['6 7 8 9', 'replayed a9'])
    expect(feed.stream.phase).toBe('live')
  })

  it('takes an answer to its word about what this connection may not see', () => {
    expect(gap().replayed(6).told).toEqual(['7', 'replayed a7'])
  })

  it('asks on at once while answers bring something', () => {
    const feed = gap().events(10).replayed(8, 6, 7, 8)
    expect(feed.told).toEqual(['6 7 8', 'replayed a8', 'ask'])
  })

  it('asks again when time is over, waiting longer each time, and then resets', () => {
    const feed = gap().events(9)
    expect(feed.stream.dueAt).toBe(2_000)
    expect(feed.timer().told).toEqual(['ask'])
    expect(feed.stream.dueAt).toBe(6_000)
    expect(feed.timer().told).toEqual(['ask'])
    expect(feed.stream.dueAt).toBe(12_000)
    expect(feed.timer().told).toEqual(['lost', 'reset a6', '7', 'reset a8', '9'])
    expect(feed.stream).toMatchObject({ phase: 'live', position: at(9), dueAt: undefined, attempt: 0 })
  })

  it('does not ask in a circle when an answer brings nothing', () => {
    const feed = gap().do({ type: 'subscribed', outcome: 'replayed', position: at(5), events: [] })
    expect(feed.told).toEqual(['replayed a5'])
    expect(feed.stream.phase).toBe('gap')
  })

  it('does not ask before the deadline', () => {
    const feed = gap()
    feed.now = 1_999
    expect(feed.do({ type: 'timer' }).told).toEqual([])
  })

  it('holds no more than it may, and resets instead', () => {
    const feed = gap().events(8, 9, 10, 11)
    expect(feed.told).toEqual([])
    expect(feed.events(12).told).toEqual(['lost', 'reset a6', '7 8 9 10 11 12'])
  })

  it('drops what it holds when the connection ends, and asks from the same position', () => {
    const feed = gap().do({ type: 'disconnected' })
    expect(feed.stream).toMatchObject({ phase: 'down', held: [], position: at(5), dueAt: undefined })
    expect(feed.do({ type: 'connected' }).replayed(7, 6, 7).told).toEqual(['6 7', 'replayed a7'])
  })
})

describe('the answer to a subscription', () => {
  it('is fresh when nothing was known', () => {
    const feed = asking().answer('fresh', 5)
    expect(feed.told).toEqual(['fresh a5'])
    expect(feed.stream).toMatchObject({ phase: 'live', position: at(5) })
  })

  it('tells for how long nothing had happened, when it is fresh', () => {
    const answer = { type: 'subscribed', outcome: 'fresh', position: at(5), quietMs: 7, now: 0 } as const
    expect(advance(asking().stream, answer, LIMITS).outputs).toEqual([
      { type: 'resync', topic: 't', outcome: 'fresh', position: at(5), quietMs: 7 },
    ])
  })

  it('puts events that came before it in their place', () => {
    expect(asking().events(5, 6, 7).answer('fresh', 5).told).toEqual(['fresh a5', '6 7'])
  })

  it('tells of the replay after its events', () => {
    const feed = live().do({ type: 'disconnected' }).do({ type: 'connected' })
    expect(feed.replayed(7, 6, 7).told).toEqual(['6 7', 'replayed a7'])
  })

  it('tells of a reset before the events that follow it', () => {
    const feed = live().do({ type: 'disconnected' }).do({ type: 'connected' }).events(21)
    expect(feed.answer('reset', 20).told).toEqual(['reset a20', '21'])
  })

  it('takes a position that lies back: the server has lost the end of its history', () => {
    const feed = live().do({ type: 'disconnected' }).do({ type: 'connected' }).answer('reset', 3)
    expect(feed.told).toEqual(['reset a3'])
    expect(feed.events(4, 5).told).toEqual(['4 5'])
  })

  it('tells nothing when it comes a second time', () => {
    const feed = new Feed().do({ type: 'connected' }).answer('fresh', 3).events(4)
    expect(feed.answer('fresh', 3).told).toEqual([])
    expect(feed.answer('reset', 3).told).toEqual([])
    expect(feed.events(4, 5).told).toEqual(['5'])
  })

  it('is a reset when the server forgets that a position was given', () => {
    const feed = live().do({ type: 'disconnected' }).do({ type: 'connected' })
    expect(feed.answer('fresh', 9).told).toEqual(['reset a9'])
  })

  it('is a replay of nothing when the server forgets it and stands where we stand', () => {
    const feed = live().do({ type: 'disconnected' }).do({ type: 'connected' })
    expect(feed.answer('fresh', 5).told).toEqual(['replayed a5'])
  })

  it('is a reset when it claims to replay another epoch (L2)', () => {
    const feed = live().do({ type: 'disconnected' }).do({ type: 'connected' })
    const position = at(1, 'b')
    feed.do({ type: 'subscribed', outcome: 'replayed', position, events: [wire(1)] })
    expect(feed.told).toEqual(['reset b1'])
  })

  it('is asked for again when its replay has a hole', () => {
    const feed = live().do({ type: 'disconnected' }).do({ type: 'connected' })
    expect(feed.replayed(8, 6, 8).told).toEqual(['6', 'replayed a6', 'ask'])
  })

  it('proves only its events when nothing was asked', () => {
    const feed = live().replayed(9, 6)
    expect(feed.told).toEqual(['6'])
    expect(feed.stream.position).toEqual(at(6))
  })

  it('is overdue after the time for connecting', () => {
    const feed = asking()
    expect(feed.stream.dueAt).toBe(SESSION_LIMITS.connectTimeoutMs)
    expect(feed.timer().told).toEqual(['overdue'])
  })

  it('lets go of what came before it when that is too much: the hole shows later', () => {
    const feed = asking().events(6, 7, 8, 9, 10, 11).answer('fresh', 5)
    expect(feed.told).toEqual(['fresh a5'])
    expect(feed.events(12).told).toEqual(['ask'])
  })
})

describe('another epoch (L2)', () => {
  it('is asked about', () => {
    expect(live().eventsOf('b', 1).told).toEqual(['ask'])
  })

  it('becomes ours when the server resets to it, and what is held of it follows', () => {
    const feed = live().eventsOf('b', 1, 2).answer('reset', 1, 'b')
    expect(feed.told).toEqual(['reset b1', '2'])
    expect(feed.stream.position).toEqual(at(2, 'b'))
  })

  it('is forgotten when the server says that ours lives', () => {
    const feed = live().eventsOf('old', 99).replayed(5)
    expect(feed.told).toEqual(['replayed a5'])
    expect(feed.stream).toMatchObject({ phase: 'live', held: [] })
  })

  it('wins over ours when the server does not answer', () => {
    const feed = live().events(7).eventsOf('b', 3).timer().timer().timer()
    expect(feed.told).toEqual(['lost', 'reset b2', '3'])
  })
})

describe('heads', () => {
  it('show that the last events were lost', () => {
    const feed = live().do({ type: 'head', head: at(6) })
    expect(feed.told).toEqual(['ask'])
    expect(feed.replayed(6, 6).told).toEqual(['6', 'replayed a6'])
  })

  it('say nothing when they stand where we stand', () => {
    expect(live().do({ type: 'head', head: at(5) }).told).toEqual([])
    expect(live().do({ type: 'head', head: at(4) }).told).toEqual([])
  })

  it('show another epoch, and a subscription that the server has lost', () => {
    expect(live().do({ type: 'head', head: at(5, 'b') }).told).toEqual(['ask'])
    expect(live().do({ type: 'head', head: undefined }).told).toEqual(['ask'])
  })

  it('do not disturb a question that is open', () => {
    expect(gap().do({ type: 'head', head: at(9) }).told).toEqual([])
    expect(asking().do({ type: 'head', head: undefined }).told).toEqual([])
  })

  it('end the connection when nobody answers: there is nothing to go on with', () => {
    const feed = live()
      .do({ type: 'head', head: at(6) })
      .timer()
      .timer()
      .timer()
    expect(feed.told).toEqual(['overdue'])
  })
})

describe('a refusal', () => {
  it('is final when it is forbidden, also on the next connection', () => {
    const feed = asking().do({ type: 'refused', code: 'forbidden' }).do({ type: 'disconnected' })
    expect(feed.stream).toMatchObject({ phase: 'refused', isFinal: true })
  })

  it('lasts for the connection otherwise', () => {
    const feed = asking().do({ type: 'refused', code: 'unavailable' })
    expect(feed.stream.phase).toBe('refused')
    expect(feed.do({ type: 'disconnected' }).stream.phase).toBe('down')
  })

  it.each([
    ['the server could not decide', 'unavailable'],
    ['there was no room for it, or too much was asked at once', 'limit'],
  ] as const)('is asked for again after a while, each time a longer one, when %s', (_, code) => {
    let feed = asking()
    const waits: number[] = []
    for (let count = 1; count <= 6; count++) {
      feed = feed.do({ type: 'refused', code })
      expect(feed.stream).toMatchObject({ phase: 'refused', isFinal: false })
      waits.push(feed.stream.dueAt! - feed.now)
      feed = feed.timer()
      expect([feed.stream.phase, feed.told.at(-1)]).toEqual(['asking', 'ask'])
    }
    expect(waits).toEqual([2_000, 4_000, 8_000, 16_000, 20_000, 20_000])
    const later = feed.do({ type: 'refused', code: 'forbidden' })
    expect(later.stream).toMatchObject({ phase: 'refused', dueAt: undefined })
  })

  it('is asked for again when the app begins anew', () => {
    const feed = asking().do({ type: 'refused', code: 'forbidden' }).do({ type: 'restarted' })
    expect(feed.stream).toMatchObject({ phase: 'down', isFinal: false })
  })

  it('keeps the position', () => {
    expect(live().do({ type: 'refused', code: 'limit' }).stream.position).toEqual(at(5))
  })
})
