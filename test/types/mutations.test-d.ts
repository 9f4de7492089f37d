import { useInfiniteQuery, useMutation, useQuery, queryOptions, type QueryKey } from '@tanstack/react-query'
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import type { RealtimeQueryBridge } from '../../src/bridge.ts'
import { patch, upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { positioned } from '../../src/features.ts'
import { realtimeMutationOptions, useRealtimeMutation, useSyncState } from '../../src/react/index.ts'

interface Task {
  id: string
  title: string
}
const Task = z.object({ id: z.string(), title: z.string() })
const events = defineEvents({ 'task.updated': on(Task, (task) => upsert(['tasks'], task)) })

/** Nothing of this file runs. */
declare function never(): never
declare const bridge: RealtimeQueryBridge<typeof events>

const detail = queryOptions({ queryKey: ['tasks', 'detail', 't1'], queryFn: (): Promise<Task> => never() })

describe('useRealtimeMutation', () => {
  it('infers variables and data from mutationFn', () => {
    const rename = useRealtimeMutation({
      mutationFn: (variables: { id: string; title: string }, { mutationId, signal }): Promise<Task> => {
        expectTypeOf(mutationId).toEqualTypeOf<string>()
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
        expectTypeOf(variables.id).toEqualTypeOf<string>()
        return never()
      },
      optimistic: ({ id, title }) => patch(['tasks'], id, { title }),
      confirm: (task, { id }) => {
        expectTypeOf(task).toEqualTypeOf<Task>()
        expectTypeOf(id).toEqualTypeOf<string>()
        return events.predict('task.updated', task)
      },
      onSuccess: (task, variables, result) => {
        expectTypeOf(task).toEqualTypeOf<Task>()
        expectTypeOf(variables.title).toEqualTypeOf<string>()
        expectTypeOf(result.mutationId).toEqualTypeOf<string>()
      },
    })
    expectTypeOf(rename.data).toEqualTypeOf<Task | undefined>()
    expectTypeOf(rename.mutate).parameter(0).toEqualTypeOf<{ id: string; title: string }>()
    // @ts-expect-error -- no such variable
    rename.mutate({ id: 't1', name: 'x' })
  })

  it('reads tagged keys with their data', () => {
    useRealtimeMutation({
      mutationFn: (_: string) => never(),
      optimistic: (title, { get }) => {
        const task = get(detail.queryKey)
        expectTypeOf(task).toEqualTypeOf<Task | undefined>()
        expectTypeOf(get(['untagged'])).toEqualTypeOf<unknown>()
        return task ? events.predict('task.updated', { ...task, title }) : []
      },
    })
  })

  it('gives options that useMutation takes', () => {
    const { mutate } = useMutation(
      realtimeMutationOptions(bridge, { mutationFn: (_: number): Promise<Task> => never() }),
    )
    expectTypeOf(mutate).parameter(0).toEqualTypeOf<number>()
  })
})

describe('events.predict', () => {
  it('takes types of the table, with their data', () => {
    events.predict('task.updated', { id: 't1', title: 'x' })
    // @ts-expect-error -- no such event
    events.predict('task.moved', {})
    // @ts-expect-error -- its data has a title
    events.predict('task.updated', { id: 't1' })
  })
})

describe('positioned', () => {
  it('gives a queryFn with the data of the inner one', () => {
    const { data } = useQuery({
      queryKey: ['tasks'],
      queryFn: positioned(bridge, async ({ signal, received }) => {
        const response = received(await fetch('/tasks', { signal }))
        expectTypeOf(response).toEqualTypeOf<Response>()
        return (await response.json()) as Task[]
      }),
    })
    expectTypeOf(data).toEqualTypeOf<Task[] | undefined>()
  })

  it('tells the callbacks beside it what the data is, when it is named', () => {
    const { data } = useInfiniteQuery({
      queryKey: ['tasks'],
      queryFn: positioned<Task[], QueryKey, number>(bridge, ({ pageParam }) => {
        expectTypeOf(pageParam).toEqualTypeOf<number>()
        return []
      }),
      initialPageParam: 0,
      getNextPageParam: (page) => {
        expectTypeOf(page).toEqualTypeOf<Task[]>()
        return page.length
      },
      select: ({ pages }) => pages.flat(),
    })
    expectTypeOf(data).toEqualTypeOf<Task[] | undefined>()
  })
})

describe('useSyncState', () => {
  it('names its states', () => {
    expectTypeOf(useSyncState(['tasks']).status).toEqualTypeOf<
      'synced' | 'saving' | 'queued' | 'unknown' | 'failed'
    >()
  })
})
