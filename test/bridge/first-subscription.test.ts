/**
 * Between the start of a first fetch and the subscription an event may have been missed. Fetching again is safe;
 * the server's `quietMs` tells when it is not needed.
 */
import { QueryClient, QueryObserver } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../src/bridge.ts'
import { upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { createFakeTransport } from '../../src/testing/fake-transport.ts'

const events = defineEvents({ 'row.saved': on(z.object({ id: z.number() }), (row) => upsert(['rows'], row)) })
const position = { epoch: 'e', offset: 7 }

describe('a first subscription', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  async function mountAndConnect() {
    const queryClient = new QueryClient()
    const transport = createFakeTransport()
    const bridge = new RealtimeQueryBridge({ queryClient, events, transport })
    const fetches: Record<string, number> = {}
    const observe = (key: string, topics: string[]) =>
      new QueryObserver(queryClient, {
        queryKey: [key],
        staleTime: Infinity,
        meta: { topics },
        queryFn: () => {
          fetches[key] = (fetches[key] ?? 0) + 1
          return []
        },
      }).subscribe(() => undefined)
    bridge.start()
    const unmounts = [observe('rows', ['board:1']), observe('others', ['board:2']), observe('plain', [])]
    await vi.advanceTimersByTimeAsync(400)
    transport.connection.open()
    await vi.advanceTimersByTimeAsync(0)
    transport.connection.deliver({ t: 'welcome', connectionId: 'c' })
    const end = () => {
      for (const unmount of unmounts) unmount()
      bridge.stop()
      queryClient.clear()
    }
    return { transport, bridge, fetches, end }
  }

  const fresh = (topic: string, quietMs?: number) =>
    ({ t: 'subscribed', topic, outcome: 'fresh', position, quietMs }) as const

  it('asks for the topics of the mounted queries in one message', async () => {
    const { transport, end } = await mountAndConnect()
    expect(transport.connection.sent).toEqual([
      { t: 'hello', clientId: expect.any(String) as string },
      { t: 'subscribe', topics: [{ topic: 'board:1' }, { topic: 'board:2' }] },
    ])
    end()
  })

  it.each([
    ['fetches again when the topic was not quiet since the fetch began', 399, 2],
    ['fetches again when the server does not know', undefined, 2],
    ['does not fetch again when nothing has happened since the fetch began', 401, 1],
  ])('%s', async (_, quietMs, expected) => {
    const { transport, bridge, fetches, end } = await mountAndConnect()
    transport.connection.deliver(fresh('board:1', quietMs), fresh('board:2', 10_000))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(fetches).toEqual({ rows: expected, others: 1, plain: 1 })
    expect(bridge.status.status).toBe('live')
    end()
  })

  it.each([
    ['fetches again what was read before the event', 300, 2],
    ['does not fetch again what was read after it', 700, 1],
  ])('%s, when the clock was set back in between', async (_, quietMs, expected) => {
    const { transport, fetches, end } = await mountAndConnect()
    vi.setSystemTime(Date.now() - 3_600_000)
    await vi.advanceTimersByTimeAsync(200)
    transport.connection.deliver(fresh('board:1', quietMs), fresh('board:2', 10_000))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(fetches).toEqual({ rows: expected, others: 1, plain: 1 })
    end()
  })

  it('fetches only what a topic keeps live when it is reset (L2)', async () => {
    const { transport, fetches, end } = await mountAndConnect()
    transport.connection.deliver(fresh('board:1', 10_000), fresh('board:2', 10_000))
    await vi.advanceTimersByTimeAsync(1_000)
    transport.connection.deliver({
      t: 'subscribed',
      topic: 'board:1',
      outcome: 'reset',
      position: { epoch: 'f', offset: 0 },
    })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(fetches).toEqual({ rows: 2, others: 1, plain: 1 })
    end()
  })
})
