import 'fake-indexeddb/auto'
import { createAsyncStoragePersister } from '@tanstack/query-async-storage-persister'
import { createSyncStoragePersister } from '@tanstack/query-sync-storage-persister'
import { clear, createStore, del, get, set } from 'idb-keyval'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  persistMutations,
  type MutationPersister,
  type PersistedMutationQueue,
} from '../../src/persist/index.ts'
import {
  asyncPersister,
  createBrowser,
  type createStorage,
  pass,
  STORE_KEY,
  type Browser,
} from './support.ts'

type Storage = ReturnType<typeof createStorage>

/** As TanStack's docs write one over IndexedDB. */
const idb = createStore('app', 'mutations')
const idbPersister: MutationPersister = {
  persistClient: (client) => set(STORE_KEY, client, idb),
  restoreClient: () => get<PersistedMutationQueue>(STORE_KEY, idb),
  removeClient: () => del(STORE_KEY, idb),
}

const PERSISTERS: Record<string, (storage: Storage) => MutationPersister> = {
  'async storage, not throttled': asyncPersister,
  'async storage, throttled by its default': (storage) =>
    createAsyncStoragePersister({ storage, key: STORE_KEY }),
  'sync storage, not throttled': (storage) =>
    createSyncStoragePersister({ storage, key: STORE_KEY, throttleTime: 0 }),
  'sync storage, throttled by its default': (storage) =>
    createSyncStoragePersister({ storage, key: STORE_KEY }),
}

let browser: Browser

afterEach(() => {
  browser.close()
  vi.useRealTimers()
})

describe.each(Object.entries(PERSISTERS))('over %s', (_, create) => {
  it('every write counts: three tabs that write at once, and an heir', async () => {
    vi.useFakeTimers()
    browser = createBrowser(create)
    browser.goOffline()
    const pages = [browser.openPage(), browser.openPage(), browser.openPage()]
    for (const page of pages) for (const title of ['a', 'b']) void page.create(title)
    await pass(10_000)
    expect(browser.stored().sort()).toEqual(['m1', 'm2', 'm3', 'm4', 'm5', 'm6'])
    expect(pages.flatMap((page) => page.codes())).toEqual([])
    for (const page of pages) page.kill()
    const heir = browser.openPage()
    await pass(10_000)
    expect(heir.pending().sort()).toEqual(['m1', 'm2', 'm3', 'm4', 'm5', 'm6'])
    browser.goOnline()
    await pass(10_000)
    expect(browser.server.applied.sort()).toEqual(['m1', 'm2', 'm3', 'm4', 'm5', 'm6'])
    expect(browser.stored()).toEqual([])
  })

  it('what cannot be stored is told, runs, and is in the way of nobody', async () => {
    vi.useFakeTimers()
    browser = createBrowser(create)
    const page = browser.openPage()
    browser.goOffline()
    void page.grow({ amount: 1n })
    void page.create('draft')
    void page.grow({ at: new Date() })
    await pass(30_000)
    expect(browser.stored()).toEqual(['m2'])
    expect(page.errors).toMatchObject([
      { code: 'persist-failed', details: { mutationId: 'm1' } },
      { code: 'persist-failed', details: { mutationId: 'm3' } },
    ])
    browser.goOnline()
    await pass(30_000)
    expect(browser.server.applied.sort()).toEqual(['m1', 'm2', 'm3'])
    expect(browser.stored()).toEqual([])
  })
})

describe('over IndexedDB', () => {
  it('what is plain data, and what only a clone keeps, comes back', async () => {
    browser = createBrowser(() => idbPersister)
    browser.goOffline()
    const page = browser.openPage()
    const variables: Record<string, unknown> = { amount: 1n, at: new Date(5), tags: new Set(['a']) }
    variables['bytes'] = new Uint8Array([1, 2])
    variables['self'] = variables
    void page.grow(variables)
    void page.create('draft')
    await page.offline.flush()
    void page.grow({ onDone: () => undefined })
    await page.offline.flush()
    expect(page.errors).toMatchObject([{ code: 'persist-failed', details: { mutationId: 'm3' } }])
    page.kill()
    const after = browser.openPage()
    await after.offline.restored
    expect(after.bridge.pendingMutations().map(({ variables }) => variables)).toEqual([
      variables,
      { title: 'draft' },
    ])
    browser.goOnline()
    await expect.poll(() => browser.server.applied).toEqual(['m1', 'm2'])
    await after.offline.flush()
    await clear(idb)
  })
})

describe('a store', () => {
  it('that is full is told, and used again when there is room', async () => {
    vi.useFakeTimers()
    browser = createBrowser()
    const page = browser.openPage()
    await page.offline.restored
    browser.goOffline()
    browser.storage.quota = 10
    void page.create('draft')
    await pass(30_000)
    expect(page.codes()).toEqual(['persist-failed'])
    expect(browser.stored()).toEqual([])
    browser.storage.quota = Infinity
    void page.create('another')
    await pass(30_000)
    expect(browser.stored()).toEqual(['m1', 'm2'])
    expect(page.codes()).toEqual(['persist-failed'])
  })

  it('that is damaged is told, and emptied', async () => {
    vi.useFakeTimers()
    browser = createBrowser()
    browser.storage.items.set(STORE_KEY, '{"no json')
    const page = browser.openPage()
    await page.offline.restored
    expect(page.codes()).toEqual(['given-up'])
    browser.goOffline()
    void page.create('draft')
    await pass()
    expect(browser.stored()).toEqual(['m1'])
  })

  it('that cannot be read is told, and tried again; the app runs', async () => {
    vi.useFakeTimers()
    browser = createBrowser()
    browser.goOffline()
    const before = browser.openPage()
    void before.create('draft')
    await pass()
    before.kill()
    const { getItem } = browser.storage
    browser.storage.getItem = () => {
      throw new Error('blocked')
    }
    const page = browser.openPage()
    await page.offline.restored
    expect(page.codes()).toEqual(['persist-failed'])
    browser.storage.getItem = getItem
    browser.goOnline()
    void page.create('another')
    await pass(1_000)
    expect(browser.server.applied).toEqual(['m2', 'm1'])
    expect(browser.stored()).toEqual([])
  })

  it('that keeps queries is another one: it is left as it is', async () => {
    vi.useFakeTimers()
    browser = createBrowser()
    const text = JSON.stringify({ timestamp: 1, buster: '', clientState: { mutations: [], queries: [{}] } })
    browser.storage.items.set(STORE_KEY, text)
    const page = browser.openPage()
    await page.offline.restored
    void page.create('draft')
    await pass(1_000)
    expect(new Set(page.codes())).toEqual(new Set(['usage']))
    expect(browser.storage.items.get(STORE_KEY)).toBe(text)
  })

  it('is not written to when nothing is pending, and not for what changes only on screen', async () => {
    vi.useFakeTimers()
    browser = createBrowser()
    const page = browser.openPage()
    page.show()
    await pass(1_000)
    expect(browser.storage.writes).toBe(0)
    browser.goOffline()
    void page.create('draft')
    await pass(1_000)
    const { writes } = browser.storage
    page.bridge.write([])
    page.queryClient.setQueryData(['other'], 1)
    await pass(1_000)
    expect(browser.storage.writes).toBe(writes)
  })
})

describe('variables that go in a circle', () => {
  it('are told, and run', async () => {
    vi.useFakeTimers()
    browser = createBrowser()
    const page = browser.openPage()
    browser.goOffline()
    const variables: { self?: unknown } = {}
    variables.self = variables
    void page.grow(variables)
    await pass(30_000)
    expect(page.codes()).toEqual(['persist-failed'])
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.applied).toEqual(['m1'])
  })
})

describe('the app is told once', () => {
  it('of a mutation without a key, and of a key without options', async () => {
    vi.useFakeTimers()
    browser = createBrowser()
    const page = browser.openPage({ hasRename: false })
    browser.goOffline()
    for (const title of ['a', 'b']) void page.rename('row-0', title)
    await pass()
    expect(page.codes()).toEqual(['usage'])
    expect(page.errors[0]?.message).toMatch('setMutationDefaults')
  })

  it('of persisting the mutations of one bridge twice', () => {
    browser = createBrowser()
    const { bridge, offline } = browser.openPage()
    const persister = asyncPersister(browser.storage)
    expect(() => persistMutations({ bridge, persister, locks: null })).toThrow('already')
    offline.stop()
    persistMutations({ bridge, persister, locks: null }).stop()
  })
})
