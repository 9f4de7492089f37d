import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FetchGate, planResync } from '../../src/core/cache/resync-plan.ts'

const query = (name: string, isActive = true, requests = 1) => ({ query: name, isActive, requests })

describe('planResync', () => {
  it('fetches what is on screen, and marks the rest stale', () => {
    const plan = planResync([query('a'), query('b', false), query('c')], { spreadMs: 0, random: () => 0.5 })
    expect(plan).toEqual({
      fetch: [
        { query: 'a', delayMs: 0 },
        { query: 'c', delayMs: 0 },
      ],
      stale: ['b'],
    })
  })

  it('begins with what costs one request: a long infinite list comes last', () => {
    const numbers = [0.9, 0.1, 0.5]
    const plan = planResync([query('pages', true, 20), query('a'), query('b', true, 2)], {
      spreadMs: 1_000,
      random: () => numbers.shift() ?? 0,
    })
    expect(plan.fetch).toEqual([
      { query: 'a', delayMs: 100 },
      { query: 'b', delayMs: 500 },
      { query: 'pages', delayMs: 900 },
    ])
  })

  it('names every query once, and no moment outside of the window', () => {
    const queries = fc.array(fc.record({ isActive: fc.boolean(), requests: fc.integer({ min: 1, max: 9 }) }))
    fc.assert(
      fc.property(queries, fc.nat(10_000), fc.infiniteStream(fc.nat(999)), (list, spreadMs, numbers) => {
        const named = list.map((one, index) => ({ ...one, query: index }))
        const random = () => (numbers.next().value as number) / 1_000
        const { fetch, stale } = planResync(named, { spreadMs, random })
        const all = [...fetch.map(({ query }) => query), ...stale]
        expect(all.sort((a, b) => a - b)).toEqual(named.map(({ query }) => query))
        const delays = fetch.map(({ delayMs }) => delayMs)
        expect(delays).toEqual([...delays].sort((a, b) => a - b))
        for (const delayMs of delays) expect(delayMs).toBeLessThanOrEqual(spreadMs)
      }),
    )
  })
})

describe('FetchGate', () => {
  function open(maxAtOnce: number) {
    const started: string[] = []
    const gate = new FetchGate<string>(maxAtOnce)
    const enter = (...names: string[]) => {
      for (const name of names) gate.enter(name, () => started.push(name))
    }
    return { gate, enter, started }
  }

  it('lets so many through, and the next one when one leaves, in order', () => {
    const { gate, enter, started } = open(2)
    enter('a', 'b', 'c', 'd')
    expect([started, gate.waiting]).toEqual([['a', 'b'], 2])
    gate.leave('b')
    gate.leave('b')
    expect(started).toEqual(['a', 'b', 'c'])
  })

  it('forgets who does not wait any more, and starts nobody for that', () => {
    const { gate, enter, started } = open(1)
    enter('a', 'b', 'c')
    gate.leave('b')
    gate.leave('nobody')
    expect(started).toEqual(['a'])
    gate.leave('a')
    expect(started).toEqual(['a', 'c'])
  })

  it('lets one in again that is inside, and keeps the place of one that asks twice', () => {
    const { gate, enter, started } = open(1)
    enter('a', 'a', 'b', 'c', 'b')
    gate.leave('a')
    expect(started).toEqual(['a', 'a', 'b'])
  })

  it('takes one that leaves while it starts', () => {
    const gate = new FetchGate<string>(1)
    const started: string[] = []
    gate.enter('a', () => started.push('a'))
    for (const name of ['b', 'c']) {
      gate.enter(name, () => {
        started.push(name)
        gate.leave(name)
      })
    }
    gate.leave('a')
    expect([started, gate.waiting]).toEqual([['a', 'b', 'c'], 0])
  })

  it('begins anew after clear', () => {
    const { gate, enter, started } = open(1)
    enter('a', 'b')
    gate.clear()
    enter('c')
    expect(started).toEqual(['a', 'c'])
  })
})
