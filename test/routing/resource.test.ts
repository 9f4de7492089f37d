import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { invalidate } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { resource } from '../../src/core/routing/resource.ts'

const Task = z.object({ id: z.string(), title: z.string(), at: z.number() })
const task = { id: 't1', title: 'a', at: 3 }

describe('resource', () => {
  it('upserts what is created or updated into lists and its detail', () => {
    const events = defineEvents(
      resource('task', { schema: Task, list: ['tasks', 'list'], detail: (id) => ['tasks', 'detail', id] }),
    )
    expect(events.types).toEqual(['task.created', 'task.updated', 'task.deleted'])
    for (const type of ['task.created', 'task.updated']) {
      expect(events.resolve({ type, data: task })).toMatchObject({
        effects: [
          { kind: 'upsert', filters: { queryKey: ['tasks', 'list'] }, item: task },
          { kind: 'upsert', filters: { queryKey: ['tasks', 'detail', 't1'], exact: true }, item: task },
        ],
      })
    }
  })

  it('removes what is deleted from lists and drops its detail', () => {
    const events = defineEvents(
      resource('task', { schema: Task, list: ['tasks', 'list'], detail: (id) => ['tasks', 'detail', id] }),
    )
    expect(events.resolve({ type: 'task.deleted', data: { id: 't1', by: 'me' } })).toMatchObject({
      effects: [
        { kind: 'remove', filters: { queryKey: ['tasks', 'list'] }, itemId: 't1' },
        { kind: 'drop', filters: { queryKey: ['tasks', 'detail', 't1'] } },
      ],
    })
  })

  it('does without details', () => {
    const events = defineEvents(resource('task', { schema: Task, list: ['tasks'] }))
    expect(events.resolve({ type: 'task.created', data: task })).toMatchObject({
      effects: [{ kind: 'upsert' }],
    })
    expect(events.resolve({ type: 'task.deleted', data: task })).toMatchObject({
      effects: [{ kind: 'remove' }],
    })
  })

  it('hands its options on', () => {
    const options = {
      id: (item: { title: string }) => item.title,
      where: () => true,
      sort: () => 0,
      version: (item: { at: number }) => item.at,
      at: 'start' as const,
      limit: 5,
    }
    const events = defineEvents(
      resource('task', {
        schema: Task,
        list: ['tasks'],
        detail: (id) => ['task', id],
        lens: 'items',
        ...options,
      }),
    )
    expect(events.resolve({ type: 'task.updated', data: task })).toMatchObject({
      effects: [
        { ...options, itemId: 'a', list: 'items' },
        { filters: { queryKey: ['task', 'a'] }, itemId: 'a', version: options.version, where: undefined },
      ],
    })
    expect(events.resolve({ type: 'task.deleted', data: { title: 'a' } })).toMatchObject({
      effects: [{ itemId: 'a', id: options.id, list: 'items', limit: 5 }, { kind: 'drop' }],
    })
  })

  it('refuses a deletion without an id', () => {
    const events = defineEvents(resource('task', { schema: Task, list: ['tasks'] }))
    for (const data of [undefined, null, 't1', {}, { id: null }]) {
      expect(events.resolve({ type: 'task.deleted', data })).toMatchObject({
        error: { code: 'invalid-data' },
      })
    }
  })

  it('has rows that another can replace', () => {
    const events = defineEvents({
      ...resource('task', { schema: Task, list: ['tasks'] }),
      'task.deleted': on(z.unknown(), () => invalidate(['tasks'])),
    })
    expect(events.resolve({ type: 'task.deleted', data: 1 })).toMatchObject({
      effects: [{ kind: 'invalidate' }],
    })
  })

  it('refuses a detail that is no function', () => {
    expect(() => resource('task', { schema: Task, list: ['tasks'], detail: ['task'] as never })).toThrow(
      expect.objectContaining({ code: 'usage' }),
    )
  })
})
