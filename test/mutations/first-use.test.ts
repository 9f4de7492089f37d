/** Mutations come to a bridge when the app first makes one: whatever has happened before is known to them. */
import { dehydrate, hydrate, MutationObserver, onlineManager, QueryClient } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { patch } from '../../src/core/routing/effects.ts'
import { realtimeMutationOptions } from '../../src/mutation-options.ts'
import { answer, createApp, pass, ROWS, type App } from './support.ts'

const rename = {
  mutationKey: ['rename'],
  mutationFn: () => answer().promise,
  optimistic: (title: string) => patch(['rows'], 1, { title }),
}

/** A paused mutation, as the page before has left it. */
function leftBehind() {
  const queryClient = new QueryClient()
  onlineManager.setOnline(false)
  void new MutationObserver(queryClient, {
    mutationKey: rename.mutationKey,
    mutationFn: rename.mutationFn,
  }).mutate('mine' as never)
  return dehydrate(queryClient)
}

describe('the first mutation of a running bridge', () => {
  let app: App
  beforeEach(async () => {
    vi.useFakeTimers()
    app = createApp()
    app.serve(ROWS, [{ id: 1, title: 'a' }])
    app.observe(ROWS)
    await pass()
    await pass(1_000)
  })
  afterEach(() => {
    app.end()
    onlineManager.setOnline(true)
    vi.useRealTimers()
  })

  it('has nothing to tell before', () => {
    expect(app.bridge.pendingMutations()).toBe(app.bridge.pendingMutations(['rows']))
    expect(app.bridge.pendingMutations()).toEqual([])
    expect(app.bridge.isOwn({ mutationId: 'm1' })).toBe(false)
    expect(app.bridge.keyOf(7)).toBe(7)
  })

  it('is told to who has subscribed before there were any', async () => {
    const statuses: string[][] = []
    const unsubscribe = app.bridge.subscribePending(() => {
      statuses.push(app.bridge.pendingMutations().map(({ status }) => status))
    })
    void app.mutate(rename, 'mine')
    await pass()
    unsubscribe()
    expect(statuses.at(-1)).toEqual(['saving'])
  })

  it('lies over what was fetched and received before, and over a fetch in flight', async () => {
    const gate = answer<undefined>()
    app.serve(ROWS, [{ id: 1, title: 'b' }], { gate: gate.promise })
    app.source.push({ type: 'rows.changed', data: 0 })
    await pass(1_000)
    void app.mutate(rename, 'mine')
    await pass()
    expect(app.data(ROWS)).toEqual([{ id: 1, title: 'mine' }])
    gate.resolve(undefined)
    await pass(1_000)
    expect(app.data(ROWS)).toEqual([{ id: 1, title: 'mine' }])
    expect(app.bridge.inspect(ROWS)).toMatchObject({ base: [{ id: 1, title: 'b' }], pending: ['m1'] })
  })

  it('is one that a persister brings back, when only its defaults are set', async () => {
    const options = realtimeMutationOptions(app.bridge, rename)
    app.queryClient.setMutationDefaults(rename.mutationKey, options as never)
    hydrate(app.queryClient, leftBehind())
    await pass()
    expect(app.data(ROWS)).toEqual([{ id: 1, title: 'mine' }])
    expect(app.bridge.pendingMutations()).toMatchObject([{ status: 'queued', variables: 'mine' }])
  })

  it('is shown by a bridge that starts again', async () => {
    const options = realtimeMutationOptions(app.bridge, rename)
    app.queryClient.setMutationDefaults(rename.mutationKey, options as never)
    app.bridge.stop()
    hydrate(app.queryClient, leftBehind())
    await pass()
    expect(app.data(ROWS)).toEqual([{ id: 1, title: 'a' }])
    app.bridge.start()
    expect(app.data(ROWS)).toEqual([{ id: 1, title: 'mine' }])
  })
})
