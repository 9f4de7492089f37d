import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createBrowser, pass, STORE_KEY, type Browser, type PageOptions } from './support.ts'

const DAY_MS = 24 * 60 * 60 * 1_000

describe('what is given up', () => {
  let browser: Browser

  beforeEach(() => {
    vi.useFakeTimers()
    browser = createBrowser()
    browser.goOffline()
  })
  afterEach(() => {
    browser.close()
    vi.useRealTimers()
  })

  const restore = async (options: PageOptions = {}) => {
    const page = browser.openPage(options)
    await page.offline.restored
    return page
  }

  it('is told, when it is older than a day', async () => {
    const before = await restore()
    void before.create('draft')
    await pass(1)
    const submittedAt = Date.now() - 1
    before.kill()
    await pass(DAY_MS)
    const after = await restore()
    expect(after.givenUp).toEqual([
      {
        mutationId: 'm1',
        mutationKey: ['row', 'create'],
        variables: { title: 'draft' },
        submittedAt,
        reason: 'expired',
      },
    ])
    expect(after.errors).toMatchObject([
      { code: 'given-up', details: { mutationId: 'm1', reason: 'expired' } },
    ])
    expect(after.pending()).toEqual([])
    expect(browser.stored()).toEqual([])
  })

  it('takes along what depends on it', async () => {
    const before = await restore()
    void before.create('draft')
    await pass(1_000)
    void before.rename('m1', 'final')
    void before.create('of its own')
    await pass()
    before.kill()
    await pass(DAY_MS - 500)
    const after = await restore()
    expect(after.givenUp).toMatchObject([
      { mutationId: 'm1', reason: 'expired' },
      { mutationId: 'm2', reason: 'dependency' },
    ])
    expect(after.pending()).toEqual(['m3'])
  })

  it('is what a new version does not know any more', async () => {
    const before = await restore()
    void before.rename('row-0', 'new')
    void before.create('draft')
    await pass()
    before.kill()
    const after = await restore({ hasRename: false })
    expect(after.givenUp).toMatchObject([{ mutationId: 'm1', reason: 'unknown-mutation' }])
    expect(after.pending()).toEqual(['m2'])
    expect(browser.stored()).toEqual(['m2'])
  })

  it('is what was stored under another buster, unless its tab lives', async () => {
    const dead = await restore({ buster: 'v1' })
    void dead.create('of v1')
    await pass()
    dead.kill()
    const living = await restore({ buster: 'v1' })
    expect(living.pending()).toEqual(['m1'])
    const after = await restore({ buster: 'v2' })
    expect(after.givenUp).toEqual([])
    living.kill()
    await pass()
    expect(after.givenUp).toMatchObject([{ mutationId: 'm1', reason: 'outdated' }])
  })

  it('is the newest, where fewer may be stored than there are', async () => {
    const before = await restore()
    for (const title of ['a', 'b', 'c']) void before.create(title)
    await pass()
    before.kill()
    const after = await restore({ maxCount: 2 })
    expect(after.givenUp).toMatchObject([{ mutationId: 'm3', reason: 'too-many' }])
    expect(after.pending()).toEqual(['m1', 'm2'])
  })

  it('is refused ones before others, the oldest first, when there is no room', async () => {
    const page = await restore({ maxCount: 3 })
    browser.goOnline()
    for (const id of ['one', 'two', 'three']) void page.rename(id, 'refused')
    await pass(1_000)
    expect(browser.stored()).toEqual(['m1', 'm2', 'm3'])
    browser.goOffline()
    void page.create('draft')
    void page.create('another')
    await pass()
    expect(browser.stored()).toEqual(['m3', 'm4', 'm5'])
    void page.create('third')
    void page.create('fourth')
    await pass()
    expect(browser.stored()).toEqual(['m4', 'm5', 'm6'])
    expect(page.errors).toMatchObject([{ code: 'persist-failed', details: { mutationId: 'm7' } }])
    expect(page.bridge.pendingMutations()).toHaveLength(7)
  })

  it('is not what has no room while its page lives: it is told, runs, and is stored when there is room', async () => {
    const page = await restore({ maxCount: 2 })
    const other = await restore({ maxCount: 2 })
    void other.create('a')
    void page.create('b')
    void page.create('c')
    await pass()
    expect(browser.stored()).toEqual(['m1', 'm2'])
    expect(page.errors).toMatchObject([{ code: 'persist-failed', details: { mutationId: 'm3' } }])
    expect(page.givenUp).toEqual([])
    page.bridge.pendingMutations()[0]!.discard()
    await pass()
    expect(browser.stored()).toEqual(['m1', 'm3'])
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.applied.sort()).toEqual(['m1', 'm3'])
  })

  it('is what a user leaves who signs out', async () => {
    const page = await restore({ identity: 'mina' })
    void page.create('draft')
    await pass()
    page.bridge.setIdentity('theo')
    await pass()
    expect(page.givenUp).toMatchObject([{ mutationId: 'm1', reason: 'signed-out' }])
    expect(browser.stored()).toEqual([])
    browser.goOnline()
    await pass(1_000)
    expect(browser.server.received).toEqual([])
  })

  it('is not what belongs to another user: it waits for that one, and nobody is told what was in it', async () => {
    const mina = await restore({ identity: 'mina' })
    void mina.create('of mina')
    await pass()
    mina.kill()
    const page = await restore({ identity: null })
    expect(page.pending()).toEqual([])
    page.bridge.setIdentity('theo')
    await pass()
    expect(page.pending()).toEqual([])
    expect(browser.stored()).toEqual(['m1'])
    page.bridge.setIdentity('mina')
    await pass()
    expect(page.pending()).toEqual(['m1'])
    page.kill()

    await pass(DAY_MS + 1)
    const theo = await restore({ identity: 'theo' })
    expect(theo.givenUp).toEqual([])
    expect(theo.codes()).toEqual(['given-up'])
    expect(JSON.stringify(theo.errors)).not.toContain('of mina')
    expect(browser.stored()).toEqual([])
  })

  it('is what cannot be read', async () => {
    const before = await restore()
    void before.create('draft')
    await pass()
    before.kill()
    const text = browser.storage.items.get(STORE_KEY)!
    browser.storage.items.set(
      STORE_KEY,
      text.replace('"mutations":[', '"mutations":[{"mutationKey":[1]},null,'),
    )
    const after = await restore()
    expect(after.pending()).toEqual(['m1'])
    expect(after.codes()).toEqual(['given-up'])
    expect(browser.stored()).toEqual(['m1'])
  })

  it('is not what a newer version has stored', async () => {
    const before = await restore()
    void before.create('draft')
    await pass()
    before.kill()
    const text = browser.storage.items.get(STORE_KEY)!
    browser.storage.items.set(STORE_KEY, text.replace('"version":1', '"version":2'))
    const after = await restore()
    void after.create('another')
    await pass()
    expect(after.codes()).toEqual([])
    expect(browser.stored()).toEqual(['m1', 'm2'])
  })

  it('is told also where the listener throws', async () => {
    const before = await restore()
    void before.create('draft')
    await pass()
    before.kill()
    const onGivenUp = () => {
      throw new Error('of the app')
    }
    const after = await restore({ buster: 'v2', onGivenUp })
    expect(after.codes()).toEqual(['given-up', 'listener-failed'])
  })
})
