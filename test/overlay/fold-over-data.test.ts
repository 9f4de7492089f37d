import { describe, expect, it, vi } from 'vitest'
import type { ListLens } from '../../src/core/routing/effect.ts'
import { patch, remove, setData, update, upsert } from '../../src/core/routing/effects.ts'
import { foldEffects } from '../../src/core/overlay/fold-effects.ts'
import { fold } from '../support/fold.ts'

const task = { id: 't1', title: 'a', tags: ['x'] }

describe('a detail', () => {
  it('of the same id is replaced by upsert, and keeps equal parts', () => {
    const result = fold(upsert(['task'], { id: 't1', title: 'b', tags: ['x'] }), task).data as typeof task
    expect(result).toEqual({ id: 't1', title: 'b', tags: ['x'] })
    expect(result.tags).toBe(task.tags)
    expect(fold(upsert(['task'], { ...task, tags: ['x'] }), task).data).toBe(task)
  })

  it('newer than the item stays', () => {
    const data = { id: 't1', rev: 2 }
    expect(fold(upsert(['task'], { id: 't1', rev: 1 }, { version: ({ rev }) => rev }), data).data).toBe(data)
  })

  it('is merged into by patch, and left alone by remove', () => {
    expect(fold(patch(['task'], 't1', { title: 'b' }), task).data).toEqual({ ...task, title: 'b' })
    expect(fold(patch(['task'], 't1', { title: 'a' }), task).data).toBe(task)
    expect(fold(remove(['task'], 't1'), task)).toEqual({ data: task, refetch: false, problems: [] })
  })

  it('belongs whatever lists show', () => {
    const effect = upsert(['task'], { ...task, title: 'b' }, { where: () => false, limit: 1 })
    expect(fold(effect, task)).toEqual({ data: { ...task, title: 'b' }, refetch: false, problems: [] })
  })

  it('of another id is not concerned', () => {
    for (const effect of [
      upsert([], { ...task, id: 't2' }),
      patch([], 't2', { title: 'b' }),
      remove([], 't2'),
    ]) {
      expect(fold(effect, task)).toEqual({ data: task, refetch: false, problems: [] })
      expect(fold(effect, task).data).toBe(task)
    }
  })
})

describe('data of other shapes', () => {
  it.each([
    [null],
    [undefined],
    [0],
    ['text'],
    [true],
    [{}],
    [{ open: 3, done: 4 }],
    [new Map([['t1', task]])],
    [new Date(0)],
  ])('is not concerned: %o', (data) => {
    for (const effect of [upsert([], task), patch([], 't1', { title: 'b' }), remove([], 't1')]) {
      const result = foldEffects([effect], data, { queryKey: [] })
      expect(result).toEqual({ data, refetch: false, problems: [] })
      expect(result.data).toBe(data)
    }
  })

  it('is not concerned when an id function made for items fails on it', () => {
    const id = (item: { meta: { id: string } }) => item.meta.id
    expect(fold(upsert([], { meta: { id: 'a' } }, { id }), { open: 3 })).toMatchObject({
      refetch: false,
      problems: [],
    })
  })
})

describe('setData', () => {
  it('replaces the data, and keeps equal parts', () => {
    const result = fold(setData(['task'], { id: 't1', title: 'b', tags: ['x'] }), task).data as typeof task
    expect(result).toEqual({ id: 't1', title: 'b', tags: ['x'] })
    expect(result.tags).toBe(task.tags)
    expect(fold(setData(['task'], structuredClone(task)), task).data).toBe(task)
    expect(fold(setData(['task'], null), task).data).toBeNull()
  })

  it('calls an updater with the data; undefined leaves it alone', () => {
    const updater = vi.fn((data: unknown) => ({ ...(data as typeof task), title: 'b' }))
    expect(fold(setData(['task'], updater), task).data).toEqual({ ...task, title: 'b' })
    expect(updater).toHaveBeenCalledExactlyOnceWith(task, ['tasks'])
    expect(
      fold(
        setData(['task'], () => undefined),
        task,
      ),
    ).toEqual({ data: task, refetch: false, problems: [] })
  })

  it('invents no data, unless it is the whole truth', () => {
    const updater = vi.fn()
    const effects = [
      setData(['task'], task),
      setData(['task'], updater),
      update(['task'], updater),
      upsert([], task),
    ]
    expect(foldEffects(effects, undefined, { queryKey: ['task'] })).toEqual({
      data: undefined,
      refetch: false,
      problems: [],
    })
    expect(updater).not.toHaveBeenCalled()
    const replacement = setData(['task'], task, { replace: true })
    expect(
      foldEffects([replacement, patch([], 't1', { title: 'b' })], undefined, { queryKey: ['task'] }).data,
    ).toEqual({
      ...task,
      title: 'b',
    })
  })
})

describe('update', () => {
  it('calls the updater with the data and the key of the query', () => {
    const updater = vi.fn((count: unknown) => (count as number) + 1)
    expect(foldEffects([update(['count'], updater)], 1, { queryKey: ['count', 7] }).data).toBe(2)
    expect(updater).toHaveBeenCalledExactlyOnceWith(1, ['count', 7])
  })

  it('leaves the data alone when the updater gives undefined, or the same', () => {
    for (const updater of [() => undefined, (data: unknown) => data]) {
      expect(fold(update(['task'], updater), task).data).toBe(task)
    }
  })
})

describe('many effects', () => {
  const rows = () => [
    { id: 1, n: 1 },
    { id: 2, n: 2 },
  ]

  it('apply in order', () => {
    const effects = [
      upsert([], { id: 3, n: 3 }),
      patch([], 3, { n: 4 }),
      update<{ id: number; n: number }[]>([], (data) => data.map((row) => ({ ...row, n: row.n * 10 }))),
      remove([], 1),
      patch([], 2, { n: 21 }),
      upsert([], { id: 1, n: 0 }),
    ]
    expect(fold(effects, rows())).toEqual({
      data: [
        { id: 2, n: 21 },
        { id: 3, n: 40 },
        { id: 1, n: 0 },
      ],
      refetch: false,
      problems: [],
    })
  })

  it('see through the lens of each', () => {
    const data = { open: [{ id: 1 }], done: [{ id: 2 }] }
    const effects = [
      remove([], 1, { list: 'open' }),
      upsert([], { id: 1 }, { list: 'done' }),
      upsert([], { id: 3 }, { list: 'open' }),
    ]
    expect(fold(effects, data).data).toEqual({ open: [{ id: 3 }], done: [{ id: 2 }, { id: 1 }] })
  })

  it('apply but for the one that throws', () => {
    const cause = new Error('broken')
    const broken = () => {
      throw cause
    }
    const effects = [
      patch([], 1, { n: 10 }),
      update([], broken),
      upsert([], { id: 2, n: 0 }, { sort: broken }),
      upsert([], { id: 2, n: 0 }, { where: broken }),
      upsert([], { id: 1, n: 0 }, { version: broken }),
      setData([], broken),
      patch([], 2, { n: 20 }),
    ]
    const result = fold(effects, rows())
    expect(result).toEqual({
      data: [
        { id: 1, n: 10 },
        { id: 2, n: 20 },
      ],
      refetch: true,
      problems: [1, 2, 3, 4, 5].map((index) => ({ index, why: 'broken', cause })),
    })
  })

  it('apply to the list as it was when a lens before them throws', () => {
    const cause = new Error('no way back')
    const broken: ListLens = {
      get: (data: { open: unknown[] }) => data.open,
      set: () => {
        throw cause
      },
    }
    const data = { open: [{ id: 1 }], n: 1 }
    const effects = [
      upsert([], { id: 2 }, { list: broken }),
      remove([], 1, { list: broken }),
      setData<typeof data>([], (old) => ({ ...old, n: 2 })),
    ]
    expect(fold(effects, data)).toEqual({
      data: { open: [{ id: 1 }], n: 2 },
      refetch: true,
      problems: [{ index: 1, why: 'no way back', cause }],
    })
  })

  it('ask for a refetch when one of them cannot know', () => {
    const effects = [upsert([], { id: 1, n: 5 }, { where: () => undefined }), patch([], 2, { n: 20 })]
    expect(fold(effects, rows())).toEqual({
      data: [rows()[0], { id: 2, n: 20 }],
      refetch: true,
      problems: [],
    })
  })

  it('may be none', () => {
    const data = rows()
    expect(fold([], data).data).toBe(data)
  })
})
