import { QueryClient, QueryObserver } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { RealtimeQueryBridge, type RealtimeQueryBridgeOptions } from '../../src/bridge.ts'
import type { RealtimeError } from '../../src/core/errors.ts'
import { invalidate } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { createFakeTransport } from '../../src/testing/fake-transport.ts'
import { PLAIN, settled } from '../session/rig.ts'

const events = defineEvents({ changed: on(z.unknown(), () => invalidate([])) })

describe('a bridge that no event can reach', () => {
  const ends: (() => void)[] = []
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    for (const end of ends.splice(0)) end()
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  async function connect(options: Partial<RealtimeQueryBridgeOptions<typeof events>> = {}, meta = {}) {
    const queryClient = new QueryClient()
    const transport = createFakeTransport({ heartbeat: false })
    const errors: RealtimeError[] = []
    const bridge = new RealtimeQueryBridge({
      queryClient,
      events,
      transport,
      onError: (error) => errors.push(error),
      ...options,
    })
    bridge.start()
    const observer = new QueryObserver(queryClient, { queryKey: ['a'], queryFn: () => 1, meta })
    const unmount = observer.subscribe(() => undefined)
    ends.push(() => {
      unmount()
      bridge.stop()
      queryClient.clear()
    })
    const greet = async () => {
      transport.connection.open()
      await settled()
      transport.connection.deliver({ t: 'welcome', connectionId: '1' })
    }
    return { errors, transport, bridge, greet }
  }

  it('says so once, a while after it has connected', async () => {
    const { errors, transport, greet } = await connect()
    await greet()
    vi.advanceTimersByTime(4_999)
    expect(errors).toEqual([])
    vi.advanceTimersByTime(1)
    expect(errors).toMatchObject([{ code: 'usage' }])
    expect(errors[0]?.message).toContain('no topic is wanted')
    transport.connection.end()
    vi.advanceTimersByTime(10_000)
    await greet()
    vi.advanceTimersByTime(10_000)
    expect(errors).toHaveLength(1)
  })

  it('says nothing when a query names topics, or the bridge does', async () => {
    const named = await connect({}, { topics: ['x'] })
    await named.greet()
    const given = await connect({ topics: ['x'] })
    await given.greet()
    vi.advanceTimersByTime(9_000)
    expect([...named.errors, ...given.errors]).toEqual([])
  })

  it('says nothing for a plain backend, nor when it has stopped by then', async () => {
    const plain = createFakeTransport({ ...PLAIN, heartbeat: false })
    const { errors } = await connect({ transport: plain })
    plain.connection.open()
    const stopped = await connect()
    await stopped.greet()
    stopped.bridge.stop()
    vi.advanceTimersByTime(10_000)
    expect([...errors, ...stopped.errors]).toEqual([])
  })
})
