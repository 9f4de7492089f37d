import * as v from 'valibot'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { RealtimeError } from '../../src/core/errors.ts'
import type { RealtimeEvent } from '../../src/core/event.ts'
import { invalidate, remove, upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, mergeEvents, on, type EventTable } from '../../src/core/routing/event-table.ts'

const Task = z.object({ id: z.string(), title: z.string() })
const task = { id: 't1', title: 'a' }

function failure(table: EventTable, event: RealtimeEvent): RealtimeError {
  const resolved = table.resolve(event)
  if (resolved.ok) throw new Error('It resolved.')
  expect(resolved.error).toBeInstanceOf(RealtimeError)
  return resolved.error
}

describe('resolve', () => {
  const events = defineEvents({
    'task.saved': on(Task, (data) => [upsert(['tasks'], data), invalidate(['stats'])]),
    'task.deleted': on(v.object({ id: v.string() }), ({ id }) => remove(['tasks'], id)),
    'task.viewed': on(z.unknown(), () => undefined),
    'task.touched': on(z.unknown(), () => []),
    'task.dated': on(z.object({ at: z.string().transform((text) => new Date(text)) }), () => []),
  })

  it('gives the effects of a handler: some, one, or none', () => {
    const saved = events.resolve({ type: 'task.saved', data: task })
    expect(saved).toMatchObject({
      ok: true,
      effects: [{ kind: 'upsert', item: task }, { kind: 'invalidate' }],
    })
    const deleted = events.resolve({ type: 'task.deleted', data: { id: 't1' } })
    expect(deleted).toMatchObject({ ok: true, effects: [{ kind: 'remove', itemId: 't1' }] })
    expect(events.resolve({ type: 'task.viewed', data: 1 })).toMatchObject({ ok: true, effects: [] })
    expect(events.resolve({ type: 'task.touched', data: 1 })).toMatchObject({ ok: true, effects: [] })
  })

  it("passes on the schema's output, and the rest of the event", () => {
    const handle = vi.fn()
    const table = defineEvents({
      dated: on(z.object({ at: z.string().transform((text) => new Date(text)) }), handle),
    })
    const position = { epoch: 'e', offset: 3 }
    const event = {
      type: 'dated',
      data: { at: '2026-01-02', more: 1 },
      topic: 'board:1',
      position,
      mutationId: 'm',
    }
    const resolved = table.resolve(event)
    const typed = { ...event, data: { at: new Date('2026-01-02') } }
    expect(resolved).toEqual({ ok: true, event: typed, effects: [] })
    expect(handle).toHaveBeenCalledExactlyOnceWith(typed.data, typed)
    expect(event.data.at).toBe('2026-01-02')
  })

  it('refuses a type that is not in the table', () => {
    const error = failure(events, { type: 'task.nope', data: 1 })
    expect(error).toMatchObject({ code: 'unknown-event', message: expect.stringContaining('"task.nope"') })
  })

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', ''])(
    'knows no type %o unless told',
    (type) => {
      expect(failure(events, { type, data: {} }).code).toBe('unknown-event')
      expect(events.has(type)).toBe(false)
      const told = defineEvents({ [type]: on(Task, (data) => upsert(['tasks'], data)) })
      expect(told.types).toEqual([type])
      expect(told.resolve({ type, data: task })).toMatchObject({ ok: true })
    },
  )

  it.each([
    [null],
    [undefined],
    ['task.saved'],
    [{}],
    [{ type: { toString: () => 'task.saved' } }],
    [{ type: 7 }],
  ])('refuses %o in place of an event', (event) => {
    expect(failure(events, event as never).code).toBe('unknown-event')
  })

  it.each([
    ['zod', on(z.object({ items: z.array(Task) }), () => [])],
    ['valibot', on(v.object({ items: v.array(v.object({ id: v.string() })) }), () => [])],
  ])('tells where data fails a schema of %s', (_, row) => {
    const event = { type: 'x', data: { items: [{ id: 7, title: 'a' }] } }
    const error = failure(defineEvents({ x: row }), event)
    expect(error).toMatchObject({ code: 'invalid-data', message: expect.stringContaining('at items.0.id') })
    expect(error.details).toMatchObject({ event, issues: [{ message: expect.any(String) as unknown }] })
  })

  it('tells when data fails as a whole', () => {
    const error = failure(events, { type: 'task.saved', data: undefined })
    expect(error).toMatchObject({
      code: 'invalid-data',
      message: expect.stringContaining('fails its schema: '),
    })
  })

  it('says what an event looks like when one comes without data', () => {
    const error = failure(events, { type: 'task.saved', payload: { id: '1' } } as never)
    expect(error.message).toMatch(/received undefined\. It has no `data`: `decode` gives \{ type, data \}\.$/)
  })

  it('refuses an async schema', () => {
    const later = z.string().refine(() => Promise.resolve(true))
    const error = failure(defineEvents({ x: on(later, () => []) }), { type: 'x', data: 'a' })
    expect(error).toMatchObject({ code: 'invalid-data', message: expect.stringContaining('async') as string })
  })

  it('leaves no rejection of an async schema unhandled', async () => {
    const validate = () => Promise.reject(new Error('late'))
    const later = { '~standard': { version: 1, vendor: 'test', validate } } as const
    expect(failure(defineEvents({ x: on(later, () => []) }), { type: 'x', data: 'a' }).code).toBe(
      'invalid-data',
    )
    await new Promise((resolve) => setTimeout(resolve)) // An unhandled rejection would fail the run.
  })

  it('reports a schema that throws', () => {
    const cause = new Error('broken')
    const validate = () => {
      throw cause
    }
    const broken = { '~standard': { version: 1, vendor: 'test', validate } } as const
    expect(failure(defineEvents({ x: on(broken, () => []) }), { type: 'x', data: 'a' })).toMatchObject({
      code: 'invalid-data',
      cause,
    })
  })

  it('reports a handler that throws', () => {
    const cause = new Error('broken')
    const row = on(Task, () => {
      throw cause
    })
    const error = failure(defineEvents({ x: row }), { type: 'x', data: task })
    expect(error).toMatchObject({ code: 'handler-failed', cause, message: expect.stringContaining('broken') })
  })

  it('reports a handler that makes a wrong effect', () => {
    const row = on(z.object({ name: z.string() }), (data) => upsert(['tags'], data as never))
    const error = failure(defineEvents({ x: row }), { type: 'x', data: { name: 'a' } })
    expect(error).toMatchObject({ code: 'handler-failed', cause: { code: 'usage' } })
    expect(error.message).toContain('the item has no id')
  })

  it.each([
    ['tasks'],
    [null],
    [7],
    [[null]],
    [[invalidate(['tasks']), undefined]],
    [{ kind: 'explode' }],
    [() => []],
  ])('reports a handler that returns %o', (result) => {
    const row = on(Task, () => result as never)
    const error = failure(defineEvents({ x: row }), { type: 'x', data: task })
    expect(error).toMatchObject({
      code: 'handler-failed',
      message: expect.stringContaining('Return effects'),
    })
  })

  it('reports an async handler, and leaves no rejection unhandled', async () => {
    const row = on(Task, (() => Promise.reject(new Error('late'))) as never)
    expect(failure(defineEvents({ x: row }), { type: 'x', data: task }).code).toBe('handler-failed')
    await new Promise((resolve) => setTimeout(resolve))
  })
})

describe('defineEvents', () => {
  it('lists its types in order', () => {
    const events = defineEvents({ b: on(Task, () => []), a: on(Task, () => []) })
    expect(events.types).toEqual(['b', 'a'])
    expect(events.has('a')).toBe(true)
  })

  it.each([[undefined], [null], [() => []], [invalidate(['tasks'])]])('refuses the row %o', (row) => {
    expect(() => defineEvents({ x: row as never })).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining('"x"') }),
    )
  })
})

describe('on', () => {
  it.each([[undefined], [{}], [{ '~standard': {} }], ['string']])('refuses %o as a schema', (schema) => {
    expect(() => on(schema as never, () => [])).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining('Standard Schema') }),
    )
  })

  it('refuses a missing handler', () => {
    expect(() => on(Task, undefined as never)).toThrow(expect.objectContaining({ code: 'usage' }))
  })
})

describe('mergeEvents', () => {
  const tasks = defineEvents({ 'task.saved': on(Task, (data) => upsert(['tasks'], data)) })
  const users = defineEvents({ 'user.saved': on(Task, (data) => upsert(['users'], data)) })

  it('resolves what each of the tables resolves', () => {
    const events = mergeEvents(tasks, users)
    expect(events.types).toEqual(['task.saved', 'user.saved'])
    expect(events.resolve({ type: 'user.saved', data: task })).toEqual(
      users.resolve({ type: 'user.saved', data: task }),
    )
    expect(mergeEvents().types).toEqual([])
  })

  it('refuses two rows for one type', () => {
    expect(() => mergeEvents(tasks, users, tasks)).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining('"task.saved"') }),
    )
  })
})
