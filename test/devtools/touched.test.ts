import { matchQuery, QueryClient, type QueryKey } from '@tanstack/query-core'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { whyNot } from '../../src/devtools/touched.ts'

const queryClient = new QueryClient()
afterEach(() => {
  queryClient.clear()
})

function queryOf(queryKey: QueryKey) {
  queryClient.setQueryData(queryKey, 1)
  return queryClient.getQueryCache().find({ queryKey })!
}

const part = fc.constantFrom<unknown>(1, '1', 'a', null, { a: 1 }, { a: 1, b: 2 }, ['a'])
const key = fc.array(part, { maxLength: 3 })

describe('whyNot', () => {
  it('has a reason exactly when TanStack does not match', () => {
    fc.assert(
      fc.property(
        key,
        fc.record(
          {
            queryKey: key,
            exact: fc.boolean(),
            type: fc.constantFrom('active' as const, 'inactive' as const, 'all' as const),
            stale: fc.boolean(),
            fetchStatus: fc.constantFrom('idle' as const, 'fetching' as const),
            predicate: fc.constantFrom(
              () => true,
              () => false,
            ),
          },
          { requiredKeys: [] },
        ),
        (queryKey, filters) => {
          const query = queryOf(queryKey)
          expect(whyNot({ filters }, query) === undefined).toBe(matchQuery(filters, query))
        },
      ),
    )
  })

  it.each([
    [{ queryKey: ['tasks', 1] }, `At [1] its key has 1, and the query's has "1".`],
    [{ queryKey: ['task'] }, `At [0] its key has "task", and the query's has "tasks".`],
    [{ queryKey: ['tasks', '1', 'x'] }, 'It means keys under ["tasks", "1", "x"], and this one is shorter.'],
    [{ queryKey: ['tasks'], exact: true }, 'It means exactly ["tasks"].'],
    [{ type: 'active' as const }, 'It means queries on screen alone, and this one is not.'],
    [{ predicate: () => false }, 'Its predicate says no.'],
  ])('of %j says: %s', (filters, why) => {
    expect(whyNot({ filters }, queryOf(['tasks', '1']))).toBe(why)
  })

  it('says so when a predicate throws', () => {
    const predicate = () => {
      throw new Error('mine')
    }
    expect(whyNot({ filters: { predicate } }, queryOf(['a']))).toBe('Its predicate threw: Error: mine')
  })
})
