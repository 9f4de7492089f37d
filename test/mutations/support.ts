import {
  MutationObserver,
  notifyManager,
  QueryClient,
  QueryObserver,
  type MutationObserverOptions,
  type QueryKey,
} from '@tanstack/query-core'
import { vi } from 'vitest'
import { z } from 'zod'
import { RealtimeQueryBridge, type BridgeLimits } from '../../src/bridge.ts'
import type { Position } from '../../src/core/event.ts'
import type { RealtimeError } from '../../src/core/errors.ts'
import { invalidate, remove, update, upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { positioned } from '../../src/features.ts'
import { realtimeMutationOptions, type RealtimeMutationOptions } from '../../src/mutation-options.ts'
import { createPushSource } from '../support/push-source.ts'

export interface Row {
  readonly id: string | number
  readonly title: string
  readonly done?: boolean | undefined
}

const Row = z.object({
  id: z.union([z.string(), z.number()]),
  title: z.string(),
  done: z.boolean().optional(),
})

export const ROWS = ['rows', 'list'] as const

export const events = defineEvents({
  'row.saved': on(Row, (row) => upsert(['rows', 'list'], row)),
  'row.removed': on(Row.pick({ id: true }), ({ id }) => remove(['rows', 'list'], id)),
  'rows.changed': on(z.unknown(), () => invalidate(['rows', 'list'])),
  'count.grew': on(z.unknown(), () => update(['count'], (count) => (count as number) + 1)),
  'row.broken': on(z.unknown(), () =>
    update(['rows', 'list'], () => {
      throw new Error('mine')
    }),
  ),
  nothing: on(z.unknown(), () => []),
})

export interface Answer<TData = unknown> {
  readonly promise: Promise<TData>
  resolve(data: TData): void
  reject(error: unknown): void
}

/** A promise that the test settles. */
export function answer<TData = unknown>(): Answer<TData> {
  let resolve!: (data: TData) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<TData>((res, rej) => {
    resolve = res
    reject = rej
  })
  return { promise, resolve, reject }
}

/** Lets everything that is due run. */
export const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms)

/** When `mutate` has called `onMutate`: at once, and a microtask later in the oldest TanStack Query. */
export const begun = () => Promise.resolve()

export const refusal = () => Object.assign(new Error('refused'), { status: 409 })
export const lost = () => new TypeError('network failed')

export function createApp({
  limits,
  isKit = false,
  queryClient = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: Infinity } } }),
}: {
  limits?: Partial<BridgeLimits>
  /** The transport speaks rqb.v1, as the server kit does: nothing decodes plain messages. */
  isKit?: boolean
  queryClient?: QueryClient | undefined
} = {}) {
  const source = createPushSource()
  const errors: RealtimeError[] = []
  let ids = 0
  const bridge = new RealtimeQueryBridge({
    queryClient,
    events,
    transport: isKit ? { ...source.transport, decode: undefined } : source.transport,
    limits,
    random: () => 0.5,
    createId: () => `m${++ids}`,
    onError: (error) => errors.push(error),
  })
  /** What the server would answer, by key, and where it stands. */
  const state = new Map<
    string,
    { data: unknown; position?: Position | undefined; gate?: Promise<void> | undefined }
  >()
  const fetches: string[] = []
  /** Everything a component has been told to render, by key. */
  const seen = new Map<string, unknown[]>()
  const unmounts: (() => void)[] = []
  queryClient.mount()
  bridge.start()
  const nameOf = (queryKey: QueryKey) => JSON.stringify(queryKey)
  return {
    bridge,
    queryClient,
    source,
    errors,
    fetches,
    /** Sets what the server answers from now on; `gate` holds the response back. */
    serve(queryKey: QueryKey, data: unknown, more: { position?: Position; gate?: Promise<void> } = {}) {
      state.set(nameOf(queryKey), { data, ...more })
    },
    observe(queryKey: QueryKey) {
      const name = nameOf(queryKey)
      const observer = new QueryObserver(queryClient, {
        queryKey,
        queryFn: positioned(bridge, async ({ received }) => {
          fetches.push(name)
          const { data, position, gate } = state.get(name) ?? { data: undefined }
          await gate
          if (position) received({ topic: position })
          return data
        }),
      })
      const list: unknown[] = []
      seen.set(name, list)
      unmounts.push(
        // As React does: told in batches, it reads what is current then.
        observer.subscribe(
          notifyManager.batchCalls(() => {
            const { data } = observer.getCurrentResult()
            if (data !== undefined && data !== list.at(-1)) list.push(data)
          }),
        ),
      )
    },
    seen: (queryKey: QueryKey) => seen.get(nameOf(queryKey)) ?? [],
    data: (queryKey: QueryKey) => queryClient.getQueryData(queryKey),
    mutate<TData, TVariables>(
      options: RealtimeMutationOptions<TData, Error, TVariables>,
      variables: TVariables,
    ) {
      const observer = new MutationObserver(
        queryClient,
        realtimeMutationOptions(bridge, options) as MutationObserverOptions<TData, Error, TVariables>,
      )
      const promise = observer.mutate(variables)
      promise.catch(() => undefined)
      return promise
    },
    end() {
      for (const unmount of unmounts) unmount()
      bridge.stop()
      queryClient.unmount()
      queryClient.clear()
    },
  }
}

export type App = ReturnType<typeof createApp>
