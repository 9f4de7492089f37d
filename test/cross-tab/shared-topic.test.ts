import { describe, expect, it } from 'vitest'
import type { Position } from '../../src/core/event.ts'
import type { ServerMessage } from '../../src/core/protocol/messages.ts'
import { SharedTopic } from '../../src/cross-tab/shared-topic.ts'

type Answer = Extract<ServerMessage, { t: 'subscribed' }>

const at = (offset: number, epoch = 'a'): Position => ({ epoch, offset })
const event = (offset: number) => ({ type: 'e', data: offset, offset })
const answer = (outcome: Answer['outcome'], position: Position, ...offsets: number[]): Answer => ({
  t: 'subscribed',
  topic: 't',
  outcome,
  position,
  ...(outcome === 'replayed' && { events: offsets.map(event) }),
})
const events = (...offsets: number[]) => ({
  t: 'events' as const,
  topic: 't',
  epoch: 'a',
  events: offsets.map(event),
})

/** A topic, and what each tab is told of it, in short. */
function rig() {
  const time = { now: 1_000 }
  const topic = new SharedTopic('t', () => time.now)
  const tab = () => {
    const told: string[] = []
    return {
      told,
      post(raw: unknown) {
        const message = raw as Answer | ReturnType<typeof events>
        const offsets = (message.events ?? []).map(({ offset }) => offset).join(' ')
        if (message.t === 'events') told.push(`events ${offsets}`)
        else {
          const { outcome, position, quietMs } = message
          told.push(
            `${outcome} ${position.epoch}${position.offset} [${offsets}]${quietMs === undefined ? '' : ` quiet ${quietMs}`}`,
          )
        }
      },
    }
  }
  /** A tab that is live at a5, and has been told so. */
  const live = () => {
    const one = tab()
    topic.ask(one, undefined)
    topic.takeQuestion()
    topic.answered(answer('fresh', at(5)))
    one.told.length = 0
    return one
  }
  return { topic, tab, live, time }
}

describe('a topic of several tabs', () => {
  it('asks for the first tab what it asks, and gives it the answer as it is', () => {
    const { topic, tab } = rig()
    const one = tab()
    topic.ask(one, undefined)
    expect(topic.takeQuestion()).toEqual({ topic: 't', position: undefined })
    expect(topic.takeQuestion()).toBeUndefined()
    topic.answered({ ...answer('fresh', at(5)), quietMs: 7 })
    topic.heard(events(6), events(6))
    expect(one.told).toEqual(['fresh a5 [] quiet 7', 'events 6'])
  })

  it('answers a new tab that knows nothing, or stands where the others stand, without asking', () => {
    const { topic, tab, live, time } = rig()
    live()
    topic.heard(events(6), events(6))
    time.now += 40
    const [fresh, same] = [tab(), tab()]
    topic.ask(fresh, undefined)
    topic.ask(same, at(6))
    expect(topic.takeQuestion()).toBeUndefined()
    expect(fresh.told).toEqual(['fresh a6 [] quiet 40'])
    expect(same.told).toEqual(['replayed a6 []'])
  })

  it('asks for a tab that is behind, and tells the others only what is new to them', () => {
    const { topic, tab, live } = rig()
    const [one, late] = [live(), tab()]
    topic.ask(late, at(3))
    expect(topic.takeQuestion()).toEqual({ topic: 't', position: at(3) })
    topic.answered(answer('replayed', at(7), 4, 5, 6, 7))
    expect(late.told).toEqual(['replayed a7 [4 5 6 7]'])
    expect(one.told).toEqual(['events 6 7'])
  })

  it('asks once for all that wait, from the oldest position, and gives each what came after its own', () => {
    const { topic, tab } = rig()
    const [one, two, three] = [tab(), tab(), tab()]
    topic.ask(one, at(4))
    topic.ask(two, at(2))
    topic.ask(three, at(6))
    expect(topic.takeQuestion()).toEqual({ topic: 't', position: at(2) })
    topic.answered(answer('replayed', at(6), 3, 4, 5, 6))
    expect([one, two, three].map(({ told }) => told)).toEqual([
      ['replayed a6 [5 6]'],
      ['replayed a6 [3 4 5 6]'],
      ['replayed a6 []'],
    ])
    expect(topic.takeQuestion()).toBeUndefined()
  })

  it('does not ask from beyond where the others stand: what lies between would be lost for them', () => {
    const { topic, tab, live } = rig()
    const [one, ahead] = [live(), tab()]
    topic.ask(ahead, at(8))
    expect(topic.takeQuestion()).toEqual({ topic: 't', position: at(5) })
    topic.answered(answer('replayed', at(9), 6, 7, 8, 9))
    expect(ahead.told).toEqual(['replayed a9 [9]'])
    expect(one.told).toEqual(['events 6 7 8 9'])
  })

  it('resets a tab that knows more than the server', () => {
    const { topic, tab, live } = rig()
    live()
    const ahead = tab()
    topic.ask(ahead, at(8))
    topic.takeQuestion()
    topic.answered(answer('replayed', at(6), 6))
    expect(ahead.told).toEqual(['reset a6 []'])
  })

  it('asks for the others, too, after an answer that does not go on from where they stand', () => {
    const { topic, tab, live } = rig()
    const [one, late] = [live(), tab()]
    topic.ask(late, at(1))
    topic.takeQuestion()
    topic.answered(answer('reset', at(7)))
    expect(late.told).toEqual(['reset a7 []'])
    expect(one.told).toEqual([])
    expect(topic.takeQuestion()).toEqual({ topic: 't', position: at(5) })
    topic.answered(answer('replayed', at(8), 6, 7, 8))
    expect(one.told).toEqual(['replayed a8 [6 7 8]'])
    expect(late.told.slice(1)).toEqual(['events 8'])
  })

  it('resets all when the history is lost while it is live', () => {
    const { topic, tab, live } = rig()
    const [one, two] = [live(), tab()]
    topic.ask(two, undefined)
    topic.answered(answer('reset', at(0, 'b')))
    expect(one.told).toEqual(['reset b0 []'])
    expect(two.told.slice(1)).toEqual(['reset b0 []'])
    expect(topic.takeQuestion()).toBeUndefined()
  })

  it('asks again when an answer may be that of another question', () => {
    const { topic, tab } = rig()
    const [one, two] = [tab(), tab()]
    topic.ask(one, at(8))
    topic.takeQuestion()
    topic.answered(answer('reset', at(8))) // Unasked: the answer to the question is on its way.
    topic.ask(two, at(5))
    expect(topic.takeQuestion()).toEqual({ topic: 't', position: at(5) })
    topic.answered(answer('replayed', at(8)))
    expect(two.told).toEqual([])
    expect(topic.takeQuestion()).toEqual({ topic: 't', position: at(5) })
    topic.answered(answer('replayed', at(8), 6, 7, 8))
    expect(two.told).toEqual(['replayed a8 [6 7 8]'])
  })

  it('believes an empty answer that is given twice: the events are not for this connection', () => {
    const { topic, tab } = rig()
    const one = tab()
    topic.ask(one, at(5))
    for (const _ of [1, 2]) {
      topic.takeQuestion()
      topic.answered(answer('replayed', at(8)))
    }
    expect(one.told).toEqual(['replayed a8 []'])
  })

  it('asks the server when a tab that is live asks again, and when a pong shows that something was lost', () => {
    const { topic, live } = rig()
    const one = live()
    topic.ask(one, at(5))
    expect(topic.takeQuestion()).toEqual({ topic: 't', position: at(5) })
    topic.answered(answer('replayed', at(5)))
    topic.sentLast(at(5))
    expect(topic.takeQuestion()).toBeUndefined()
    topic.sentLast(at(6))
    expect(topic.takeQuestion()).toEqual({ topic: 't', position: at(5) })
    topic.answered(answer('replayed', at(6), 6))
    expect(one.told).toEqual(['replayed a5 []', 'replayed a6 [6]'])
  })

  it('is over when nobody wants it, and not while an answer is on its way', () => {
    const { topic, tab } = rig()
    const one = tab()
    topic.ask(one, undefined)
    topic.takeQuestion()
    topic.leave(one)
    expect(topic.isOver).toBe(false)
    topic.answered(answer('fresh', at(5)))
    expect(topic.isOver).toBe(true)
    expect(one.told).toEqual([])
  })

  it('drops what has crossed with the end of the last subscription', () => {
    const { topic, tab } = rig()
    const one = tab()
    topic.ask(one, undefined)
    topic.heard(events(3), events(3))
    expect(one.told).toEqual([])
    expect(topic.head).toBeUndefined()
  })
})
