import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planResync } from '../../src/core/cache/fetches/resync-plan.ts'

describe('planResync', () => {
  it('begins with what costs one request: a long infinite list comes last', () => {
    const numbers = [0.9, 0.1, 0.5]
    const queries = [
      { query: 'pages', requests: 20 },
      { query: 'a', requests: 1 },
      { query: 'b', requests: 2 },
    ]
    expect(planResync(queries, { spreadMs: 1_000, random: () => numbers.shift() ?? 0 })).toEqual([
      { query: 'a', delayMs: 100 },
      { query: 'b', delayMs: 500 },
      { query: 'pages', delayMs: 900 },
    ])
  })

  it('names every query once, in the order of their moments, and no moment outside of the window', () => {
    const queries = fc.array(fc.integer({ min: 1, max: 9 }))
    fc.assert(
      fc.property(queries, fc.nat(10_000), fc.infiniteStream(fc.nat(999)), (list, spreadMs, numbers) => {
        const random = () => numbers.next().value / 1_000
        const plan = planResync(
          list.map((requests, query) => ({ query, requests })),
          { spreadMs, random },
        )
        expect(plan.map(({ query }) => query).sort((a, b) => a - b)).toEqual([...list.keys()])
        const delays = plan.map(({ delayMs }) => delayMs)
        expect(delays).toEqual([...delays].sort((a, b) => a - b))
        for (const delayMs of delays) expect(delayMs).toBeLessThanOrEqual(spreadMs)
      }),
    )
  })
})
