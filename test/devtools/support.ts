import { MutationObserver, QueryClient, QueryObserver, type QueryKey } from '@tanstack/query-core'
import { z } from 'zod'
import { RealtimeQueryBridge, type RealtimeQueryBridgeOptions } from '../../src/bridge.ts'
import type { RealtimeError } from '../../src/core/errors.ts'
import type { ServerMessage } from '../../src/core/protocol/messages.ts'
import { drop, invalidate, patch, upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, on, type EventTable } from '../../src/core/routing/event-table.ts'
import { realtimeMutationOptions } from '../../src/mutation-options.ts'
import { createFakeTransport, type FakeTransportOptions } from '../../src/testing/fake-transport.ts'

export interface Task {
  readonly id: number
  readonly title: string
}

const Task = z.object({ id: z.number(), title: z.string() })

export const events = defineEvents({
  'task.saved': on(Task, (task) => [upsert(['tasks', 'list'], task), invalidate(['stats'])]),
  'task.renamed': on(Task, ({ id, title }) => patch(['tasks', 'detail', id], id, { title })),
  'task.deleted': on(z.object({ id: z.number() }), ({ id }) => drop(['tasks', 'detail', id])),
  nothing: on(z.unknown(), () => []),
})

export const TOPIC = 'board:1'

type WireEvent = Extract<ServerMessage, { t: 'events' }>['events'][number]

/** A started bridge whose server is the test. Everything waits for the test to say so. */
export function createRig(
  options: Partial<RealtimeQueryBridgeOptions<EventTable>> = {},
  transportOptions: FakeTransportOptions = {},
) {
  const queryClient = new QueryClient({
    defaultOptions: { queries: { staleTime: Infinity, retry: false } },
  })
  const transport = createFakeTransport(transportOptions)
  const errors: RealtimeError[] = []
  const bridge = new RealtimeQueryBridge<EventTable>({
    queryClient,
    events,
    transport,
    topics: [TOPIC],
    random: () => 0.5,
    onError: (error) => errors.push(error),
    ...options,
  })
  const unmounts: (() => void)[] = []
  let offset = 0
  const rig = {
    bridge,
    queryClient,
    transport,
    errors,
    /** Opens the connection, and makes the topic live. */
    connect() {
      const { connection } = transport
      connection.open()
      connection.deliver(
        { t: 'welcome', connectionId: '1' },
        { t: 'subscribed', topic: TOPIC, outcome: 'fresh', position: { epoch: 'e', offset } },
      )
    },
    start() {
      queryClient.mount()
      bridge.start()
      rig.connect()
    },
    /** The next events of the topic, in one frame. */
    push(...pushed: readonly (Omit<WireEvent, 'offset'> & { readonly skip?: number })[]) {
      const numbered = pushed.map(({ skip = 0, ...event }) => ({ ...event, offset: (offset += 1 + skip) }))
      transport.connection.deliver({ t: 'events', topic: TOPIC, epoch: 'e', events: numbered })
    },
    /** A query on screen, with this data. */
    observe(queryKey: QueryKey, data: unknown, queryFn: () => unknown = () => new Promise(() => undefined)) {
      if (data !== undefined) queryClient.setQueryData(queryKey, data)
      unmounts.push(new QueryObserver(queryClient, { queryKey, queryFn }).subscribe(() => undefined))
    },
    /** Renames a task; the request is what the test makes of it. */
    rename(task: Task, request: () => Promise<unknown>) {
      const mutation = realtimeMutationOptions(bridge, {
        mutationKey: ['rename'],
        mutationFn: request,
        optimistic: (renamed: Task) => upsert(['tasks', 'list'], renamed),
      })
      const observer = new MutationObserver(queryClient, mutation)
      return observer.mutate(task).catch(() => undefined)
    },
    end() {
      for (const unmount of unmounts) unmount()
      bridge.stop()
      queryClient.unmount()
      queryClient.clear()
    },
  }
  return rig
}

export type Rig = ReturnType<typeof createRig>
