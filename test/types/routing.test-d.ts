import { infiniteQueryOptions, queryOptions, type InfiniteData } from '@tanstack/react-query'
import * as v from 'valibot'
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import type { RealtimeEvent } from '../../src/core/event.ts'
import type { Effect } from '../../src/core/routing/effect.ts'
import { invalidate, patch, remove, setData, update, upsert } from '../../src/core/routing/effects.ts'
import {
  defineEvents,
  mergeEvents,
  on,
  type EventMap,
  type EventTable,
  type InferEvents,
  type RegisteredTable,
} from '../../src/core/routing/event-table.ts'
import { resource } from '../../src/core/routing/resource.ts'

interface Task {
  id: string
  title: string
  rank: number
}

const Task = z.object({ id: z.string(), title: z.string(), rank: z.number() })
/** What comes in is not what comes out. */
const Stamped = z.object({ id: z.number(), at: z.string().transform((text) => new Date(text)) })

/** Nothing of this file runs. */
declare function never(): never

const detail = queryOptions({
  queryKey: ['tasks', 'detail', 't1'],
  queryFn: (): Promise<Task> => never(),
})
const list = queryOptions({ queryKey: ['tasks', 'list'], queryFn: (): Promise<Task[]> => never() })
const feed = infiniteQueryOptions({
  queryKey: ['tasks', 'feed'],
  queryFn: (): Promise<Task[]> => never(),
  initialPageParam: 0,
  getNextPageParam: () => 1,
})
const task: Task = { id: 't1', title: 'a', rank: 1 }

describe('on', () => {
  it("gives the handler the schema's output", () => {
    on(Stamped, (data) => {
      expectTypeOf(data).toEqualTypeOf<{ id: number; at: Date }>()
      return []
    })
    on(v.object({ id: v.pipe(v.string(), v.transform(Number)) }), (data, event) => {
      expectTypeOf(data).toEqualTypeOf<{ id: number }>()
      expectTypeOf(event.data).toEqualTypeOf<{ id: number }>()
    })
  })

  it('takes a handler that returns one effect, some, or none', () => {
    on(Task, (data) => upsert(['tasks'], data))
    on(Task, (data) => [upsert(['tasks'], data), invalidate(['stats'])])
    on(Task, () => undefined)
    on(Task, () => {})
    on(Task, () => [])
    on(Task, (data) => (data.rank > 1 ? invalidate(['top']) : undefined))
  })

  it('refuses what is no schema, and what is no effect', () => {
    // @ts-expect-error no schema
    on({ id: 'string' }, () => [])
    // @ts-expect-error no effect
    on(Task, () => 'tasks')
    // @ts-expect-error a promise
    on(Task, async () => [])
  })
})

describe('defineEvents', () => {
  const events = defineEvents({
    'task.saved': on(Task, (data, event) => {
      expectTypeOf(event.type).toEqualTypeOf<'task.saved'>()
      expectTypeOf(event.data).toEqualTypeOf<Task>()
      return upsert(['tasks'], data)
    }),
    stamped: on(Stamped, () => []),
    any: on(z.unknown(), () => invalidate(['tasks'])),
  })

  it('maps each type to its data', () => {
    expectTypeOf<EventMap<typeof events>>().toEqualTypeOf<{
      'task.saved': Task
      stamped: { id: number; at: Date }
      any: unknown
    }>()
    expectTypeOf<InferEvents<typeof events>>().toEqualTypeOf<
      | RealtimeEvent<'task.saved', Task>
      | RealtimeEvent<'stamped', { id: number; at: Date }>
      | RealtimeEvent<'any', unknown>
    >()
  })

  it('is an EventTable', () => {
    expectTypeOf(events).toExtend<EventTable>()
    expectTypeOf<keyof EventMap<EventTable>>().toEqualTypeOf<string>()
    expectTypeOf<RegisteredTable>().toEqualTypeOf<EventTable>()
    const resolved = events.resolve({ type: 'task.saved', data: {} })
    if (resolved.ok) expectTypeOf(resolved.effects).toEqualTypeOf<readonly Effect[]>()
  })

  it('takes a row that was made elsewhere', () => {
    const row = on(Task, (data, event) => {
      expectTypeOf(event.type).toEqualTypeOf<string>()
      return upsert(['tasks'], data)
    })
    const table = defineEvents({ 'task.saved': row, 'task.moved': row })
    expectTypeOf(table).toEqualTypeOf<EventTable<{ 'task.saved': Task; 'task.moved': Task }>>()
    expectTypeOf<EventMap<typeof table>>().toEqualTypeOf<{ 'task.saved': Task; 'task.moved': Task }>()
  })

  it('refuses rows that are not made by on', () => {
    // @ts-expect-error a bare function
    defineEvents({ 'task.saved': () => [] })
    // @ts-expect-error an effect
    defineEvents({ 'task.saved': invalidate(['tasks']) })
  })

  it('merges the types of tables', () => {
    const other = defineEvents({ 'user.saved': on(z.object({ id: z.number() }), () => []) })
    const merged = mergeEvents(events, other)
    expectTypeOf<EventMap<typeof merged>['user.saved']>().toEqualTypeOf<{ id: number }>()
    expectTypeOf<EventMap<typeof merged>['task.saved']>().toEqualTypeOf<Task>()
    expectTypeOf<keyof EventMap<typeof merged>>().toEqualTypeOf<
      'task.saved' | 'stamped' | 'any' | 'user.saved'
    >()
    expectTypeOf(merged).toExtend<EventTable>()
  })
})

describe('resource', () => {
  it('makes rows with literal types', () => {
    const events = defineEvents({
      ...resource('task', { schema: Task, list: ['tasks'], detail: (id) => ['tasks', 'detail', id] }),
      'tasks.imported': on(z.unknown(), () => invalidate(['tasks'])),
    })
    expectTypeOf(events.types).toEqualTypeOf<readonly string[]>()
    expectTypeOf<EventMap<typeof events>>().toEqualTypeOf<{
      'task.created': Task
      'task.updated': Task
      'task.deleted': { readonly id: string }
      'tasks.imported': unknown
    }>()
  })

  it('types its options by the item', () => {
    resource('stamped', {
      schema: Stamped,
      list: ['stamped'],
      version: (item) => item.at,
      sort: (a, b) => a.at.getTime() - b.at.getTime(),
      // @ts-expect-error no such field
      where: (item) => item.title === '',
    })
  })
})

describe('setData', () => {
  it('is typed by the key of query options', () => {
    setData(detail.queryKey, task)
    setData(detail.queryKey, task, { replace: true })
    setData(detail.queryKey, (data) => {
      expectTypeOf(data).toEqualTypeOf<Task>()
      return { ...data, title: 'b' }
    })
    setData(feed.queryKey, (data) => {
      expectTypeOf(data).toEqualTypeOf<InfiniteData<Task[]>>()
      return data
    })
    // @ts-expect-error not the data of that key
    setData(detail.queryKey, { id: 't1' })
    // @ts-expect-error the updater gives something else
    setData(detail.queryKey, () => 1)
    // @ts-expect-error a replacement needs a value
    setData(detail.queryKey, (data) => data, { replace: true })
  })

  it('takes anything for another key, unless told the type', () => {
    setData(['tasks', 'count'], 3)
    setData(['tasks', 'count'], (data) => {
      expectTypeOf(data).toBeUnknown()
      return data
    })
    setData<number>(['tasks', 'count'], (data) => {
      expectTypeOf(data).toEqualTypeOf<number>()
      return data + 1
    })
    // @ts-expect-error not a number
    setData<number>(['tasks', 'count'], 'three')
  })
})

describe('update', () => {
  it('is typed by a key, or filters, of query options', () => {
    update(list.queryKey, (data) => {
      expectTypeOf(data).toEqualTypeOf<Task[]>()
      return data
    })
    update({ queryKey: list.queryKey, exact: true }, (data, queryKey) => {
      expectTypeOf(data).toEqualTypeOf<Task[]>()
      expectTypeOf(queryKey).toEqualTypeOf<readonly unknown[]>()
      return undefined
    })
    update(['tasks'], (data) => {
      expectTypeOf(data).toBeUnknown()
      return data
    })
    update({ type: 'active' }, (data) => {
      expectTypeOf(data).toBeUnknown()
      return data
    })
    update<number>(['tasks', 'count'], (data) => {
      expectTypeOf(data).toEqualTypeOf<number>()
      return data + 1
    })
    // @ts-expect-error not the data of that key
    update(list.queryKey, () => 'tasks')
  })
})

describe('upsert, patch and remove', () => {
  it('types the options of upsert by the item', () => {
    upsert(['tasks'], task, {
      id: (item) => {
        expectTypeOf(item).toEqualTypeOf<Task>()
        return item.id
      },
      where: (item, queryKey) => {
        expectTypeOf(item).toEqualTypeOf<Task>()
        expectTypeOf(queryKey).toEqualTypeOf<readonly unknown[]>()
        return undefined
      },
      sort: (a, b) => a.rank - b.rank,
      version: (item) => item.rank,
      list: 'items',
      limit: 10,
      at: 'start',
    })
    upsert({ queryKey: list.queryKey, predicate: (query) => query.isActive() }, task)
    // @ts-expect-error no such field
    upsert(['tasks'], task, { where: (item) => item.done })
    // @ts-expect-error neither end
    upsert(['tasks'], task, { at: 'middle' })
  })

  it('asks for `id` when the item has none', () => {
    upsert(['tags'], { name: 'a' }, { id: (tag) => tag.name })
    // @ts-expect-error the item has no id
    upsert(['tags'], { name: 'a' })
    // @ts-expect-error the item has no id
    upsert(['tags'], { name: 'a' }, { at: 'start' })
    // @ts-expect-error nothing is known of the item
    upsert(['tags'], {} as unknown)
  })

  it('takes a lens that says what its envelopes are', () => {
    interface Page {
      tasks: Task[]
      total: number
    }
    remove(['tasks'], 't1', {
      list: {
        get: (page: Page) => page.tasks,
        set: (page: Page, tasks: Task[]) => ({ ...page, tasks, total: tasks.length }),
      },
    })
    // @ts-expect-error half a lens
    remove(['tasks'], 't1', { list: { get: (page: Page) => page.tasks } })
  })

  it('types the fields of a patch when told the item', () => {
    patch(['tasks'], 't1', { title: 'b' })
    patch<Task>(['tasks'], 't1', { title: 'b' })
    // @ts-expect-error not a title
    patch<Task>(['tasks'], 't1', { title: 3 })
    // @ts-expect-error not an id
    patch(['tasks'], { id: 't1' }, { title: 'b' })
  })

  it('refuses what is neither a key nor filters', () => {
    // @ts-expect-error a string
    remove('tasks', 't1')
    // @ts-expect-error no filter
    invalidate({ key: ['tasks'] })
  })
})
