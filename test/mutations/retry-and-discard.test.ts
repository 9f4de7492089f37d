/** What the app does with a mutation that was refused, has no answer, or is under way: sends it again, or gives it up. */
import { MutationCache, onlineManager, QueryClient } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { patch, upsert } from '../../src/core/routing/effects.ts'
import type { RealtimeMutationContext } from '../../src/mutation-options.ts'
import { answer, createApp, lost, pass, refusal, ROWS, type Answer, type App, type Row } from './support.ts'

const row = (id: Row['id'], title: string): Row => ({ id, title })

describe('a mutation that is sent again', () => {
  let app: App
  let response: Answer<Row>
  let sent: unknown[]

  const open = async (next: App) => {
    app = next
    app.serve(ROWS, [])
    app.observe(ROWS)
    await pass()
  }
  const create = (title: string, scope?: { id: string }) =>
    app.mutate(
      {
        mutationFn: () => response.promise,
        optimistic: (title: string, { mutationId }) => upsert(['rows', 'list'], row(mutationId, title)),
        confirm: (saved) => upsert(['rows', 'list'], saved),
        settle: 'echo',
        ...(scope && { scope }),
      },
      title,
    )
  const rename = (id: Row['id'], title: string, scope?: { id: string }) =>
    app.mutate(
      {
        mutationFn: (variables: { id: Row['id']; title: string }) => {
          sent.push(variables)
          app.serve(ROWS, [variables])
          return Promise.resolve()
        },
        optimistic: ({ id, title }) => patch(['rows'], id, { title }),
        settle: 'echo',
        ...(scope && { scope }),
      },
      { id, title },
    )

  beforeEach(async () => {
    vi.useFakeTimers()
    response = answer()
    sent = []
    await open(createApp())
  })
  afterEach(() => {
    onlineManager.setOnline(true)
    app.end()
    vi.useRealTimers()
  })

  it('is waited for by what depends on it, and gives it the real id', async () => {
    void create('new')
    void rename('m1', 'renamed')
    await pass()
    response.reject(refusal())
    await pass()
    response = answer()
    for (const mutation of app.bridge.pendingMutations()) mutation.retry()
    await pass()
    expect(app.data(ROWS)).toEqual([row('m3', 'renamed')])
    expect(sent).toEqual([])
    response.resolve(row(77, 'new'))
    await pass(50)
    expect(sent).toEqual([{ id: 77, title: 'renamed' }])
    expect(app.data(ROWS)).toEqual([row(77, 'renamed')])
    expect(app.bridge.keyOf(77)).toBe('m3')
  })

  it('is the one that is meant also when it was refused twice', async () => {
    void create('new')
    void rename('m1', 'renamed')
    for (let attempt = 0; attempt < 2; attempt++) {
      await pass()
      response.reject(refusal())
      await pass()
      response = answer()
      app.bridge
        .pendingMutations()
        .find(({ variables }) => variables === 'new')
        ?.retry()
    }
    response.resolve(row(77, 'new'))
    await pass(50)
    app.bridge
      .pendingMutations()
      .find(({ status }) => status === 'failed')
      ?.retry()
    await pass(50)
    expect(sent).toEqual([{ id: 77, title: 'renamed' }])
  })

  describe('while what is about its row waits for the network', () => {
    const wait = async (scope?: { id: string }) => {
      void create('new', scope)
      await pass()
      onlineManager.setOnline(false)
      void rename('m1', 'renamed', scope)
      response.reject(refusal())
      await pass()
      expect(app.data(ROWS)).toEqual([])
      response = answer()
      app.bridge.pendingMutations()[0]?.retry()
      await pass()
    }
    const goOn = async () => {
      onlineManager.setOnline(true)
      await pass(50)
      expect(sent).toEqual([])
      app.serve(ROWS, [row(77, 'new')])
      response.resolve(row(77, 'new'))
      await pass(50)
    }

    it('shows that too, and is sent before it', async () => {
      await wait()
      expect(app.data(ROWS)).toEqual([row('m3', 'renamed')])
      await goOn()
      expect(sent).toEqual([{ id: 77, title: 'renamed' }])
      expect(app.data(ROWS)).toEqual([row(77, 'renamed')])
    })

    it('is not waited for by what stands before it in their scope: that is refused, to be sent again', async () => {
      await wait({ id: 'list' })
      expect(app.data(ROWS)).toEqual([row('m3', 'renamed')])
      await goOn()
      expect(app.data(ROWS)).toEqual([row(77, 'new')])
      const [renaming] = app.bridge.pendingMutations()
      expect(renaming).toMatchObject({ status: 'failed', error: { code: 'dependency-failed' } })
      renaming?.retry()
      await pass(50)
      expect(sent).toEqual([{ id: 77, title: 'renamed' }])
      expect(app.data(ROWS)).toEqual([row(77, 'renamed')])
    })
  })

  it('keeps its own id when the outcome of several alike is not known', async () => {
    app.end()
    // TanStack calls onMutate later where the mutation cache has one too.
    const mutationCache = new MutationCache({ onMutate: () => Promise.resolve() })
    await open(createApp({ queryClient: new QueryClient({ mutationCache }) }))
    const ids: string[] = []
    const send = {
      mutationFn: (_: string, { mutationId }: RealtimeMutationContext) => {
        ids.push(mutationId)
        return Promise.reject<void>(lost())
      },
      retry: false,
      optimistic: (title: string, { mutationId }: { mutationId: string }) =>
        upsert(['rows', 'list'], row(mutationId, title)),
    }
    void app.mutate(send, 'alike')
    void app.mutate(send, 'alike')
    await pass()
    for (const mutation of app.bridge.pendingMutations()) mutation.retry()
    await pass()
    expect(ids).toEqual(['m1', 'm2', 'm1', 'm2'])
  })
})

describe('a mutation that is discarded', () => {
  let app: App
  let attempts: string[]

  const save = (title: string, retry: () => boolean = () => true) =>
    app.mutate(
      {
        scope: { id: 'rows' },
        retry,
        mutationFn: (title: string, { signal }) => {
          attempts.push(title)
          return new Promise<string>((resolve, reject) => {
            if (title === 'second') resolve(title)
            // As an app's own client words it.
            signal.addEventListener('abort', () => {
              reject(new TypeError('no answer'))
            })
          })
        },
        optimistic: (title) => patch(['rows'], 1, { title }),
      },
      title,
    )

  beforeEach(async () => {
    vi.useFakeTimers()
    attempts = []
    app = createApp()
    app.serve(ROWS, [row(1, 'old')])
    app.observe(ROWS)
    await pass()
  })
  afterEach(() => {
    app.end()
    onlineManager.setOnline(true)
    vi.useRealTimers()
  })

  it('while it is under way is never sent again, and is not in the way of its scope', async () => {
    const first = save('first')
    const second = save('second')
    await pass()
    app.bridge.pendingMutations()[0]?.discard()
    expect(app.data(ROWS)).toEqual([row(1, 'second')])
    await expect(first).rejects.toMatchObject({ code: 'discarded' })
    await expect(second).resolves.toBe('second')
    expect(attempts).toEqual(['first', 'second'])
  })

  it('ends when another user comes, also where it would be retried for ever', async () => {
    const first = save('first')
    await pass()
    app.bridge.setIdentity('bob')
    await expect(first).rejects.toMatchObject({ code: 'discarded' })
    await pass(600_000)
    expect(attempts).toEqual(['first'])
    expect(app.queryClient.isMutating()).toBe(0)
  })
})
