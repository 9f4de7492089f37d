import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { invalidate, patch, update, upsert } from '../../src/core/routing/effects.ts'
import {
  answer,
  begun,
  createApp,
  events,
  lost,
  pass,
  refusal,
  ROWS,
  type Answer,
  type App,
  type Row,
} from './support.ts'

const at = (offset: number) => ({ epoch: 'e', offset })
const row = (id: Row['id'], title: string, more: Partial<Row> = {}): Row => ({ id, title, ...more })

describe('a mutation', () => {
  let app: App
  let response: Answer<Row>

  beforeEach(async () => {
    vi.useFakeTimers()
    app = createApp()
    response = answer()
    await pass()
  })
  afterEach(() => {
    app.end()
    vi.useRealTimers()
  })

  const open = async (rows: readonly Row[], offset?: number) => {
    app.serve(ROWS, rows, offset === undefined ? {} : { position: at(offset) })
    app.observe(ROWS)
    await pass()
  }
  const rename = (id: Row['id'], title: string, more: { settle?: 'echo' | 'refetch' } = { settle: 'echo' }) =>
    app.mutate(
      {
        mutationFn: () => response.promise,
        optimistic: (variables: { id: Row['id']; title: string }) =>
          patch(['rows'], variables.id, { title: variables.title }),
        ...more,
      },
      { id, title },
    )
  const echo = (data: Row, { mutationId, offset }: { mutationId?: string; offset?: number } = {}) => {
    app.source.push({
      type: 'row.saved',
      data,
      mutationId,
      ...(offset !== undefined && { topic: 'topic', position: at(offset) }),
    })
  }

  it('shows at once, and is gone when the server refuses it', async () => {
    await open([row(1, 'old')])
    void rename(1, 'new')
    await begun()
    expect(app.data(ROWS)).toEqual([row(1, 'new')])
    await pass()
    response.reject(refusal())
    await pass()
    expect(app.data(ROWS)).toEqual([row(1, 'old')])
    expect(app.fetches).toHaveLength(1)
  })

  it('is refused without taking along what came in between', async () => {
    await open([row(1, 'old'), row(2, 'old')])
    void rename(1, 'new')
    await pass()
    echo(row(2, 'of others'))
    await pass(50)
    response.reject(refusal())
    await pass()
    expect(app.data(ROWS)).toEqual([row(1, 'old'), row(2, 'of others')])
  })

  it('stays in view when the echo comes before the response', async () => {
    await open([row(1, 'old')])
    void rename(1, 'new')
    await pass()
    echo(row(1, 'new'), { mutationId: 'm1' })
    await pass(50)
    expect(app.data(ROWS)).toEqual([row(1, 'new')])
    response.resolve(row(1, 'new'))
    await pass(50)
    expect(app.data(ROWS)).toEqual([row(1, 'new')])
    expect(app.seen(ROWS)).toEqual([[row(1, 'old')], [row(1, 'new')]])
    expect(app.bridge.pendingMutations()).toEqual([])
  })

  it('stays in view between the response and the echo', async () => {
    await open([row(1, 'old')])
    void rename(1, 'new')
    await pass()
    response.resolve(row(1, 'new'))
    await pass(50)
    expect(app.bridge.pendingMutations().map(({ status }) => status)).toEqual(['confirming'])
    echo(row(1, 'new'), { mutationId: 'm1' })
    await pass(50)
    expect(app.seen(ROWS)).toEqual([[row(1, 'old')], [row(1, 'new')]])
    expect(app.bridge.pendingMutations()).toEqual([])
    expect(app.fetches).toHaveLength(1)
  })

  it('counts as carried out when the request fails after its echo', async () => {
    await open([row(1, 'old')])
    void rename(1, 'new')
    await pass()
    echo(row(1, 'new'), { mutationId: 'm1' })
    await pass(50)
    response.reject(refusal())
    await pass(50)
    expect(app.data(ROWS)).toEqual([row(1, 'new')])
    expect(app.bridge.pendingMutations()).toEqual([])
  })

  it('is fetched when its echo never comes', async () => {
    await open([row(1, 'old')])
    void rename(1, 'new')
    await pass()
    app.serve(ROWS, [row(1, 'new of the server')])
    response.resolve(row(1, 'new'))
    await pass(4_999)
    expect(app.fetches).toHaveLength(1)
    await pass(1_000)
    expect(app.fetches).toHaveLength(2)
    expect(app.data(ROWS)).toEqual([row(1, 'new of the server')])
    expect(app.bridge.pendingMutations()).toEqual([])
    expect(app.errors).toMatchObject([
      { code: 'usage', message: expect.stringContaining('{ mutationId }'), details: { mutationId: 'm1' } },
    ])
  })

  it('waits for its echo again when the bridge was stopped meanwhile', async () => {
    await open([row(1, 'old')], 4)
    void rename(1, 'new')
    await pass()
    response.resolve(row(1, 'new'))
    await pass(1_000)
    app.bridge.stop()
    app.bridge.start()
    app.serve(ROWS, [row(1, 'new of the server')], { position: at(5) })
    await pass(6_000)
    expect(app.data(ROWS)).toEqual([row(1, 'new of the server')])
    expect(app.bridge.pendingMutations()).toEqual([])
  })

  it('stays in view when it is answered while the bridge is stopped', async () => {
    await open([row(1, 'old')])
    void rename(1, 'new', { settle: 'refetch' })
    await pass()
    app.bridge.stop()
    response.resolve(row(1, 'new'))
    app.serve(ROWS, [row(1, 'new')])
    await pass(1_000)
    expect(app.bridge.pendingMutations().map(({ status }) => status)).toEqual(['confirming'])
    app.bridge.start()
    await pass(300)
    expect(app.seen(ROWS)).toEqual([[row(1, 'old')], [row(1, 'new')]])
    expect(app.bridge.pendingMutations()).toEqual([])
  })

  it('is fetched at once with settle refetch, and stays in view until then', async () => {
    await open([row(1, 'old')])
    void rename(1, 'new', { settle: 'refetch' })
    await pass()
    const gate = answer<void>()
    app.serve(ROWS, [row(1, 'new')], { gate: gate.promise })
    response.resolve(row(1, 'new'))
    await pass(300)
    expect(app.fetches).toHaveLength(2)
    expect(app.data(ROWS)).toEqual([row(1, 'new')])
    gate.resolve()
    await pass()
    expect(app.seen(ROWS)).toEqual([[row(1, 'old')], [row(1, 'new')]])
    expect(app.bridge.pendingMutations()).toEqual([])
  })

  it('settles by a fetch over a backend that has never named a mutation, and by its echo over one that has', async () => {
    await open([row(1, 'old')])
    void rename(1, 'new', {})
    await pass()
    response.resolve(row(1, 'new'))
    await pass(300)
    expect(app.fetches).toHaveLength(2)

    echo(row(2, 'of others'), { mutationId: 'someone' })
    await pass(50)
    response = answer()
    void rename(1, 'newer', {})
    await pass()
    response.resolve(row(1, 'newer'))
    await pass(300)
    expect(app.fetches).toHaveLength(2)
  })

  it('waits for its echo over the server kit, though none has come yet', async () => {
    app.end()
    app = createApp({ isKit: true })
    app.queryClient.setQueryData(ROWS, [row(1, 'old')])
    app.observe(ROWS)
    void rename(1, 'new', {})
    await pass()
    app.serve(ROWS, [row(1, 'new')])
    response.resolve(row(1, 'new'))
    await pass(4_999)
    expect(app.fetches).toEqual([])
    expect(app.bridge.pendingMutations().map(({ status }) => status)).toEqual(['confirming'])
    await pass(1_000)
    expect(app.fetches).toHaveLength(1)
  })

  it('is not taken back by an older event about its row when no echo tells of it', async () => {
    await open([row(1, 'old'), row(2, 'old')])
    void rename(1, 'new', { settle: 'refetch' })
    await pass()
    app.serve(ROWS, [row(1, 'new'), row(2, 'old')])
    response.resolve(row(1, 'new'))
    await pass(300)
    expect(app.fetches).toHaveLength(2)

    app.serve(ROWS, [row(1, 'new'), row(2, 'of others')])
    echo(row(1, 'before the rename'))
    echo(row(2, 'of others'))
    await pass(300)
    expect(app.fetches).toHaveLength(3)
    expect(app.data(ROWS)).toEqual([row(1, 'new'), row(2, 'of others')])
    expect(app.seen(ROWS)).not.toContainEqual(expect.arrayContaining([row(1, 'before the rename')]))
  })

  it('lets events about its row in again when its echo has come after all', async () => {
    await open([row(1, 'old')])
    void rename(1, 'new', { settle: 'refetch' })
    await pass()
    app.serve(ROWS, [row(1, 'new')])
    response.resolve(row(1, 'new'))
    await pass(300)
    echo(row(1, 'new'), { mutationId: 'm1' })
    await pass(50)
    echo(row(1, 'of others'))
    await pass(300)
    expect(app.fetches).toHaveLength(2)
    expect(app.data(ROWS)).toEqual([row(1, 'of others')])
  })

  it('is sent again under its own id when the outcome is not known', async () => {
    await open([row(1, 'old')])
    const ids: string[] = []
    void app.mutate(
      {
        mutationFn: (_: { title: string }, { mutationId }) => {
          ids.push(mutationId)
          return ids.length < 3 ? Promise.reject(lost()) : Promise.resolve('done')
        },
        optimistic: ({ title }) => patch(['rows'], 1, { title }),
        settle: 'echo',
      },
      { title: 'new' },
    )
    await pass(60_000)
    expect(ids).toEqual(['m1', 'm1', 'm1'])
  })

  it('stays in view while its outcome is not known, until a fetch tells', async () => {
    await open([row(1, 'old')])
    const gate = answer<void>()
    app.serve(ROWS, [row(1, 'old')], { gate: gate.promise })
    void app.mutate(
      {
        mutationFn: (_: { title: string }) => Promise.reject<string>(lost()),
        optimistic: ({ title }) => patch(['rows'], 1, { title }),
        settle: 'echo',
        retry: false,
      },
      { title: 'new' },
    )
    await pass(100)
    expect(app.bridge.pendingMutations()[0]?.status).toBe('unknown')
    expect(app.data(ROWS)).toEqual([row(1, 'new')])
    await pass(300)
    gate.resolve()
    await pass(50)
    expect(app.data(ROWS)).toEqual([row(1, 'old')])
  })

  it('is not taken back by a response that was read before it', async () => {
    const gate = answer<void>()
    app.serve(ROWS, [row(1, 'old')], { position: at(3), gate: gate.promise })
    app.queryClient.setQueryData(ROWS, [row(1, 'old')])
    app.observe(ROWS)
    void app.queryClient.refetchQueries({ queryKey: ROWS })
    await pass()
    void rename(1, 'new')
    await pass()
    echo(row(1, 'new'), { mutationId: 'm1', offset: 4 })
    response.resolve(row(1, 'new'))
    await pass(50)
    gate.resolve()
    await pass(50)
    expect(app.data(ROWS)).toEqual([row(1, 'new')])
    expect(app.seen(ROWS).at(-1)).toEqual([row(1, 'new')])
    expect(app.bridge.inspect(ROWS)).toMatchObject({ isLive: true, positions: { topic: at(4) }, pending: [] })
  })

  it('refuses a response that is older than what is on screen', async () => {
    await open([row(1, 'a')], 3)
    app.source.push({ type: 'rows.changed', data: 0, topic: 'topic', position: at(4) })
    await pass(1_000)
    expect(app.bridge.inspect(ROWS)).toMatchObject({ isLive: false })
    app.serve(ROWS, [row(1, 'b')], { position: at(4) })
    await pass(5_000)
    expect(app.data(ROWS)).toEqual([row(1, 'b')])
    expect(app.bridge.inspect(ROWS)).toMatchObject({ isLive: true, positions: { topic: at(4) } })
  })

  it('runs its guess again over what others have changed', async () => {
    await open([row(1, 'old', { done: false })])
    void app.mutate(
      {
        mutationFn: () => response.promise,
        optimistic: (title: string, { get }) => {
          const known = (get(ROWS) as Row[] | undefined)?.find(({ id }) => id === 1)
          return known ? events.predict('row.saved', { ...known, title }) : []
        },
        settle: 'echo',
      },
      'new',
    )
    await pass()
    expect(app.data(ROWS)).toEqual([row(1, 'new', { done: false })])
    echo(row(1, 'old', { done: true }))
    await pass(50)
    expect(app.data(ROWS)).toEqual([row(1, 'new', { done: true })])
    response.reject(refusal())
    await pass(50)
    expect(app.data(ROWS)).toEqual([row(1, 'old', { done: true })])
  })

  it('reports a guess that throws, and goes on', async () => {
    await open([row(1, 'old')])
    const done = app.mutate(
      {
        mutationFn: (_: string) => Promise.resolve('sent'),
        optimistic: () => {
          throw new Error('mine')
        },
      },
      'new',
    )
    await pass()
    await expect(done).resolves.toBe('sent')
    expect(app.errors).toMatchObject([
      { code: 'handler-failed', message: expect.stringContaining('(Error: mine)') },
    ])
  })

  it('is shown over queries that come later', async () => {
    void rename(1, 'new')
    await open([row(1, 'old')])
    expect(app.data(ROWS)).toEqual([row(1, 'new')])
    expect(app.seen(ROWS)).toEqual([[row(1, 'new')]])
  })

  it('is shown over what the app writes, and a local write is under it', async () => {
    await open([row(1, 'old')])
    void rename(1, 'new')
    await begun()
    app.queryClient.setQueryData(ROWS, [row(1, 'of the app'), row(2, 'of the app')])
    expect(app.data(ROWS)).toEqual([row(1, 'new'), row(2, 'of the app')])
    app.bridge.write(patch(['rows'], 1, { title: 'written', done: true }))
    expect(app.data(ROWS)).toEqual([row(1, 'new', { done: true }), row(2, 'of the app')])
    app.serve(ROWS, [row(1, 'of the server')])
    response.reject(refusal())
    await pass()
    expect(app.data(ROWS)).toEqual([row(1, 'written', { done: true }), row(2, 'of the app')])
    // The app wrote while the guess was on screen: what is left of it only the server knows.
    await pass(1_000)
    expect(app.data(ROWS)).toEqual([row(1, 'of the server')])
  })

  it('takes nothing back with a fetch that the app cancels', async () => {
    await open([row(1, 'old')], 1)
    const gate = answer<void>()
    app.serve(ROWS, [row(1, 'old')], { gate: gate.promise })
    void app.queryClient.refetchQueries({ queryKey: ROWS })
    await pass()
    void rename(1, 'new')
    echo(row(2, 'of others'), { offset: 2 })
    await pass(50)
    await app.queryClient.cancelQueries({ queryKey: ROWS })
    expect(app.data(ROWS)).toEqual([row(1, 'new'), row(2, 'of others')])
    response.reject(refusal())
    await pass(50)
    expect(app.data(ROWS)).toEqual([row(1, 'old'), row(2, 'of others')])
    gate.resolve()
  })

  it.each(['echo', 'refetch'] as const)(
    'fetches no detail of another row, with settle %s',
    async (settle) => {
      const other = ['rows', 'detail', 'b']
      app.serve(other, row('b', 'other'))
      app.observe(other)
      await open([row('a', 'old'), row('b', 'other')])
      void rename('a', 'new', { settle }) // patch(['rows'], 'a', …)
      await pass()
      app.serve(ROWS, [row('a', 'new'), row('b', 'other')])
      response.resolve(row('a', 'new'))
      if (settle === 'echo') echo(row('a', 'new'), { mutationId: 'm1' })
      await pass(10_000)
      const onceMore = settle === 'echo' ? [] : [JSON.stringify(ROWS)]
      expect(app.fetches).toEqual([JSON.stringify(other), JSON.stringify(ROWS), ...onceMore])
      expect(app.bridge.pendingMutations()).toEqual([])
    },
  )

  it('fetches the detail of its row, though the guess leaves that as it was', async () => {
    const detail = ['rows', 'detail', 'a']
    app.serve(detail, row('a', 'new'))
    app.observe(detail)
    await pass()
    void rename('a', 'new', { settle: 'refetch' })
    await pass()
    app.serve(detail, row('a', 'as the server writes it'))
    response.resolve(row('a', 'new'))
    await pass(1_000)
    expect(app.data(detail)).toEqual(row('a', 'as the server writes it'))
  })

  it('fetches a detail that its guess puts out of date', async () => {
    const other = ['rows', 'detail', 'b']
    app.serve(other, row('b', 'other'), { position: at(1) })
    app.observe(other)
    await pass()
    const optimistic = () => invalidate(other)
    void app.mutate({ mutationFn: () => response.promise, optimistic, settle: 'refetch' }, undefined)
    await pass()
    response.resolve(row('a', 'new'))
    await pass(10_000)
    expect(app.fetches).toEqual([JSON.stringify(other), JSON.stringify(other)])
    expect(app.bridge.pendingMutations()).toEqual([])
  })

  it('is fetched where its echo brings nothing', async () => {
    await open([row(1, 'old')], 1)
    void rename(1, 'new')
    await pass()
    app.serve(ROWS, [row(1, 'new')], { position: at(2) })
    app.source.push({ type: 'nothing', data: 0, topic: 'topic', position: at(2), mutationId: 'm1' })
    await pass(50)
    expect(app.data(ROWS)).toEqual([row(1, 'new')])
    await pass(1_000)
    expect(app.fetches).toHaveLength(2)
    expect(app.seen(ROWS)).toEqual([[row(1, 'old')], [row(1, 'new')]])
    response.resolve(row(1, 'new'))
    await pass()
    expect(app.bridge.pendingMutations()).toEqual([])
  })

  it('holds a response that may have in it what must not be shown twice', async () => {
    app.serve(['count'], 5, { position: at(1) })
    app.observe(['count'])
    await pass()
    void app.mutate(
      {
        mutationFn: (_: void, { received }) => response.promise.then(() => received({ topic: at(2) })),
        optimistic: () => update(['count'], (count) => (count as number) + 1),
        idempotent: false,
        settle: 'echo',
      },
      undefined,
    )
    await pass()
    expect(app.data(['count'])).toBe(6)
    app.serve(['count'], 6, { position: at(2) })
    void app.queryClient.refetchQueries({ queryKey: ['count'] })
    await pass(1_000)
    expect(app.data(['count'])).toBe(6)
    response.resolve(row(0, ''))
    await pass(100)
    expect(app.data(['count'])).toBe(6)
    expect(app.seen(['count'])).toEqual([5, 6])
    app.source.push({ type: 'count.grew', data: 0, topic: 'topic', position: at(2), mutationId: 'm1' })
    await pass(50)
    expect(app.data(['count'])).toBe(6)
    expect(app.seen(['count'])).toEqual([5, 6])
  })

  it('creates a row under its id, and takes over the one that the server gives', async () => {
    await open([row(1, 'old')], 1)
    const options = {
      mutationFn: () => response.promise,
      optimistic: (title: string, { mutationId }: { mutationId: string }) =>
        upsert(['rows', 'list'], row(mutationId, title)),
      confirm: (saved: Row) => upsert(['rows', 'list'], saved),
      settle: 'echo' as const,
    }
    void app.mutate(options, 'new')
    await begun()
    expect(app.data(ROWS)).toEqual([row(1, 'old'), row('m1', 'new')])
    await pass()
    response.resolve(row(77, 'new'))
    await pass(50)
    expect(app.data(ROWS)).toEqual([row(1, 'old'), row(77, 'new')])
    expect(app.bridge.keyOf(77)).toBe('m1')
    echo(row(77, 'new'), { mutationId: 'm1', offset: 2 })
    await pass(50)
    expect(app.seen(ROWS)).toEqual([
      [row(1, 'old')],
      [row(1, 'old'), row('m1', 'new')],
      [row(1, 'old'), row(77, 'new')],
    ])
  })

  it('waits for the row that it changes to be created, and goes by its real id', async () => {
    await open([])
    const sent: unknown[] = []
    void app.mutate(
      {
        mutationFn: () => response.promise,
        optimistic: (title: string, { mutationId }) => upsert(['rows', 'list'], row(mutationId, title)),
        confirm: (saved) => upsert(['rows', 'list'], saved),
        settle: 'echo',
      },
      'new',
    )
    void app.mutate(
      {
        mutationFn: (variables: { id: Row['id']; title: string }) => {
          sent.push(variables)
          return answer().promise
        },
        optimistic: ({ id, title }) => patch(['rows'], id, { title }),
        settle: 'echo',
      },
      { id: 'm1', title: 'renamed' },
    )
    await pass()
    expect(app.data(ROWS)).toEqual([row('m1', 'renamed')])
    expect(sent).toEqual([])
    expect(app.bridge.pendingMutations().map(({ status }) => status)).toEqual(['saving', 'queued'])
    echo(row(77, 'new'), { mutationId: 'm1' })
    await pass(50)
    expect(app.data(ROWS)).toEqual([row(77, 'renamed')])
    expect(sent).toEqual([{ id: 77, title: 'renamed' }])
    response.resolve(row(77, 'new'))
    await pass(50)
    expect(app.seen(ROWS)).toEqual([[], [row('m1', 'renamed')], [row(77, 'renamed')]])
  })

  it('is not sent under a temporary id when the outcome of what creates its row is not known', async () => {
    await open([])
    let sent = 0
    void app.mutate(
      {
        mutationFn: (_: string) => Promise.reject<Row>(lost()),
        optimistic: (title, { mutationId }) => upsert(['rows', 'list'], row(mutationId, title)),
        retry: false,
      },
      'new',
    )
    const edit = app.mutate(
      {
        mutationFn: (_: { id: string }) => Promise.resolve(++sent),
        optimistic: ({ id }) => patch(['rows'], id, { title: 'x' }),
      },
      { id: 'm1' },
    )
    await pass()
    await expect(edit).rejects.toMatchObject({ code: 'dependency-failed' })
    expect(sent).toBe(0)
  })

  it('fails when what it depends on was refused, and both can be retried or discarded', async () => {
    await open([])
    const create = app.mutate(
      {
        mutationFn: () => response.promise,
        optimistic: (title: string, { mutationId }) => upsert(['rows', 'list'], row(mutationId, title)),
      },
      'new',
    )
    const edit = app.mutate(
      {
        mutationFn: (_: { id: string }) => Promise.resolve(),
        optimistic: ({ id }) => patch(['rows'], id, { title: 'x' }),
      },
      { id: 'm1' },
    )
    await pass()
    response.reject(refusal())
    await pass()
    await expect(create).rejects.toThrow('refused')
    await expect(edit).rejects.toMatchObject({ code: 'dependency-failed' })
    expect(app.data(ROWS)).toEqual([])
    expect(app.bridge.pendingMutations().map(({ status }) => status)).toEqual(['failed', 'failed'])
    response = answer()
    app.bridge.pendingMutations()[0]?.retry()
    await begun()
    expect(app.data(ROWS)).toEqual([row('m3', 'new')])
    for (const mutation of app.bridge.pendingMutations()) mutation.discard()
    expect(app.data(ROWS)).toEqual([])
    expect(app.bridge.pendingMutations()).toEqual([])
  })
})
