import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { steadyClock, systemClock } from '../src/core/clock.ts'

/** A machine whose time of day may be set, and whose monotonic clock may stand still in sleep. */
class Machine {
  day = 1_000_000
  monotonic = 5_000
  /** What has really gone by. */
  gone = 0
  readonly now = () => Math.floor(this.day)
  readonly elapsed = () => this.monotonic
  readonly after = () => () => {}

  pass(ms: number): void {
    this.day += ms
    this.monotonic += ms
    this.gone += ms
  }

  sleep(ms: number): void {
    this.day += ms
    this.gone += ms
  }
}

describe('steadyClock', () => {
  it('is the clock under it, as long as that is not set back', () => {
    const machine = new Machine()
    const clock = steadyClock(machine)
    machine.pass(700)
    machine.sleep(3_600_000)
    expect(clock.now()).toBe(machine.now())
    expect(clock.timeOfDay(5)).toBe(5)
  })

  it('goes on from where it was when that is set back, without another clock to ask', () => {
    const machine = new Machine()
    const { now, after } = machine
    const clock = steadyClock({ now, after })
    machine.pass(700)
    const before = clock.now()
    machine.day -= 3_600_000
    expect(clock.now()).toBe(before)
    machine.pass(700)
    expect(clock.now()).toBe(before + 700)
    expect(clock.timeOfDay(clock.now())).toBe(machine.now())
  })

  it('goes by what has gone by, whenever the time of day is set back, and however often it is read', () => {
    const step = fc.oneof(
      fc.record({ type: fc.constant('pass' as const), ms: fc.double({ min: 0, max: 10_000, noNaN: true }) }),
      fc.record({ type: fc.constant('pass' as const), ms: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ type: fc.constant('sleep' as const), ms: fc.integer({ min: 1_000, max: 1e7 }) }),
      fc.record({ type: fc.constant('set back' as const), ms: fc.integer({ min: 1_000, max: 1e7 }) }),
      fc.record({ type: fc.constant('read' as const), ms: fc.constant(0) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const machine = new Machine()
        const clock = steadyClock(machine)
        const start = clock.now()
        let last = start
        for (const { type, ms } of steps) {
          // A sleep between two readings in which the time of day was set as well shows only as their sum.
          if (type === 'sleep' || type === 'set back') last = Math.max(last, clock.now())
          if (type === 'set back') machine.day -= ms
          else if (type !== 'read') machine[type](ms)
          const now = clock.now()
          expect(now).toBeGreaterThanOrEqual(last)
          last = now
        }
        expect(Math.abs(clock.now() - start - machine.gone)).toBeLessThanOrEqual(2 + steps.length)
      }),
    )
  })
})

it('waits without an end for what is without an end, and not 1 ms as a timer of the platform would', async () => {
  let isOver = false
  const cancels = [Infinity, 2 ** 31].map((delayMs) =>
    systemClock.after(delayMs, () => {
      isOver = true
    }),
  )
  await new Promise<void>((resolve) => systemClock.after(20, resolve))
  expect(isOver).toBe(false)
  for (const cancel of cancels) cancel()
})
