/** Named once in TanStack's `Register`, the topics in a query's meta are typed everywhere. */
import { queryOptions, type QueryMeta } from '@tanstack/react-query'
import { describe, expectTypeOf, it } from 'vitest'
import type { RealtimeQueryMeta } from '../../src/index.ts'

declare module '@tanstack/react-query' {
  interface Register {
    queryMeta: RealtimeQueryMeta
  }
}

const queryFn = () => 1

describe('meta.topics', () => {
  it('is a list of texts', () => {
    expectTypeOf<QueryMeta['topics']>().toEqualTypeOf<readonly string[] | undefined>()
    queryOptions({ queryKey: ['a'], queryFn, meta: { topics: ['board:1'] } })
    queryOptions({ queryKey: ['a'], queryFn, meta: { topics: [], other: 1 } })
    // @ts-expect-error -- a text is no list of topics
    queryOptions({ queryKey: ['a'], queryFn, meta: { topics: 'board:1' } })
    // @ts-expect-error -- ids are texts
    queryOptions({ queryKey: ['a'], queryFn, meta: { topics: [1] } })
  })

  it('leaves room for what else the app keeps there', () => {
    queryOptions({ queryKey: ['a'], queryFn, meta: { title: 'A' } })
  })
})
