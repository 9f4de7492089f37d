import { infiniteQueryOptions, queryOptions, useSuspenseQuery } from '@tanstack/react-query'
import { describe, expectTypeOf, it } from 'vitest'
import type { RealtimeQueryBridge } from '../../src/bridge.ts'
import type { Ack } from '../../src/index.ts'
import { usePresence, useSignal } from '../../src/react/index.ts'

interface Task {
  readonly id: string
}

declare const bridge: RealtimeQueryBridge
declare const fetchTasks: () => Promise<Task[]>

describe('what a bridge gives to options of queries', () => {
  const live = { staleTime: bridge.staleTime(30_000), refetchInterval: bridge.pollWhenDown(10_000) }

  it('fits any data, and leaves its type alone', () => {
    const options = queryOptions({
      queryKey: ['tasks'],
      queryFn: fetchTasks,
      select: (tasks) => tasks.length,
      ...live,
      staleTime: bridge.staleTime('static'),
    })
    expectTypeOf(useSuspenseQuery(options).data).toEqualTypeOf<number>()
    infiniteQueryOptions({
      queryKey: ['pages'],
      queryFn: fetchTasks,
      initialPageParam: 0,
      getNextPageParam: (page) => page.length,
      ...live,
    })
  })

  it('takes times that TanStack takes', () => {
    // @ts-expect-error: a text that is no stale time
    bridge.staleTime('soon')
  })
})

describe('sends and presence', () => {
  it('tell the ends of a send apart by `fate`', () => {
    expectTypeOf(bridge.send('move', { to: 1 })).resolves.toEqualTypeOf<Ack>()
    const told = (ack: Ack) =>
      ack.fate === 'refused' ? ack.code : ack.fate === 'acked' ? ack.data : ack.fate
    expectTypeOf(told).returns.toEqualTypeOf<unknown>()
    // @ts-expect-error: only a refusal has a code
    void ((ack: Ack) => ack.code)
  })

  it('have the type of what the app says', () => {
    const { others, self } = usePresence('t', { name: 'Ada' })
    expectTypeOf(others[0]!.state).toEqualTypeOf<{ name: string }>()
    expectTypeOf(self?.state.name).toEqualTypeOf<string | undefined>()
    const wave = useSignal<number>('t', 'wave', {
      onSignal: ({ data }) => {
        expectTypeOf(data).toEqualTypeOf<number>()
      },
    })
    // @ts-expect-error: a text is no number
    wave('x')
  })
})
