/** The page of `offline.test.ts`: rows over REST, and mutations that survive it. Bundled, and run in a browser. */
import { MutationObserver, onlineManager, QueryClient, QueryObserver } from '@tanstack/query-core'
import { createStore, del, get, set } from 'idb-keyval'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../../src/bridge.ts'
import { patch, upsert } from '../../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../../src/core/routing/event-table.ts'
import { realtimeMutationOptions } from '../../../src/mutation-options.ts'
import { persistMutations, type PersistedMutationQueue } from '../../../src/persist/index.ts'
import { createPushSource } from '../../support/push-source.ts'

export interface Row {
  readonly id: string
  readonly title: string
}

const ROWS = ['rows']

const params = new URLSearchParams(location.search)
onlineManager.setOnline(!params.has('offline'))

const queryClient = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity, retry: false } } })
const errors: string[] = []
const bridge = new RealtimeQueryBridge({
  queryClient,
  events: defineEvents({ nothing: on(z.unknown(), () => []) }),
  transport: createPushSource().transport,
  onError: ({ message }) => errors.push(message),
})

async function send(path: string, body: unknown, mutationId: string): Promise<Row> {
  const headers = { 'Idempotency-Key': mutationId, 'X-Page': params.get('page') ?? '' }
  const response = await fetch(path, { method: 'POST', body: JSON.stringify(body), headers })
  if (!response.ok) throw Object.assign(new Error('refused'), { status: response.status })
  return (await response.json()) as Row
}

const create = realtimeMutationOptions(bridge, {
  mutationKey: ['create'],
  mutationFn: (variables: { title: string }, { mutationId }) => send('/create', variables, mutationId),
  optimistic: ({ title }, { mutationId }) => upsert(ROWS, { id: mutationId, title }),
  confirm: (row) => upsert(ROWS, row),
})
const rename = realtimeMutationOptions(bridge, {
  mutationKey: ['rename'],
  mutationFn: (variables: Row, { mutationId }) => send('/rename', variables, mutationId),
  optimistic: ({ id, title }: Row) => patch(ROWS, id, { title }),
})
queryClient.setMutationDefaults(['create'], create as never)
queryClient.setMutationDefaults(['rename'], rename as never)
queryClient.mount()
queryClient.setQueryData(ROWS, [])
bridge.start()

const store = createStore('app', 'mutations')
const offline = persistMutations({
  bridge,
  persister: {
    persistClient: (client) => set('mutations', client, store),
    restoreClient: () => get<PersistedMutationQueue>('mutations', store),
    removeClient: () => del('mutations', store),
  },
})

new QueryObserver(queryClient, {
  queryKey: ROWS,
  queryFn: async () => (await fetch('/rows')).json() as Promise<Row[]>,
}).subscribe(() => undefined)

/** What the test asks. */
const app = {
  errors,
  restored: offline.restored,
  rows: () => queryClient.getQueryData<Row[]>(ROWS) ?? [],
  pending: () => bridge.pendingMutations().length,
  async create(title: string) {
    void new MutationObserver<Row, Error, { title: string }>(queryClient, create as never).mutate({ title })
    await offline.flush()
  },
  async rename(id: string, title: string) {
    void new MutationObserver<Row, Error, Row>(queryClient, rename as never).mutate({ id, title })
    await offline.flush()
  },
  goOnline: () => {
    onlineManager.setOnline(true)
  },
}
export type OfflinePage = typeof app
Object.assign(globalThis, { app })
