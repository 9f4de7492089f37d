import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Position } from '../../src/core/event.ts'
import { decodeServerMessage, encodeMessage } from '../../src/core/protocol/codec.ts'
import type { ClientMessage, ServerMessage } from '../../src/core/protocol/messages.ts'
import {
  createRealtimeServer,
  memoryEventLog,
  type EventLog,
  type ServerLimits,
} from '../../src/server/index.ts'

/**
 * Publishes, subscribes, repairs and unsubscribes on a log whose every answer waits, in every order that a
 * scheduler can think of. A client checks each frame against what may follow.
 */

type Step =
  | { readonly do: 'publish' }
  | { readonly do: 'subscribe'; readonly from: 'nothing' | 'start' | 'known' }
  | { readonly do: 'unsubscribe' }
  /** Another topic takes the place of ours in the log: its history is lost. */
  | { readonly do: 'evict' }
  /** The client reads nothing for a while. */
  | { readonly do: 'stall' }
  | { readonly do: 'read on' }
  /** The log tells of nothing for a while, and then that it did not. */
  | { readonly do: 'go deaf' }
  | { readonly do: 'hear on' }
  /** Lets the scheduler run some of what waits. */
  | { readonly do: 'run'; readonly count: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Step>({ do: 'publish' }) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom<'nothing' | 'start' | 'known'>('nothing', 'start', 'known')
      .map((from): Step => ({ do: 'subscribe', from })),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'unsubscribe' }, { do: 'evict' }) },
  { weight: 2, arbitrary: fc.constantFrom<Step>({ do: 'stall' }, { do: 'stall' }, { do: 'read on' }) },
  { weight: 3, arbitrary: fc.constantFrom<Step>({ do: 'go deaf' }, { do: 'hear on' }) },
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 16 }).map((count): Step => ({ do: 'run', count })) },
)

/** A log that answers when the scheduler says so: after the question was asked, and again after it was answered. */
function slow(log: EventLog, scheduler: fc.Scheduler): EventLog {
  const later = async <T>(label: string, run: () => Promise<T>): Promise<T> => {
    await scheduler.schedule(Promise.resolve(), `${label} is asked`)
    const answer = await run()
    await scheduler.schedule(Promise.resolve(), `${label} answers`)
    return answer
  }
  return {
    ...log,
    append: (topic, event) => later('append', () => log.append(topic, event)),
    read: (topic, after, limit) => later('read', () => log.read(topic, after, limit)),
    head: (topic) => later('head', () => log.head(topic)),
  }
}

/** A log that can be cut off from what it should tell of. */
function withEars(log: EventLog) {
  let isDeaf = false
  let hasMissed = false
  const listeners = new Set<() => void>()
  const hearOn = () => {
    isDeaf = false
    if (hasMissed) for (const onMissed of listeners) onMissed()
    hasMissed = false
  }
  const heard: EventLog = {
    ...log,
    subscribe(listener, onMissed = () => {}) {
      listeners.add(onMissed)
      return log.subscribe((entry) => {
        if (isDeaf) hasMissed = true
        else listener(entry)
      })
    },
  }
  return { log: heard, goDeaf: () => (isDeaf = true), hearOn }
}

/** Holds every frame to the rules: what is sent continues exactly where the client stands. */
class Checker {
  position: Position | undefined
  isSubscribed = false
  isAwaitingAnswer = false
  readonly received: string[] = []
  readonly outcomes: string[] = []

  take(message: ServerMessage): void {
    if (message.t === 'subscribed') {
      expect(this.isSubscribed).toBe(true)
      this.isAwaitingAnswer = false
      this.outcomes.push(message.outcome)
      if (message.outcome === 'replayed') {
        // An answer begins at the position of its question, which may lie behind by now; what follows has no hole.
        const offsets = (message.events ?? []).map(({ offset }) => offset)
        const { offset } = message.position
        expect(offsets).toEqual(offsets.map((_, index) => offset - offsets.length + 1 + index))
        this.received.push(
          ...(message.events ?? []).map((event) => `${message.position.epoch}:${event.offset}`),
        )
      }
      this.position = message.position
    } else if (message.t === 'events') {
      for (const event of message.events) {
        expect({ epoch: message.epoch, offset: event.offset }).toEqual({
          epoch: this.position?.epoch,
          offset: (this.position?.offset ?? 0) + 1,
        })
        this.position = { epoch: message.epoch, offset: event.offset }
        this.received.push(`${message.epoch}:${event.offset}`)
      }
    }
  }
}

async function play(scheduler: fc.Scheduler, steps: readonly Step[], limits: Partial<ServerLimits>) {
  const inner = memoryEventLog({ epoch: 'e', maxTopics: 1 })
  const ears = withEars(slow(inner, scheduler))
  const server = createRealtimeServer({
    log: ears.log,
    authenticate: () => ({}),
    authorize: () => scheduler.schedule(Promise.resolve(true), 'authorize'),
    onError: (error) => {
      throw error
    },
    limits,
    platform: {
      defer: (run) => void scheduler.schedule(Promise.resolve(), 'flush').then(run),
      clock: {
        now: () => 0,
        // The deadline of the handshake never comes; a lag is looked at when the scheduler says so.
        after: (delayMs, callback) => {
          let isOn = delayMs < 1_000
          if (isOn) void scheduler.schedule(Promise.resolve(), 'timer').then(() => isOn && callback())
          return () => (isOn = false)
        },
      },
    },
  })
  const checker = new Checker()
  const socket = {
    bufferedAmount: 0,
    send(frame: string) {
      const decoded = decodeServerMessage(frame)
      if (!decoded.ok) throw decoded.error
      checker.take(decoded.message)
    },
    close(code: number) {
      throw new Error(`closed with ${code}`)
    },
  }
  const connection = server.opened(socket, { headers: {} })
  const say = (message: ClientMessage) => connection.message(encodeMessage(message))
  const subscribe = (position: Position | undefined) => {
    checker.isSubscribed = checker.isAwaitingAnswer = true
    say({ t: 'subscribe', topics: [{ topic: 't', position }] })
  }
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

  say({ t: 'hello' })
  await turn()
  const start = await inner.head('t')
  for (const next of steps) {
    switch (next.do) {
      case 'publish':
        void server.publish('t', { type: 'n' })
        break
      case 'subscribe': {
        const position = { nothing: undefined, start, known: checker.position }[next.from]
        subscribe(position)
        break
      }
      case 'unsubscribe':
        checker.isSubscribed = checker.isAwaitingAnswer = false
        say({ t: 'unsubscribe', topics: ['t'] })
        break
      case 'evict':
        void server.publish('other', { type: 'n' })
        break
      case 'stall':
        socket.bufferedAmount = 2 ** 30
        break
      case 'read on':
        socket.bufferedAmount = 0
        break
      case 'go deaf':
        ears.goDeaf()
        break
      case 'hear on':
        ears.hearOn()
        break
      case 'run':
        for (let count = next.count; count > 0 && scheduler.count() > 0; count--) await scheduler.waitNext(1)
        break
    }
    await turn()
  }
  const settle = async () => {
    do {
      while (scheduler.count() > 0) await scheduler.waitNext(1)
      await turn()
    } while (scheduler.count() > 0)
  }
  // Heal: the client reads on, the log tells again, and the client subscribes unless it is subscribed.
  socket.bufferedAmount = 0
  ears.hearOn()
  if (!checker.isSubscribed) {
    subscribe(checker.position)
  }
  await settle()
  expect(checker.isAwaitingAnswer).toBe(false)
  // Nothing is left on the way: level with the log already now, unless its history went and nothing was said since.
  const quiet = await inner.head('t')
  if (quiet.offset > 0 || quiet.epoch === checker.position?.epoch) expect(checker.position).toEqual(quiet)
  void server.publish('t', { type: 'last' })
  await settle()
  return { checker, head: await inner.head('t') }
}

const scripts = fc.array(step, { minLength: 5, maxLength: 60, size: 'max' })

describe('subscribe among publishes', () => {
  it.each<[string, Partial<ServerLimits>, number]>([
    ['as it comes', {}, 400],
    ['with so small a replay that resets and overflows are common', { maxReplayEvents: 2 }, 400],
  ])('sends every event exactly once and in order, on any schedule, %s', async (_, limits, numRuns) => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), scripts, async (scheduler, steps) => {
        const { checker, head } = await play(scheduler, steps, { ...limits, maxMessagesPerSecond: 1e9 })
        expect(checker.position).toEqual(head)
      }),
      { numRuns },
    )
  })

  it('resets nobody who asks for what the log still has', async () => {
    const gentle = scripts.map((steps) => steps.filter((next) => !['evict', 'stall'].includes(next.do)))
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), gentle, async (scheduler, steps) => {
        const { checker, head } = await play(scheduler, steps, { maxMessagesPerSecond: 1e9 })
        expect(checker.outcomes).not.toContain('reset')
        expect(checker.position).toEqual(head)
        if (
          steps.every((next) => next.do !== 'subscribe' || next.from === 'start') &&
          checker.outcomes[0] === 'replayed'
        ) {
          const all = Array.from({ length: head.offset }, (_, index) => `e:${index + 1}`)
          expect([...new Set(checker.received)].sort()).toEqual(all.sort())
        }
      }),
      { numRuns: 300 },
    )
  })
})
