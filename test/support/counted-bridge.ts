import { QueryClient } from '@tanstack/react-query'
import { act } from '@testing-library/react'
import { vi } from 'vitest'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../src/bridge.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { upsert } from '../../src/core/routing/effects.ts'
import type { Transport } from '../../src/core/transport.ts'
import { createPushSource } from './push-source.ts'

export const Task = z.object({ id: z.string(), title: z.string() })
export type Task = z.infer<typeof Task>

/** A bridge for components under fake timers, whose connections are counted: `open` now, `opened` ever. */
export function createCountedBridge() {
  const source = createPushSource()
  const connections = { open: 0, opened: 0 }
  const transport: Transport = {
    ...source.transport,
    connect(handlers) {
      connections.open += 1
      connections.opened += 1
      const connection = source.transport.connect(handlers)
      return {
        ...connection,
        close: () => {
          connections.open -= 1
          connection.close()
        },
      }
    },
  }
  const events = defineEvents({ 'task.saved': on(Task, (task) => upsert(['tasks'], task)) })
  const queryClient = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity, retry: false } } })
  const bridge = new RealtimeQueryBridge({ queryClient, events, transport, onError: vi.fn() })
  return { bridge, queryClient, source, connections }
}

/** Lets fake time pass, and React with it. */
export const settle = (ms = 50) => act(() => vi.advanceTimersByTimeAsync(ms))
