/** A browser with tabs over one store and one network, and a server that knows mutations by their ids. */
import { createAsyncStoragePersister } from '@tanstack/query-async-storage-persister'
import {
  MutationObserver,
  onlineManager,
  QueryClient,
  QueryObserver,
  type MutationObserverOptions,
} from '@tanstack/query-core'
import { vi } from 'vitest'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../src/bridge.ts'
import type { RealtimeError } from '../../src/core/errors.ts'
import { patch, update, upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import { positioned } from '../../src/features.ts'
import { realtimeMutationOptions } from '../../src/mutation-options.ts'
import {
  persistMutations,
  type GivenUpMutation,
  type MutationPersister,
  type PersistMutationsOptions,
} from '../../src/persist/index.ts'
import { createPushSource } from '../support/push-source.ts'
import { createLockManager } from './lock-manager.ts'

export interface Row {
  readonly id: string
  readonly title: string
}

export const ROWS = ['rows'] as const
export const COUNT = ['count'] as const

export const CREATE = ['row', 'create'] as const
export const RENAME = ['row', 'rename'] as const
export const GROW = ['count', 'grow'] as const

const Row = z.object({ id: z.string(), title: z.string() })
const events = defineEvents({ 'row.saved': on(Row, (row) => upsert(ROWS, row)) })

/** What came to the server. */
export interface Received {
  readonly page: string
  readonly mutationId: string
  readonly kind: 'create' | 'rename' | 'grow'
  readonly variables: unknown
  /** A page that has sent it before, and lives. */
  readonly alsoBy?: string | undefined
}

/** Lets everything that is due run. */
export const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms)

export function createServer() {
  const rows: Row[] = []
  const answers = new Map<string, unknown>()
  let ids = 0
  const server = {
    rows,
    count: 0,
    received: [] as Received[],
    /** Mutations in the order in which they were carried out. */
    applied: [] as string[],
    /** Its answers get lost from now on. */
    isMute: false,
    /** How many of its answers break off from now on. No mutation meets that so often that it is not sent again. */
    breaks: 0,
    broken: new Map<string, number>(),
    apply({ mutationId, kind, variables }: Received): unknown {
      if (answers.has(mutationId)) return answers.get(mutationId)
      server.applied.push(mutationId)
      const answer = change(kind, variables)
      answers.set(mutationId, answer)
      return answer
    },
  }
  function change(kind: Received['kind'], variables: unknown): unknown {
    if (kind === 'grow') return ++server.count
    if (kind === 'create') {
      const row = { id: `row-${++ids}`, title: (variables as { title: string }).title }
      rows.push(row)
      return row
    }
    const { id, title } = variables as Row
    const index = rows.findIndex((row) => row.id === id)
    if (index < 0) throw Object.assign(new Error(`no row ${id}`), { status: 404 })
    rows[index] = { id, title }
    return rows[index]
  }
  return server
}

export interface PageOptions extends Partial<Omit<PersistMutationsOptions, 'bridge'>> {
  readonly identity?: string | null
  /** False: the app has no such mutation any more. */
  readonly hasRename?: boolean
  readonly isStarted?: boolean
  /** False: the app leaves it to TanStack. */
  readonly isPersisted?: boolean
  readonly queryClient?: QueryClient
  /** Rename guesses from what it reads. */
  readonly readsRows?: boolean
}

/** @param createPersister - over the one store; called once for each page. */
export function createBrowser(
  createPersister?: (storage: ReturnType<typeof createStorage>) => MutationPersister,
) {
  const server = createServer()
  const storage = createStorage()
  const locks = createLockManager()
  const channels = new Set<{ onmessage: ((event: never) => unknown) | null }>()
  const pages: { readonly name: string; kill(): void; isDead(): boolean }[] = []
  let mutationIds = 0
  onlineManager.setOnline(true)

  function openPage({
    identity = null,
    hasRename = true,
    isStarted = true,
    isPersisted = true,
    readsRows = false,
    queryClient = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: Infinity } } }),
    ...options
  }: PageOptions = {}) {
    const name = `page ${pages.length + 1}`
    let isDead = false
    const never = new Promise<never>(() => undefined)
    const errors: RealtimeError[] = []
    const givenUp: GivenUpMutation[] = []
    const own = locks.forPage()
    const bridge = new RealtimeQueryBridge({
      queryClient,
      events,
      identity,
      transport: createPushSource().transport,
      random: () => 0.5,
      createId: () => `m${++mutationIds}`,
      onError: (error) => errors.push(error),
    })

    async function send(kind: Received['kind'], variables: unknown, mutationId: string): Promise<unknown> {
      await Promise.resolve()
      if (isDead) return never
      const before = server.received.filter((one) => one.mutationId === mutationId && one.page !== name)
      const alsoBy = before.find(({ page }) => !pages.some((one) => one.name === page && one.isDead()))?.page
      const message = { page: name, mutationId, kind, variables, alsoBy }
      server.received.push(message)
      const answer = server.apply(message)
      await Promise.resolve()
      if (isDead || server.isMute) return never
      const failures = server.broken.get(mutationId) ?? 0
      if (server.breaks > 0 && failures < 3) {
        server.breaks--
        server.broken.set(mutationId, failures + 1)
        throw new TypeError('network failed')
      }
      return answer
    }
    const create = realtimeMutationOptions(bridge, {
      mutationKey: CREATE,
      mutationFn: (variables: { title: string }, { mutationId }) =>
        send('create', variables, mutationId) as Promise<Row>,
      optimistic: ({ title }, { mutationId }) => upsert(ROWS, { id: mutationId, title }),
      confirm: (row) => upsert(ROWS, row),
      settle: 'refetch',
    })
    const rename = realtimeMutationOptions(bridge, {
      mutationKey: RENAME,
      mutationFn: (variables: Row, { mutationId }) => send('rename', variables, mutationId),
      optimistic: ({ id, title }: Row, { get }) => {
        if (!readsRows) return patch(ROWS, id, { title })
        const row = (get(ROWS) as Row[] | undefined)?.find((one) => one.id === id)
        return row ? upsert(ROWS, { ...row, title }) : []
      },
      settle: 'refetch',
      scope: { id: 'rename' },
    })
    const grow = realtimeMutationOptions(bridge, {
      mutationKey: GROW,
      mutationFn: (variables: unknown, { mutationId }) => send('grow', variables, mutationId),
      optimistic: () => update(COUNT, (count) => (count as number) + 1),
      idempotent: false,
      settle: 'refetch',
    })
    queryClient.setMutationDefaults(CREATE, create as never)
    if (hasRename) queryClient.setMutationDefaults(RENAME, rename as never)
    queryClient.setMutationDefaults(GROW, grow as never)
    queryClient.mount()
    if (isStarted) bridge.start()

    const store = (createPersister ?? asyncPersister)(storage)
    const alive =
      <TArgs extends unknown[], TResult>(call: (...args: TArgs) => TResult) =>
      (...args: TArgs) =>
        isDead ? (never as TResult) : call(...args)
    const persister: MutationPersister = {
      persistClient: alive((client) => store.persistClient(client)),
      restoreClient: alive(() => store.restoreClient()),
      removeClient: alive(() => store.removeClient()),
    }
    const channel = {
      onmessage: null as ((event: never) => unknown) | null,
      postMessage() {
        for (const other of channels)
          if (other !== channel) queueMicrotask(() => other.onmessage?.({} as never))
      },
      close: () => channels.delete(channel),
    }
    channels.add(channel)
    const offline = isPersisted
      ? persistMutations({
          bridge,
          persister,
          locks: own.locks,
          channel,
          onGivenUp: (mutations) => givenUp.push(...mutations),
          ...options,
        })
      : undefined

    const unmounts: (() => void)[] = []
    const mutate = <TVariables>(mutation: unknown, variables: TVariables) => {
      const observer = new MutationObserver(
        queryClient,
        mutation as MutationObserverOptions<unknown, Error, TVariables>,
      )
      const promise = observer.mutate(variables)
      promise.catch(() => undefined)
      return promise
    }
    const page = {
      name,
      bridge,
      queryClient,
      errors,
      givenUp,
      offline: offline!,
      options: { create, rename, grow },
      /** Shows the rows, and the count: they are fetched when the network lets them. */
      show() {
        for (const [queryKey, read] of [
          [ROWS, () => [...server.rows]],
          [COUNT, () => server.count],
        ] as const) {
          const queryFn = positioned(bridge, () => (isDead ? never : (read() as unknown)))
          unmounts.push(new QueryObserver(queryClient, { queryKey, queryFn }).subscribe(() => undefined))
        }
      },
      rows: () => queryClient.getQueryData<Row[]>(ROWS),
      titles: () => queryClient.getQueryData<Row[]>(ROWS)?.map(({ title }) => title),
      count: () => queryClient.getQueryData<number>(COUNT),
      create: (title: string) => mutate(create, { title }),
      rename: (id: string, title: string) => mutate(rename, { id, title }),
      grow: (variables?: unknown) => mutate(grow, variables),
      isDead: () => isDead,
      pending: () => bridge.pendingMutations().map(({ mutationId }) => mutationId),
      codes: () => errors.map(({ code }) => code),
      /** The process ends: nothing of the page runs any more. */
      kill() {
        if (isDead) return
        isDead = true
        own.kill()
        channels.delete(channel)
        offline?.stop()
        for (const unmount of unmounts) unmount()
        bridge.stop()
        queryClient.unmount()
      },
    }
    pages.push(page)
    return page
  }

  return {
    server,
    storage,
    locks,
    openPage,
    goOffline: () => {
      onlineManager.setOnline(false)
    },
    goOnline: () => {
      onlineManager.setOnline(true)
    },
    /** The mutationIds that are stored, with the number of their owner. */
    stored: () => storage.stored(),
    close() {
      for (const page of pages) page.kill()
      onlineManager.setOnline(true)
    },
  }
}

export type Browser = ReturnType<typeof createBrowser>
export type Page = ReturnType<Browser['openPage']>

export const STORE_KEY = 'mutations'

export function createStorage() {
  const items = new Map<string, string>()
  return {
    items,
    writes: 0,
    /** More text than this is refused, as a full disk does. */
    quota: Infinity,
    getItem: (key: string) => items.get(key) ?? null,
    setItem(key: string, value: string) {
      if (value.length > this.quota) throw new Error('QuotaExceededError')
      this.writes++
      items.set(key, value)
    },
    removeItem: (key: string) => {
      items.delete(key)
    },
    stored(): string[] {
      const text = items.get(STORE_KEY)
      if (text === undefined) return []
      const { clientState } = JSON.parse(text) as {
        clientState: { mutations: { realtime: { mutationId: string } }[] }
      }
      return clientState.mutations.map(({ realtime }) => realtime.mutationId)
    },
  }
}

export const asyncPersister = (storage: ReturnType<typeof createStorage>): MutationPersister =>
  createAsyncStoragePersister({ storage, key: STORE_KEY, throttleTime: 0 })
