import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { update } from '../../src/core/routing/effects.ts'
import { answer, createApp, pass, ROWS, type App, type Row } from './support.ts'

const at = (offset: number) => ({ epoch: 'e', offset })
const row = (id: Row['id'], title: string): Row => ({ id, title })
const broken = () => {
  throw new Error('mine')
}

describe('an effect that throws over what is shown', () => {
  let app: App

  beforeEach(async () => {
    vi.useFakeTimers()
    app = createApp()
    await pass()
  })
  afterEach(() => {
    app.end()
    vi.useRealTimers()
  })

  it('is told of once when it is a guess, however often that runs', async () => {
    app.serve(ROWS, [row(1, 'old')])
    app.observe(ROWS)
    await pass()
    void app.mutate(
      {
        mutationFn: () => answer<Row>().promise,
        optimistic: (_: void, { get }) => {
          get(ROWS)
          return update(ROWS, broken)
        },
        settle: 'echo',
      },
      undefined,
    )
    await pass()
    app.source.push({ type: 'row.saved', data: row(1, 'of others') })
    await pass(100)
    app.source.push({ type: 'row.saved', data: row(1, 'of others again') })
    await pass(100)
    expect(app.data(ROWS)).toEqual([row(1, 'of others again')])
    expect(app.errors.map(({ code, message }) => [code, message])).toEqual([
      [
        'effect-failed',
        `[realtime-query-bridge] The effect "update" failed on the query ${JSON.stringify(ROWS)}: mine`,
      ],
    ])
  })

  it('is told of once when it lies beside a list that has missed something', async () => {
    app.serve(ROWS, [row(1, 'old')], { position: at(1) })
    app.observe(ROWS)
    void app.mutate({ mutationFn: () => answer<Row>().promise, optimistic: () => [] }, undefined)
    await pass()
    const gate = answer<void>()
    app.serve(ROWS, [row(1, 'new')], { position: at(2), gate: gate.promise })
    app.source.push({ type: 'rows.changed', data: 0, topic: 'topic', position: at(2) })
    await pass(500)
    app.source.push({ type: 'row.broken', data: 0, topic: 'topic', position: at(3) })
    await pass(100)
    app.source.push({ type: 'row.saved', data: row(1, 'newer'), topic: 'topic', position: at(4) })
    await pass(100)
    expect(app.data(ROWS)).toEqual([row(1, 'newer')])
    expect(app.errors.map(({ code, message }) => [code, message])).toEqual([
      [
        'effect-failed',
        `[realtime-query-bridge] The effect "update" of the event "row.broken" failed on the query ${JSON.stringify(ROWS)}: mine`,
      ],
    ])
  })
})
