import { describe, expect, it } from 'vitest'
import type { Effect } from '../../src/core/routing/effect.ts'
import {
  describeEffect,
  drop,
  invalidate,
  isReplayable,
  patch,
  remove,
  setData,
  update,
  upsert,
} from '../../src/core/routing/effects.ts'

const task = { id: 't1', title: 'a' }
const keep = (data: unknown) => data

/** Calls with arguments that the types would refuse, as plain JavaScript can. */
const loose = (make: unknown) => make as (...args: unknown[]) => Effect

describe('filters', () => {
  it('takes a query key as the prefix of keys', () => {
    expect(drop(['tasks', 1])).toEqual({ kind: 'drop', filters: { queryKey: ['tasks', 1] } })
  })

  it('takes filters as they are', () => {
    const filters = { queryKey: ['tasks'], exact: true, type: 'active' } as const
    expect(remove(filters, 't1').filters).toEqual(filters)
    expect(drop({ predicate: () => true }).filters).toEqual({ predicate: expect.any(Function) })
  })

  it.each([['a string'], [undefined], [null], [7], [{ queryKey: 'tasks' }]])('refuses %o', (filters) => {
    for (const make of [
      () => loose(invalidate)(filters),
      () => loose(update)(filters, keep),
      () => loose(upsert)(filters, task),
      () => loose(patch)(filters, 't1', {}),
      () => loose(remove)(filters, 't1'),
      () => loose(drop)(filters),
    ]) {
      expect(make).toThrow(
        expect.objectContaining({ code: 'usage', message: expect.stringContaining("['tasks']") }),
      )
    }
  })
})

describe('invalidate', () => {
  it('refetches active queries, as invalidateQueries does', () => {
    expect(invalidate(['tasks'])).toEqual({
      kind: 'invalidate',
      filters: { queryKey: ['tasks'] },
      refetchType: 'active',
    })
  })

  it('takes refetchType, and type in its place, as invalidateQueries does', () => {
    const filters = { queryKey: ['tasks'] }
    expect(invalidate({ ...filters, refetchType: 'none' })).toEqual({
      kind: 'invalidate',
      filters,
      refetchType: 'none',
    })
    expect(invalidate({ type: 'inactive' }).refetchType).toBe('inactive')
    expect(invalidate({ type: 'inactive', refetchType: 'all' }).refetchType).toBe('all')
  })
})

describe('setData', () => {
  it('holds a value or an updater', () => {
    expect(setData(['tasks'], [task])).toEqual({
      kind: 'setData',
      queryKey: ['tasks'],
      value: [task],
      replace: false,
    })
    expect(setData(['tasks'], null, { replace: true })).toMatchObject({ value: null, replace: true })
    expect(setData(['tasks'], keep)).toEqual({
      kind: 'setData',
      queryKey: ['tasks'],
      updater: keep,
      replace: false,
    })
  })

  it('refuses query options, undefined, and a replacement by an updater', () => {
    expect(() => loose(setData)({ queryKey: ['tasks'] }, [])).toThrow('pass `.queryKey`')
    expect(() => setData(['tasks'], undefined)).toThrow('drop')
    expect(() => loose(setData)(['tasks'], keep, { replace: true })).toThrow('needs a value')
  })
})

describe('update', () => {
  it('refuses what is no function', () => {
    expect(() => loose(update)(['tasks'], [])).toThrow('setData')
  })
})

describe('upsert', () => {
  it('reads the id of the item at once', () => {
    expect(upsert(['tasks'], task)).toMatchObject({ kind: 'upsert', item: task, itemId: 't1', at: 'end' })
    expect(upsert(['tasks'], { id: 0 }).itemId).toBe(0)
    expect(upsert(['tags'], { name: 'x' }, { id: (tag) => tag.name }).itemId).toBe('x')
  })

  it('uses one id function for all effects that name none', () => {
    expect(upsert(['tasks'], task).id).toBe(remove(['users'], 1).id)
  })

  it.each([
    ['no id', { title: 'a' }],
    ['an id that is no id', { id: {} }],
    ['NaN as id', { id: NaN }],
    ['nothing', null],
  ])('refuses an item with %s', (_, item) => {
    expect(() => loose(upsert)(['tasks'], item)).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining('{ id: (item) =>') }),
    )
  })

  it.each([
    [{ limit: NaN }, '`limit`'],
    [{ limit: 0 }, '`limit`'],
    [{ limit: 1.5 }, '`limit`'],
    [{ limit: '10' }, '`limit`'],
    [{ list: { get: keep } }, '`list`'],
    [{ list: 5 }, '`list`'],
    [{ list: null }, '`list`'],
    [{ id: 'id' }, '`id`'],
    [{ where: true }, '`where`'],
    [{ sort: 'title' }, '`sort`'],
    [{ version: 3 }, '`version`'],
    [{ at: 'middle' }, '`at`'],
  ])('refuses the options %o', (options, named) => {
    expect(() => loose(upsert)(['tasks'], task, options)).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(named) }),
    )
  })
})

describe('patch', () => {
  it('keeps a copy of the fields', () => {
    const fields = { title: 'b' }
    const effect = patch(['tasks'], 't1', fields)
    fields.title = 'c'
    expect(effect).toMatchObject({ kind: 'patch', itemId: 't1', partial: { title: 'b' } })
  })

  it('refuses a missing id and missing fields', () => {
    expect(() => loose(patch)(['tasks'], undefined, {})).toThrow('id must be')
    expect(() => loose(patch)(['tasks'], 't1', null)).toThrow('object')
    expect(() => loose(patch)(['tasks'], 't1', 'done')).toThrow('object')
  })
})

describe('remove', () => {
  it('refuses a missing id', () => {
    expect(() => loose(remove)(['tasks'], task)).toThrow('id must be')
    expect(() => loose(remove)(['tasks'], NaN)).toThrow('id must be')
  })
})

const EVERY: [effect: Effect, isReplayable: boolean, words: string][] = [
  [invalidate(['tasks']), true, 'invalidate ["tasks"] (refetch active)'],
  [invalidate({ refetchType: 'none' }), true, 'invalidate every query (refetch none)'],
  [setData(['task', 1], task), true, 'setData ["task",1]'],
  [setData(['task', 1], task, { replace: true }), true, 'setData ["task",1] (replace)'],
  [setData(['task', 1], keep), false, 'setData ["task",1] (by a function)'],
  [update({ queryKey: ['tasks'] }, keep), false, 'update ["tasks"] (by a function)'],
  [upsert(['tasks'], task), true, 'upsert "t1" in ["tasks"]'],
  [patch(['tasks'], 7, { title: 'b', rank: 1 }), true, 'patch 7 in ["tasks"] (title, rank)'],
  [remove(['tasks'], 't1'), true, 'remove "t1" in ["tasks"]'],
  [drop(['task', 1n]), true, 'drop task,1'],
]

describe('describeEffect', () => {
  it.each(EVERY)('tells %o in words', (effect, _, words) => {
    expect(describeEffect(effect)).toBe(words)
  })
})

describe('isReplayable', () => {
  it.each(EVERY)('knows of %o', (effect, expected) => {
    expect(isReplayable(effect)).toBe(expected)
  })
})
