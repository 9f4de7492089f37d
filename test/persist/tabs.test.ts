import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createBrowser, pass, type Browser } from './support.ts'

describe('two tabs over one store', () => {
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

  const open = async () => {
    const page = browser.openPage()
    await page.offline.restored
    page.show()
    await pass()
    return page
  }

  it('each send their own, and neither sends that of the other', async () => {
    const one = await open()
    const two = await open()
    browser.goOffline()
    void one.create('of one')
    void two.create('of two')
    await pass()
    expect(browser.stored()).toEqual(['m1', 'm2'])
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.received).toMatchObject([
      { page: one.name, mutationId: 'm1' },
      { page: two.name, mutationId: 'm2' },
    ])
    expect(browser.stored()).toEqual([])
  })

  it('leave alone what belongs to a tab that was there before them', async () => {
    const one = await open()
    browser.goOffline()
    void one.create('of one')
    await pass()
    const two = await open()
    expect(two.pending()).toEqual([])
    void two.create('of two')
    await pass()
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.received).toMatchObject([{ page: one.name }, { page: two.name }])
  })

  it('take over what the other leaves when it dies, and show it', async () => {
    const one = await open()
    const two = await open()
    browser.goOffline()
    void one.create('draft')
    void one.rename('m1', 'final')
    await pass()
    expect(two.pending()).toEqual([])
    one.kill()
    await pass()
    expect(two.pending()).toEqual(['m1', 'm2'])
    expect(two.titles()).toEqual(['old', 'final'])
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.received).toMatchObject([
      { page: two.name, mutationId: 'm1' },
      { page: two.name, mutationId: 'm2', variables: { id: 'row-1' } },
    ])
    expect(two.rows()).toEqual(browser.server.rows)
  })

  it('take it over also when the one that dies came later', async () => {
    const one = await open()
    const two = await open()
    browser.goOffline()
    void two.create('of two')
    await pass()
    two.kill()
    await pass()
    expect(one.pending()).toEqual(['m1'])
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.received).toMatchObject([{ page: one.name, mutationId: 'm1' }])
  })

  it('take over in exactly one of those that are left', async () => {
    const [one, two, three] = [await open(), await open(), await open()]
    browser.goOffline()
    void one.create('of one')
    await pass()
    one.kill()
    await pass()
    expect([...two.pending(), ...three.pending()]).toEqual(['m1'])
    two.kill()
    await pass()
    expect(three.pending()).toEqual(['m1'])
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.received).toMatchObject([{ page: three.name, mutationId: 'm1' }])
    expect(browser.stored()).toEqual([])
  })

  it('do not lose what both write at the same time', async () => {
    const pages = [await open(), await open(), await open()]
    browser.goOffline()
    for (const page of pages) for (const title of ['a', 'b', 'c']) void page.create(title)
    await pass()
    expect(browser.stored().sort()).toEqual(['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8', 'm9'])
    for (const page of pages) page.kill()
    const heir = await open()
    expect(heir.pending()).toHaveLength(9)
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.applied).toHaveLength(9)
  })

  it('are both over when they are killed in the middle of a write, and the next has all that was written', async () => {
    const one = await open()
    browser.goOffline()
    void one.create('of one')
    await pass()
    void one.create('too late')
    one.kill()
    const next = await open()
    expect(next.pending()).toEqual(['m1'])
  })

  it('sees what it was not told of when the network comes back', async () => {
    const one = browser.openPage({
      channel: { postMessage: () => undefined, close: () => undefined, onmessage: null },
    })
    await one.offline.restored
    const two = browser.openPage({
      channel: { postMessage: () => undefined, close: () => undefined, onmessage: null },
    })
    await two.offline.restored
    browser.goOffline()
    void two.create('of two')
    await pass()
    two.kill()
    await pass()
    expect(one.pending()).toEqual([])
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.received).toMatchObject([{ page: one.name, mutationId: 'm1' }])
  })

  it('waits for the page that it replaces in its tab, which is gone a moment later', async () => {
    vi.stubGlobal('sessionStorage', browser.storage)
    const before = browser.openPage()
    await before.offline.restored
    browser.goOffline()
    void before.create('draft')
    await pass()
    const after = browser.openPage()
    let isRestored = false
    void after.offline.restored.then(() => (isRestored = true))
    await pass(500)
    expect(isRestored).toBe(false)
    before.kill()
    await pass()
    expect(isRestored).toBe(true)
    expect(after.pending()).toEqual(['m1'])
  })

  it('does not wait for long for a tab that it is a copy of', async () => {
    vi.stubGlobal('sessionStorage', browser.storage)
    const original = browser.openPage()
    await original.offline.restored
    browser.goOffline()
    void original.create('draft')
    await pass()
    const copy = browser.openPage()
    await pass(1_000)
    await copy.offline.restored
    expect(copy.pending()).toEqual([])
    original.kill()
    await pass()
    expect(copy.pending()).toEqual(['m1'])
  })

  it('leaves no lock behind when it stops', async () => {
    const page = await open()
    expect(browser.locks.held()).toHaveLength(1)
    page.offline.stop()
    await pass()
    expect(browser.locks.held()).toEqual([])
  })
})

describe('a page without locks', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('has the store for itself', async () => {
    const browser = createBrowser()
    const before = browser.openPage({ locks: null })
    browser.goOffline()
    void before.create('draft')
    await pass()
    before.kill()
    const after = browser.openPage({ locks: null })
    await after.offline.restored
    expect(after.pending()).toEqual(['m1'])
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.applied).toEqual(['m1'])
    expect(browser.stored()).toEqual([])
    browser.close()
  })

  it('is what one has to whom locks are refused', async () => {
    const browser = createBrowser()
    const before = browser.openPage({ locks: { request: () => Promise.reject(new Error('SecurityError')) } })
    browser.goOffline()
    void before.create('draft')
    await pass()
    expect(browser.stored()).toEqual(['m1'])
    expect(before.codes()).toEqual([])
    browser.close()
  })
})
