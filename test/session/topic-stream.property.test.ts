import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Position } from '../../src/core/event.ts'
import type { ResyncOutcome, WireEvent } from '../../src/core/protocol/messages.ts'
import { SESSION_LIMITS, type SessionLimits } from '../../src/core/session/limits.ts'
import { advance, newStream, type StreamInput } from '../../src/core/session/topics/topic-stream.ts'

/**
 * One topic between a server that keeps its promises and a client, over a wire that does not: event frames are
 * dropped, doubled and overtaken, answers are dropped. What the client delivers is checked against the server's
 * log, step by step.
 */

const TIGHT: SessionLimits = { ...SESSION_LIMITS, maxHeldEvents: 6 }

type Frame = StreamInput & { readonly type: 'events' | 'subscribed' | 'head' }

interface Log {
  readonly epoch: string
  /** All events; those that this connection may not see leave holes. */
  readonly isVisible: boolean[]
  /** Everything up to here can no longer be replayed. */
  floor: number
}

class World {
  #log: Log = { epoch: 'e0', isVisible: [], floor: 0 }
  /** Every history there ever was, to judge deliveries by. */
  readonly #logs = new Map([[this.#log.epoch, this.#log]])
  #wire: Frame[] = []
  #isConnected = false
  #now = 0
  stream = newStream('t')
  /** What the client has a right to: it was told, or given, everything up to here. */
  #known: Position | undefined
  resets = 0
  readonly #limits: SessionLimits

  constructor(limits = TIGHT) {
    this.#limits = limits
  }

  publish(isVisible: readonly boolean[]): void {
    const from = this.#head.offset
    this.#log.isVisible.push(...isVisible)
    const events = this.#after(from)
    if (this.#isConnected && events.length > 0) {
      this.#wire.push({ type: 'events', epoch: this.#log.epoch, events })
    }
  }

  restart(): void {
    this.#log = { epoch: `e${this.#logs.size}`, isVisible: [], floor: 0 }
    this.#logs.set(this.#log.epoch, this.#log)
  }

  trim(): void {
    this.#log.floor = this.#head.offset
  }

  drop(index: number): void {
    this.#wire.splice(index, 1)
  }

  /** A copy arrives again, later. Answers are sent once: they go over one ordered connection. */
  double(index: number, later: number): void {
    const frame = this.#wire[index]
    if (frame?.type === 'events') this.#wire.splice(index + 1 + later, 0, frame)
  }

  /** An event frame is overtaken by others, answers included. */
  delay(index: number, later: number): void {
    const frame = this.#wire[index]
    if (frame?.type !== 'events') return
    this.#wire.splice(index, 1)
    this.#wire.splice(index + later, 0, frame)
  }

  connect(): void {
    if (this.#isConnected) return
    this.#isConnected = true
    this.#input({ type: 'connected' })
    this.#answer(this.stream.position)
  }

  disconnect(): void {
    this.#isConnected = false
    this.#wire = []
    this.#input({ type: 'disconnected' })
  }

  pong(): void {
    if (!this.#isConnected) return
    const sent = this.#log.isVisible.lastIndexOf(true) + 1
    this.#wire.push({ type: 'head', head: { epoch: this.#log.epoch, offset: sent } })
  }

  arrive(count: number): void {
    for (let i = 0; i < count; i++) {
      const frame = this.#wire.shift()
      if (frame) this.#input(frame)
    }
  }

  wait(ms: number): void {
    this.#now += ms
    this.#input({ type: 'timer' })
  }

  /** The faults are over. */
  heal(): void {
    for (let round = 0; round < 3; round++) {
      this.connect()
      this.arrive(1_000)
      this.wait(60_000)
      this.connect()
      this.pong()
      this.arrive(1_000)
    }
    expect(this.stream.phase).toBe('live')
    expect(this.stream.held).toEqual([])
    expect(this.stream.position?.epoch).toBe(this.#log.epoch)
    expect(this.#after(this.stream.position!.offset), 'the end of the log is missing').toEqual([])
  }

  get #head(): Position {
    return { epoch: this.#log.epoch, offset: this.#log.isVisible.length }
  }

  #after(offset: number): WireEvent[] {
    const { epoch, isVisible } = this.#log
    const events: WireEvent[] = []
    for (let at = offset + 1; at <= isVisible.length; at++) {
      if (!isVisible[at - 1]) continue
      const prev = isVisible.lastIndexOf(true, at - 2) + 1
      // A stream without holes may leave `prev` out.
      events.push({
        type: 'e',
        data: `${epoch}:${at}`,
        offset: at,
        ...(at > 1 && prev !== at - 1 && { prev }),
      })
    }
    return events
  }

  #answer(asked: Position | undefined): void {
    const position = this.#head
    const { epoch, floor } = this.#log
    const outcome: ResyncOutcome = !asked
      ? 'fresh'
      : asked.epoch !== epoch || asked.offset > position.offset || asked.offset < floor
        ? 'reset'
        : 'replayed'
    const events = outcome === 'replayed' ? this.#after(asked!.offset) : undefined
    this.#wire.push({ type: 'subscribed', outcome, position, events })
  }

  #input(input: StreamInput): void {
    const { stream, outputs } = advance(this.stream, { ...input, now: this.#now }, this.#limits)
    this.stream = stream
    let asks = false
    for (const output of outputs) {
      switch (output.type) {
        case 'deliver':
          for (const { data, position } of output.events) {
            expect(data).toBe(`${position!.epoch}:${position!.offset}`)
            expect(position!.epoch, 'another epoch without a reset').toBe(this.#known?.epoch)
            expect(position!.offset, 'delivered twice').toBeGreaterThan(this.#known!.offset)
            this.#expectNothingSkipped(position!.offset - 1)
            this.#known = position
          }
          break
        case 'resync':
          if (output.outcome === 'fresh')
            expect(this.#known, 'fresh after something was known').toBeUndefined()
          if (output.outcome === 'replayed') {
            expect(output.position.epoch).toBe(this.#known?.epoch)
            this.#expectNothingSkipped(output.position.offset)
          }
          if (output.outcome === 'reset') this.resets++
          this.#known = output.position
          break
        case 'ask':
          asks = true
          break
        case 'overdue':
          this.disconnect()
          break
        case 'lost':
      }
    }
    expect(stream.position?.offset ?? 0).toBe(this.#known?.offset ?? 0)
    expect(stream.held.length).toBeLessThanOrEqual(this.#limits.maxHeldEvents)
    expect(stream.dueAt !== undefined).toBe(stream.phase === 'asking' || stream.phase === 'gap')
    if (asks && this.#isConnected) this.#answer(stream.position)
  }

  #expectNothingSkipped(upTo: number): void {
    const { epoch, offset } = this.#known!
    const between = this.#logs.get(epoch)!.isVisible.slice(offset, upTo)
    expect(between, `skipped after ${epoch}:${offset}`).not.toContain(true)
  }
}

type Act = (world: World) => void

const index = fc.nat(8)
const acts: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }).map(
      (v): Act =>
        (w) =>
          w.publish(v),
    ),
  },
  {
    weight: 6,
    arbitrary: fc
      .nat(3)
      .map((n) => Array.from({ length: n + 1 }, () => true))
      .map(
        (v): Act =>
          (w) =>
            w.publish(v),
      ),
  },
  {
    weight: 8,
    arbitrary: fc.nat(5).map(
      (n): Act =>
        (w) =>
          w.arrive(n),
    ),
  },
  {
    weight: 3,
    arbitrary: index.map(
      (i): Act =>
        (w) =>
          w.drop(i),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(index, index).map(
      ([i, by]): Act =>
        (w) =>
          w.double(i, by),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(index, index).map(
      ([i, by]): Act =>
        (w) =>
          w.delay(i, by),
    ),
  },
  { weight: 3, arbitrary: fc.constant<Act>((w) => w.connect()) },
  { weight: 1, arbitrary: fc.constant<Act>((w) => w.disconnect()) },
  { weight: 1, arbitrary: fc.constant<Act>((w) => w.restart()) },
  { weight: 1, arbitrary: fc.constant<Act>((w) => w.trim()) },
  { weight: 2, arbitrary: fc.constant<Act>((w) => w.pong()) },
  {
    weight: 2,
    arbitrary: fc.nat(7_000).map(
      (ms): Act =>
        (w) =>
          w.wait(ms),
    ),
  },
)

const walk = fc.array(acts, { maxLength: 60 })

describe('L1 over a wire that drops, doubles and reorders', () => {
  it('delivers exactly once and in order, or announces a reset, and ends current', () => {
    fc.assert(
      fc.property(walk, (steps) => {
        const world = new World()
        world.connect()
        for (const act of steps) act(world)
        world.heal()
      }),
      { numRuns: 3_000 },
    )
  })

  it('resets nothing when only events are lost: the replay brings them', () => {
    const faults: fc.Arbitrary<Act> = fc.oneof(
      fc.nat(3).map(
        (n): Act =>
          (w) =>
            w.publish(Array.from({ length: n + 1 }, () => true)),
      ),
      fc.nat(5).map(
        (n): Act =>
          (w) =>
            w.arrive(n),
      ),
      fc.tuple(index, index).map(
        ([i, by]): Act =>
          (w) =>
            w.double(i, by),
      ),
      fc.tuple(index, index).map(
        ([i, by]): Act =>
          (w) =>
            w.delay(i, by),
      ),
      fc.nat(8).map(
        (i): Act =>
          (w) =>
            w.drop(i),
      ),
      fc.constant<Act>((w) => {
        w.disconnect()
        w.connect()
      }),
    )
    fc.assert(
      fc.property(fc.array(faults, { maxLength: 40 }), (steps) => {
        const world = new World(SESSION_LIMITS)
        world.connect()
        world.arrive(1)
        for (const act of steps) act(world)
        world.heal()
        expect(world.resets).toBe(0)
      }),
      { numRuns: 500 },
    )
  })
})
