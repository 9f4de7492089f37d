import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FetchGate, type StartFetch } from '../../src/core/cache/fetches/fetch-gate.ts'
import { systemClock, type Clock } from '../../src/core/clock.ts'

describe('FetchGate', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  function open(maxAtOnce: number) {
    const started: string[] = []
    const gate = new FetchGate<string>({ clock: systemClock, maxAtOnce, maxHoldMs: 1_000 })
    const ends = new Map<string, () => void>()
    const enter = (...names: string[]) => {
      for (const name of names) {
        gate.enter(name, () => {
          started.push(name)
          return new Promise((resolve) => ends.set(name, () => void resolve(undefined)))
        })
      }
    }
    const end = (name: string) => {
      ends.get(name)?.()
      return vi.advanceTimersByTimeAsync(0)
    }
    return { gate, enter, end, started }
  }

  it('lets so many through, and the next one when one ends, in order', async () => {
    const { enter, end, started } = open(2)
    enter('a', 'b', 'c', 'd')
    expect(started).toEqual(['a', 'b'])
    await end('b')
    await end('b')
    expect(started).toEqual(['a', 'b', 'c'])
  })

  it('forgets who does not wait any more, and starts nobody for that', async () => {
    const { gate, enter, end, started } = open(1)
    enter('a', 'b', 'c')
    gate.forget('b')
    gate.forget('a') // It runs.
    expect(started).toEqual(['a'])
    await end('a')
    expect(started).toEqual(['a', 'c'])
  })

  it('keeps the place in line of one that asks twice', async () => {
    const { enter, end, started } = open(1)
    enter('a', 'b', 'c', 'b')
    await end('a')
    expect(started).toEqual(['a', 'b'])
  })

  it('has the next one go when a fetch comes to nothing, or throws', () => {
    const { gate, enter, started } = open(1)
    gate.enter('nothing', () => undefined)
    const broken: StartFetch = () => {
      enter('a')
      throw new Error('broken')
    }
    expect(() => {
      gate.enter('broken', broken)
    }).toThrow('broken')
    expect(started).toEqual(['a'])
  })

  it('does not wait for one that hangs, and counts it no more', async () => {
    const { enter, end, started } = open(1)
    enter('hangs', 'b', 'c')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(started).toEqual(['hangs', 'b'])
    await end('hangs')
    expect(started).toEqual(['hangs', 'b'])
  })

  it('begins anew after clear: neither those who waited nor those who ran count, and no timer is left', async () => {
    const { gate, enter, end, started } = open(1)
    enter('a', 'b')
    gate.clear()
    expect(vi.getTimerCount()).toBe(0)
    enter('c', 'd')
    await end('a')
    expect(started).toEqual(['a', 'c'])
  })
})

/** A clock that is moved by hand. */
function createClock() {
  let now = 0
  const timers = new Set<{ dueAt: number; ring: () => void }>()
  const clock: Clock = {
    now: () => now,
    after(delayMs, ring) {
      const timer = { dueAt: now + delayMs, ring }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
  }
  const pass = (ms: number) => {
    now += ms
    for (const timer of [...timers]) if (timer.dueAt <= now && timers.delete(timer)) timer.ring()
  }
  return { clock, timers, pass }
}

const HOLD_MS = 100

const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('enter' as const), query: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('end' as const), query: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('nothing' as const), query: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const), query: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), query: fc.nat(HOLD_MS) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), query: fc.constant(0) }) },
)

describe('any history of a FetchGate', () => {
  it('loses no place, keeps the order, and has nobody wait while there is room', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(command, { maxLength: 80 }), (maxAtOnce, list) => {
        const { clock, timers, pass } = createClock()
        const gate = new FetchGate<number>({ clock, maxAtOnce, maxHoldMs: HOLD_MS })
        let waiting: number[] = []
        let running: { endsAt: number; settle: () => void }[] = []
        const gone: (() => void)[] = []
        const run: (query: number, isNothing: boolean) => StartFetch = (query, isNothing) => () => {
          expect(query).toBe(waiting.shift())
          if (isNothing) return undefined
          // Settles at once when told to, unlike a promise.
          const promise = {
            then: (settle: () => void) => running.push({ endsAt: clock.now() + HOLD_MS, settle }),
          }
          return promise as unknown as Promise<unknown>
        }
        for (const { do: what, query } of list) {
          if (what === 'enter' || what === 'nothing') {
            if (!waiting.includes(query)) waiting.push(query)
            gate.enter(query, run(query, what === 'nothing'))
          } else if (what === 'end') {
            // Also one that was given up, or was running before `clear`.
            const all = [...running.map(({ settle }) => settle), ...gone]
            const settle = all[query % Math.max(1, all.length)]
            running = running.filter((one) => one.settle !== settle)
            if (settle) gone.push(settle)
            settle?.()
          } else if (what === 'forget') {
            waiting = waiting.filter((one) => one !== query)
            gate.forget(query)
          } else if (what === 'clear') {
            waiting = []
            gone.push(...running.map(({ settle }) => settle))
            running = []
            gate.clear()
            expect(timers.size).toBe(0)
          } else {
            const isOver = ({ endsAt }: { endsAt: number }) => endsAt <= clock.now() + query
            gone.push(...running.filter(isOver).map(({ settle }) => settle))
            running = running.filter((one) => !isOver(one))
            pass(query)
          }
          expect(running.length).toBeLessThanOrEqual(maxAtOnce)
          expect(timers.size).toBe(running.length)
          if (running.length < maxAtOnce) expect(waiting).toEqual([])
        }
      }),
      { numRuns: 1_000 },
    )
  })
})
