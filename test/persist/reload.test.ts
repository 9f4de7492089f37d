import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createBrowser, pass, ROWS, type Browser, type Page } from './support.ts'

describe('a page that is reloaded', () => {
  let browser: Browser

  beforeEach(() => {
    vi.useFakeTimers()
    browser = createBrowser()
    browser.server.rows.push({ id: 'row-0', title: 'old' })
  })
  afterEach(() => {
    browser.close()
    vi.useRealTimers()
  })

  /** A page that has its data, offline from now on. */
  async function openOffline() {
    const page = browser.openPage()
    page.show()
    await pass()
    browser.goOffline()
    return page
  }

  it('shows what is pending before it has fetched anything, and sends it under its own id', async () => {
    const before = await openOffline()
    void before.rename('row-0', 'new')
    await pass()
    before.kill()

    const after = browser.openPage()
    after.queryClient.setQueryData(ROWS, [{ id: 'row-0', title: 'old' }])
    await after.offline.restored
    after.show()
    await pass()
    expect(after.titles()).toEqual(['new'])
    expect(after.bridge.pendingMutations()).toMatchObject([{ mutationId: 'm1', status: 'queued' }])
    expect(browser.server.received).toEqual([])

    browser.goOnline()
    await pass(1_000)
    expect(browser.server.received).toMatchObject([{ page: 'page 2', mutationId: 'm1' }])
    expect(after.titles()).toEqual(['new'])
    expect(after.pending()).toEqual([])
    expect(browser.stored()).toEqual([])
  })

  it('has it when it is killed right after the mutation was accepted, with no time in between', async () => {
    const before = await openOffline()
    void before.rename('row-0', 'new')
    await before.offline.flush()
    before.kill()
    expect(browser.stored()).toEqual(['m1'])
  })

  it('sends what depends on each other in order, with the id that the server gives', async () => {
    const before = await openOffline()
    void before.create('draft')
    await pass()
    void before.rename('m1', 'final')
    await pass()
    expect(before.titles()).toEqual(['old', 'final'])
    before.kill()

    const after = browser.openPage()
    after.queryClient.setQueryData(ROWS, [{ id: 'row-0', title: 'old' }])
    await after.offline.restored
    after.show()
    await pass()
    expect(after.titles()).toEqual(['old', 'final'])
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.received).toMatchObject([
      { kind: 'create', mutationId: 'm1' },
      { kind: 'rename', mutationId: 'm2', variables: { id: 'row-1' } },
    ])
    expect(browser.server.rows).toEqual([
      { id: 'row-0', title: 'old' },
      { id: 'row-1', title: 'final' },
    ])
    expect(after.rows()).toEqual(browser.server.rows)
    expect(after.codes()).toEqual([])
  })

  it('knows the real id of what was created, when it dies before the next one was sent', async () => {
    const before = await openOffline()
    void before.create('draft')
    void before.rename('m1', 'final')
    await pass()
    const { apply } = browser.server
    browser.server.apply = (message) => {
      if (message.kind === 'rename') return new Promise(() => undefined)
      return apply(message)
    }
    browser.goOnline()
    await pass(1_000)
    expect(browser.stored()).toEqual(['m2'])
    before.kill()
    browser.server.apply = apply

    const after = browser.openPage()
    await after.offline.restored
    await pass(1_000)
    expect(browser.server.rows).toMatchObject([{ title: 'old' }, { id: 'row-1', title: 'final' }])
  })

  it('sends again what it has no answer to, and the server carries it out once', async () => {
    const before = await openOffline()
    browser.goOnline()
    browser.server.isMute = true
    void before.create('draft')
    await pass(1_000)
    expect(browser.server.rows).toHaveLength(2)
    before.kill()
    browser.server.isMute = false

    const after = browser.openPage()
    after.show()
    await after.offline.restored
    await pass(1_000)
    expect(browser.server.received.map(({ mutationId }) => mutationId)).toEqual(['m1', 'm1'])
    expect(browser.server.applied).toEqual(['m1'])
    expect(after.rows()).toEqual(browser.server.rows)
    expect(after.pending()).toEqual([])
    expect(browser.stored()).toEqual([])
  })

  it('does not show twice what counts, when the server has it already', async () => {
    const before = await openOffline()
    browser.goOnline()
    browser.server.isMute = true
    void before.grow()
    await pass(100)
    expect(browser.server.count).toBe(1)
    before.kill()
    browser.server.isMute = false

    const after = browser.openPage()
    const seen = new Set<unknown>()
    after.queryClient.getQueryCache().subscribe(() => seen.add(after.count()))
    await after.offline.restored
    after.show()
    await pass(20_000)
    expect(after.count()).toBe(1)
    expect([...seen].filter((count) => count !== undefined)).toEqual([1])
  })

  it('keeps the order of a scope', async () => {
    const before = await openOffline()
    for (const title of ['a', 'b', 'c']) void before.rename('row-0', title)
    await pass()
    before.kill()
    const after = browser.openPage()
    await after.offline.restored
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.applied).toEqual(['m1', 'm2', 'm3'])
    expect(browser.server.rows[0]?.title).toBe('c')
    expect(after.codes()).toEqual([])
  })

  it('keeps several mutations with the same variables apart', async () => {
    const before = await openOffline()
    void before.grow()
    void before.grow()
    await pass()
    before.kill()
    const after = browser.openPage()
    await after.offline.restored
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.applied).toEqual(['m1', 'm2'])
    expect(browser.server.count).toBe(2)
    expect(after.codes()).toEqual([])
  })

  it('sends under the old id also where the bridge was not started yet', async () => {
    const before = await openOffline()
    void before.rename('row-0', 'new')
    await pass()
    before.kill()
    browser.goOnline()
    const after = browser.openPage({ isStarted: false })
    await after.offline.restored
    await pass(1_000)
    expect(browser.server.applied).toEqual(['m1'])
  })

  it('shows a guess that reads a query which comes later', async () => {
    const before = await openOffline()
    void before.rename('row-0', 'new')
    await pass()
    before.kill()
    const after = browser.openPage({ readsRows: true })
    await after.offline.restored
    after.queryClient.setQueryData(ROWS, [{ id: 'row-0', title: 'old' }])
    expect(after.titles()).toEqual(['new'])
  })

  it('drops from the store what was discarded', async () => {
    const page = await openOffline()
    void page.rename('row-0', 'new')
    void page.rename('row-0', 'newer')
    await pass()
    expect(browser.stored()).toEqual(['m1', 'm2'])
    page.bridge.pendingMutations()[0]!.discard()
    await pass()
    expect(browser.stored()).toEqual(['m2'])
  })

  describe('with a mutation that was refused', () => {
    /** A page that has made one, and is reloaded. */
    async function openRefused(begin = (page: Page) => void page.rename('row-1', 'new')) {
      const before = await openOffline()
      begin(before)
      browser.goOnline()
      await pass(1_000)
      expect(before.bridge.pendingMutations()).toMatchObject([{ status: 'failed' }])
      before.kill()
      const after = browser.openPage()
      after.show()
      await after.offline.restored
      await pass(1_000)
      return after
    }

    it('lists it with its error, and shows and sends nothing of it', async () => {
      const page = await openRefused()
      const [refused] = page.bridge.pendingMutations([...ROWS])
      expect(refused).toMatchObject({
        mutationId: 'm1',
        status: 'failed',
        variables: { id: 'row-1', title: 'new' },
        itemIds: ['row-1'],
        error: { message: 'no row row-1', status: 404 },
      })
      expect(refused!.error).toBeInstanceOf(Error)
      expect(page.titles()).toEqual(['old'])
      expect(browser.server.received).toHaveLength(1)
      expect(browser.stored()).toEqual(['m1'])
      expect(page.codes()).toEqual([])
    })

    it('sends it when it is retried, as a new one', async () => {
      const page = await openRefused()
      browser.server.rows.push({ id: 'row-1', title: 'late' })
      page.bridge.pendingMutations()[0]!.retry()
      await pass(1_000)
      expect(browser.server.rows).toContainEqual({ id: 'row-1', title: 'new' })
      expect(page.titles()).toEqual(['old', 'new'])
      expect(page.pending()).toEqual([])
      expect(browser.stored()).toEqual([])
    })

    it('forgets it when it is discarded', async () => {
      const page = await openRefused()
      page.bridge.pendingMutations()[0]!.discard()
      await pass(1_000)
      expect(page.pending()).toEqual([])
      expect(browser.stored()).toEqual([])
    })

    it('makes the row, when it is retried, that a later mutation of the last page is about', async () => {
      const { apply } = browser.server
      browser.server.apply = (message) => {
        if (message.kind === 'create') throw new Error('full')
        return apply(message)
      }
      const before = await openOffline()
      void before.create('draft')
      void before.rename('m1', 'final')
      browser.goOnline()
      await pass(1_000)
      before.kill()
      browser.server.apply = apply
      const page = browser.openPage()
      page.show()
      await page.offline.restored
      await pass(1_000)
      expect(page.bridge.pendingMutations()).toMatchObject([
        { mutationId: 'm1', status: 'failed' },
        { mutationId: 'm2', status: 'failed', error: { code: 'dependency-failed' } },
      ])
      for (const mutation of page.bridge.pendingMutations()) mutation.retry()
      await pass(1_000)
      expect(page.titles()).toEqual(['old', 'final'])
      expect(browser.server.rows).toEqual(page.rows())
      expect(browser.stored()).toEqual([])
    })
  })

  describe('with the network back this very moment', () => {
    /** A page, offline, that has restored what another one has begun. */
    async function openRestored(begin: (page: Page) => void) {
      const before = await openOffline()
      begin(before)
      await pass()
      before.kill()
      const after = browser.openPage()
      after.show()
      await after.offline.restored
      await pass()
      return after
    }

    it.each<[string, (page: Page) => void]>([
      ['a creation', (page) => void page.create('new')],
      ['a mutation of a scope', (page) => void page.rename('row-0', 'new')],
      ['a mutation without variables', (page) => void page.grow()],
    ])('never sends %s that is discarded', async (_, begin) => {
      const page = await openRestored(begin)
      browser.goOnline()
      page.bridge.pendingMutations()[0]!.discard()
      await pass(60_000)
      expect(browser.server.received).toEqual([])
      expect(page.titles()).toEqual(['old'])
      expect(page.pending()).toEqual([])
      expect(browser.stored()).toEqual([])
      expect(page.codes()).toEqual([])
    })

    it.each<[string, (page: Page) => void]>([
      [
        'the next one of its scope',
        (page) => ['a', 'b'].forEach((title) => void page.rename('row-0', title)),
      ],
      ['one with the same variables', (page) => ['a', 'b'].forEach(() => void page.grow(1))],
    ])('sends %s when one is discarded', async (_, begin) => {
      const page = await openRestored(begin)
      browser.goOnline()
      page.bridge.pendingMutations()[0]!.discard()
      await pass(60_000)
      expect(browser.server.applied).toEqual(['m2'])
      expect(page.rows()).toEqual(browser.server.rows)
      expect(page.count()).toBe(browser.server.count)
      expect(page.pending()).toEqual([])
    })

    it('sends the next one of a scope when one that was begun here is discarded', async () => {
      const page = await openOffline()
      for (const title of ['a', 'b']) void page.rename('row-0', title)
      await pass()
      browser.goOnline()
      page.bridge.pendingMutations()[0]!.discard()
      await pass(60_000)
      expect(browser.server.applied).toEqual(['m2'])
      expect(page.titles()).toEqual(['b'])
    })

    it('sends nothing in the name of the next user', async () => {
      const page = await openRestored((before) => void before.create('new'))
      browser.goOnline()
      page.bridge.setIdentity('next')
      await pass(60_000)
      expect(browser.server.received).toEqual([])
      expect(page.pending()).toEqual([])
    })

    it('sends nothing that is removed from the mutation cache', async () => {
      const page = await openRestored((before) => void before.create('new'))
      browser.goOnline()
      page.queryClient.getMutationCache().clear()
      await pass(60_000)
      expect(browser.server.received).toEqual([])
      expect(page.pending()).toEqual([])
      expect(page.titles()).toEqual(['old'])
    })

    it('sends nothing that was begun here, and is removed from the mutation cache', async () => {
      const page = await openOffline()
      void page.create('new')
      await pass()
      browser.goOnline()
      page.queryClient.getMutationCache().clear()
      await pass(60_000)
      expect(browser.server.received).toEqual([])
      expect(page.titles()).toEqual(['old'])
    })
  })

  it('survives several reloads offline', async () => {
    let page = await openOffline()
    for (const title of ['a', 'b', 'c']) {
      void page.create(title)
      await pass()
      page.kill()
      page = browser.openPage()
      await page.offline.restored
    }
    expect(browser.stored()).toEqual(['m1', 'm2', 'm3'])
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.rows.map(({ title }) => title)).toEqual(['old', 'a', 'b', 'c'])
    expect(browser.stored()).toEqual([])
  })
})
