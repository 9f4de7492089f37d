/** L10 for mutations: what the last user has begun shows nothing to the next one, however it ends. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { patch, upsert } from '../../src/core/routing/effects.ts'
import { answer, createApp, pass, refusal, ROWS, type Answer, type App, type Row } from './support.ts'

describe('a mutation under way when another user comes', () => {
  let app: App
  let response: Answer<Row>

  beforeEach(async () => {
    vi.useFakeTimers()
    app = createApp()
    response = answer()
    await pass()
    app.serve(ROWS, [{ id: 1, title: 'of ada' }])
    app.observe(ROWS)
    await pass()
    void app.mutate(
      {
        mutationFn: () => response.promise,
        optimistic: () => patch(['rows'], 1, { title: 'guess of ada' }),
        confirm: (row: Row) => upsert(['rows', 'list'], row),
      },
      undefined,
    )
    await pass()
    expect(app.data(ROWS)).toEqual([{ id: 1, title: 'guess of ada' }])
    app.serve(ROWS, [{ id: 1, title: 'of bob' }])
    app.bridge.setIdentity('bob')
    expect(app.data(ROWS)).toBeUndefined()
  })
  afterEach(() => {
    app.end()
    vi.useRealTimers()
  })

  it('shows nothing any more, at once and after the fetch', async () => {
    expect(app.bridge.pendingMutations()).toEqual([])
    await pass(1_000)
    expect(app.data(ROWS)).toEqual([{ id: 1, title: 'of bob' }])
  })

  it('confirms nothing when its response comes', async () => {
    await pass(1_000)
    const { length } = app.fetches
    response.resolve({ id: 1, title: 'answer to ada' })
    await pass(10_000)
    expect(app.data(ROWS)).toEqual([{ id: 1, title: 'of bob' }])
    expect(app.bridge.pendingMutations()).toEqual([])
    expect(app.fetches).toHaveLength(length)
  })

  it('is no failure of the next user when it is refused', async () => {
    await pass(1_000)
    response.reject(refusal())
    await pass(10_000)
    expect(app.data(ROWS)).toEqual([{ id: 1, title: 'of bob' }])
    expect(app.bridge.pendingMutations()).toEqual([])
    expect(app.errors).toEqual([])
  })
})
