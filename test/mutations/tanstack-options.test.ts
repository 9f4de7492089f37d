/** TanStack's own options and calls, where a mutation is pending. */
import { MutationCache, onlineManager, QueryClient } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { patch } from '../../src/core/routing/effects.ts'
import { answer, createApp, lost, pass, refusal, ROWS, type Answer, type App, type Row } from './support.ts'

const row = (id: Row['id'], title: string): Row => ({ id, title })

describe('a mutation', () => {
  let app: App
  let response: Answer<Row>

  const open = async (queryClient?: QueryClient) => {
    app = createApp({ queryClient })
    app.serve(ROWS, [row(1, 'old')])
    app.observe(ROWS)
    await pass()
  }
  const rename = {
    mutationFn: () => response.promise,
    optimistic: (title: string) => patch(['rows'], 1, { title }),
    settle: 'echo' as const,
  }
  const statuses = () => app.bridge.pendingMutations().map(({ status }) => status)

  beforeEach(async () => {
    vi.useFakeTimers()
    response = answer()
    await open()
  })
  afterEach(() => {
    app.end()
    onlineManager.setOnline(true)
    vi.useRealTimers()
  })

  it('is sent, waits, or is tried first without a network, as its networkMode says', async () => {
    onlineManager.setOnline(false)
    const sent: string[] = []
    const rename = (networkMode: 'always' | 'online' | 'offlineFirst') => ({
      networkMode,
      mutationFn: () => {
        const isFirst = !sent.includes(networkMode)
        sent.push(networkMode)
        return isFirst && networkMode === 'offlineFirst' ? Promise.reject(lost()) : Promise.resolve()
      },
      optimistic: (title: string) => patch(['rows'], 1, { title }),
      settle: 'echo' as const,
    })
    for (const mode of ['always', 'online', 'offlineFirst'] as const) void app.mutate(rename(mode), mode)
    await pass(5_000)
    expect(sent).toEqual(['always', 'offlineFirst'])
    expect(statuses()).toEqual(['confirming', 'queued', 'queued'])
    expect(app.data(ROWS)).toEqual([row(1, 'offlineFirst')])
    onlineManager.setOnline(true)
    await pass(5_000)
    expect(sent).toEqual(['always', 'offlineFirst', 'online', 'offlineFirst'])
  })

  it('waits for those of its scope, also where all are made at once with the same variables', async () => {
    const sent: string[] = []
    const answers = [answer<Row>(), answer<Row>(), answer<Row>()]
    const options = {
      ...rename,
      scope: { id: 'rows' },
      mutationFn: (_: string, { mutationId }: { mutationId: string }) =>
        answers[sent.push(mutationId) - 1]!.promise,
    }
    for (const same of [options, { ...options }, options]) void app.mutate(same, 'new')
    await pass()
    expect(statuses()).toEqual(['saving', 'queued', 'queued'])
    for (const { resolve } of answers) {
      resolve(row(1, 'new'))
      await pass()
    }
    expect(sent).toEqual(['m1', 'm2', 'm3'])
  })

  it('is not sent when onMutate throws, and calls what the mutation cache has', async () => {
    app.end()
    const calls: string[] = []
    const mutationCache = new MutationCache({
      onMutate: () => void calls.push('mutate'),
      onError: ({ message }) => void calls.push(`error: ${message}`),
      onSettled: () => void calls.push('settled'),
    })
    await open(new QueryClient({ mutationCache, defaultOptions: { queries: { staleTime: Infinity } } }))
    const mutationFn = vi.fn(rename.mutationFn)
    const onMutate = () => {
      throw new Error('mine')
    }
    await expect(app.mutate({ ...rename, mutationFn, onMutate }, 'new')).rejects.toThrow('mine')
    expect(mutationFn).not.toHaveBeenCalled()
    expect(app.data(ROWS)).toEqual([row(1, 'old')])
    expect(calls).toEqual(['mutate', 'error: mine', 'settled'])
    expect(statuses()).toEqual(['failed'])
  })

  it('stays over a query that the app resets, or removes and writes anew', async () => {
    void app.mutate(rename, 'new')
    await pass()
    void app.queryClient.resetQueries({ queryKey: ROWS })
    await pass()
    expect(app.data(ROWS)).toEqual([row(1, 'new')])
    app.queryClient.removeQueries({ queryKey: ROWS })
    app.queryClient.setQueryData(ROWS, [row(1, 'again')])
    expect(app.data(ROWS)).toEqual([row(1, 'new')])
    response.reject(refusal())
    await pass()
    expect(app.data(ROWS)).toEqual([row(1, 'again')])
  })

  it('ends as it would when the app clears its client meanwhile', async () => {
    const done = app.mutate(rename, 'new')
    await pass()
    app.queryClient.clear()
    response.resolve(row(1, 'new'))
    await expect(done).resolves.toEqual(row(1, 'new'))
    await pass(10_000)
    expect(statuses()).toEqual([])
    expect(app.errors).toEqual([])
  })
})
