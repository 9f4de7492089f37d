import {
  experimental_createQueryPersister,
  persistQueryClient,
  type PersistedClient,
} from '@tanstack/query-persist-client-core'
import { dehydrate, hydrate, QueryObserver } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { dehydrateBase, serializeBase } from '../../src/persist/index.ts'
import { COUNT, createBrowser, pass, ROWS, type Browser, type Page } from './support.ts'

const OLD = { id: 'row-0', title: 'old' }

describe('TanStack’s own persistence', () => {
  let browser: Browser
  /** What its persister has written last. */
  let saved: PersistedClient | undefined

  const persister = {
    persistClient: (client: PersistedClient) => {
      saved = structuredClone(client)
    },
    restoreClient: () => structuredClone(saved),
    removeClient: () => {
      saved = undefined
    },
  }

  beforeEach(() => {
    vi.useFakeTimers()
    saved = undefined
    browser = createBrowser()
    browser.server.rows.push(OLD)
  })
  afterEach(() => {
    browser.close()
    vi.useRealTimers()
  })

  async function persist(page: Page) {
    const { queryClient, bridge } = page
    const [unsubscribe, restored] = persistQueryClient({
      queryClient,
      persister,
      dehydrateOptions: dehydrateBase(bridge),
    })
    await restored
    return unsubscribe
  }

  it('brings paused mutations back under their own ids, over the confirmed data, and they are sent once', async () => {
    const before = browser.openPage({ isPersisted: false })
    const unsubscribe = await persist(before)
    before.show()
    await pass()
    browser.goOffline()
    void before.create('draft')
    await pass()
    void before.rename('m1', 'final')
    void before.grow()
    await pass()
    expect(before.titles()).toEqual(['old', 'final'])
    unsubscribe()
    before.kill()
    expect(saved?.clientState.queries.map(({ state }) => state.data)).toEqual([[OLD], 0])

    const after = browser.openPage({ isPersisted: false })
    const end = await persist(after)
    expect(after.titles()).toEqual(['old', 'final'])
    expect(after.count()).toBe(1)
    expect(after.pending()).toEqual(['m1', 'm2', 'm3'])
    after.show()
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.applied).toEqual(['m1', 'm3', 'm2'])
    expect(after.rows()).toEqual([OLD, { id: 'row-1', title: 'final' }])
    expect(after.codes()).toEqual([])
    end()
  })

  it('keeps the queries while persistMutations keeps the mutations', async () => {
    const before = browser.openPage()
    const unsubscribe = await persist(before)
    before.show()
    await pass()
    browser.goOffline()
    void before.rename('row-0', 'new')
    await pass()
    expect(saved?.clientState).toMatchObject({ mutations: [], queries: [{ state: { data: [OLD] } }, {}] })
    unsubscribe()
    before.kill()

    const after = browser.openPage()
    const end = await persist(after)
    await after.offline.restored
    expect(after.titles()).toEqual(['new'])
    after.show()
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.applied).toEqual(['m1'])
    expect(after.titles()).toEqual(['new'])
    expect(browser.stored()).toEqual([])
    end()
  })

  it('does not send twice what both have restored', async () => {
    const before = browser.openPage()
    browser.goOffline()
    void before.create('draft')
    await pass()
    // Without dehydrateBase, TanStack keeps the mutation as well.
    const state = dehydrate(before.queryClient)
    before.kill()
    const after = browser.openPage()
    hydrate(after.queryClient, state)
    await after.offline.restored
    expect(after.pending()).toEqual(['m1'])
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.received).toMatchObject([{ mutationId: 'm1' }])

    const other = browser.openPage()
    await other.offline.restored
    hydrate(other.queryClient, state)
    await pass(1_000)
    await other.queryClient.resumePausedMutations()
    expect(browser.server.applied).toEqual(['m1'])
  })

  it('stores the base of each query, also where two show the same', async () => {
    const page = browser.openPage()
    page.queryClient.setQueryData(COUNT, 4)
    page.queryClient.setQueryData(['other'], 5)
    browser.goOffline()
    void page.grow()
    await pass()
    expect(page.count()).toBe(5)
    const { queries } = dehydrate(page.queryClient, dehydrateBase(page.bridge))
    expect(queries.map(({ queryKey, state }) => [queryKey, state.data])).toEqual([
      [COUNT, 4],
      [['other'], 5],
    ])
  })

  it('calls the options of the app with the base', async () => {
    const page = browser.openPage({ isPersisted: false })
    page.queryClient.setQueryData(COUNT, 4)
    page.queryClient.setQueryData(['other'], 5)
    browser.goOffline()
    void page.grow()
    await pass()
    const options = dehydrateBase(page.bridge, {
      serializeData: (data) => ({ data: data as unknown }),
      shouldDehydrateQuery: ({ queryKey }) => queryKey !== COUNT && queryKey[0] === 'count',
      shouldDehydrateMutation: () => false,
    })
    const { queries, mutations } = dehydrate(page.queryClient, options)
    expect(queries.map(({ state }) => state.data)).toEqual([])
    expect(mutations).toEqual([])
    const all = dehydrate(page.queryClient, {
      ...options,
      shouldDehydrateQuery: dehydrateBase(page.bridge).shouldDehydrateQuery!,
    })
    expect(all.queries).toHaveLength(2)
  })

  it('serializes the promise of a query that is pending as it comes', async () => {
    const page = browser.openPage({ isPersisted: false })
    const promise = page.queryClient.fetchQuery({
      queryKey: ['late'],
      queryFn: () => Promise.resolve('data'),
    })
    const { queries } = dehydrate(
      page.queryClient,
      dehydrateBase(page.bridge, { shouldDehydrateQuery: () => true }),
    )
    await promise
    await expect(queries[0]!.promise).resolves.toBe('data')
  })

  it('per query (experimental_createQueryPersister) stores the base too', async () => {
    const items = new Map<string, string>()
    const storage = {
      getItem: (key: string) => items.get(key),
      setItem: (key: string, value: string) => void items.set(key, value),
      removeItem: (key: string) => void items.delete(key),
    }
    const open = (page: Page) => {
      const { persisterFn, persistQueryByKey } = experimental_createQueryPersister({
        storage,
        serialize: serializeBase(page.bridge),
      })
      const observer = new QueryObserver(page.queryClient, {
        queryKey: ROWS,
        queryFn: () => [...browser.server.rows],
        persister: persisterFn,
      })
      observer.subscribe(() => undefined)
      return () => persistQueryByKey(ROWS, page.queryClient)
    }
    const before = browser.openPage()
    const save = open(before)
    await pass()
    browser.goOffline()
    void before.rename('row-0', 'new')
    await pass()
    expect(before.titles()).toEqual(['new'])
    await save()
    expect(
      [...items.values()].map((text) => (JSON.parse(text) as { state: { data: unknown } }).state.data),
    ).toEqual([[OLD]])
    before.kill()

    const after = browser.openPage()
    await after.offline.restored
    open(after)
    await pass()
    expect(after.titles()).toEqual(['new'])
    expect(after.bridge.inspect(ROWS)?.base).toEqual([OLD])
    after.bridge.pendingMutations()[0]!.discard()
    expect(after.titles()).toEqual(['old'])
  })
})
