/** Real tabs of one browser over one socket of a real server, whatever happens to the tab that holds it. */
import { build } from 'esbuild'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CHROMIUM_ARGS, findChromium } from '../../scripts/chromium.mjs'
import { LiveServer } from '../support/live-server.ts'
import { WAIT_MS } from './support/board-window.ts'
import type { NetworkPage } from './support/network-page.ts'
import { serve } from './support/page-server.ts'

declare const app: NetworkPage

describe('tabs that share a connection', () => {
  let browser: Browser
  let script: string

  beforeAll(async () => {
    const executablePath = findChromium()
    if (executablePath === undefined) throw new Error('No Chromium: node scripts/ensure-chromium.mjs')
    const bundle = build({
      entryPoints: [new URL('support/network-page.ts', import.meta.url).pathname],
      bundle: true,
      write: false,
      format: 'iife',
      define: { 'process.env.NODE_ENV': '"production"' },
      logLevel: 'error',
    })
    // Playwright turns it off; people have it.
    const ignoreDefaultArgs = ['--disable-back-forward-cache']
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS, ignoreDefaultArgs })
    script = (await bundle).outputFiles[0]!.text
  })
  afterAll(() => browser.close())

  const isLive = (page: Page) =>
    page.waitForFunction(() => app.status() === 'live', undefined, { timeout: WAIT_MS })

  /** Every write up to `seq`, each once and in order. */
  async function haveSeen(pages: readonly Page[], seq: number) {
    for (const page of pages) {
      await expect
        .poll(() => page.evaluate(() => app.seen()), { timeout: WAIT_MS })
        .toEqual(Array.from({ length: seq }, (_, index) => index + 1))
    }
  }

  async function openTab(context: BrowserContext, origin: string): Promise<Page> {
    const page = await context.newPage()
    await page.goto(`${origin}/page.html?shared`)
    await isLive(page)
    return page
  }

  /** The first of three tabs holds the connection. */
  async function open() {
    const server = await LiveServer.start()
    const front = await serve(server.port, {
      '/page.html': `<!doctype html><script>${script.replaceAll('</', '<\\/')}</script>`,
      '/elsewhere.html': '<!doctype html>…',
      '/favicon.ico': '',
    })
    const context = await browser.newContext()
    const tabs = [
      await openTab(context, front.origin),
      await openTab(context, front.origin),
      await openTab(context, front.origin),
    ] as const
    await haveSeen(tabs, 0)
    const end = async () => {
      await context.close()
      front.close()
      await server.kill()
    }
    return { server, front, context, tabs, end }
  }

  /** Writes go on meanwhile, one every few ms. */
  async function during(server: LiveServer, what: () => Promise<unknown>): Promise<void> {
    const burst = server.burst('a', 60, 5)
    await what()
    await burst
  }

  async function isShared(server: LiveServer, rest: readonly Page[]) {
    await haveSeen(rest, await server.mark('a'))
    for (const page of rest) expect(await page.evaluate(() => app.rows())).toEqual(server.rows('a'))
    await expect.poll(() => server.connections.open, { timeout: WAIT_MS }).toBe(1)
  }

  it('has one socket for all of them, and each event comes to each once and in order', async () => {
    const { server, tabs, end } = await open()
    await server.burst('a', 50)
    await isShared(server, tabs)
    expect(server.connections).toMatchObject({ open: 1, most: 1, ever: 1 })
    await end()
  })

  it('loses nothing when the tab that holds it is closed, and takes one that is opened', async () => {
    const { server, front, context, tabs, end } = await open()
    const [holder, ...rest] = tabs
    await during(server, () => holder.close({ runBeforeUnload: false }))
    await isShared(server, rest)
    const late = await openTab(context, front.origin)
    await expect.poll(() => late.evaluate(() => app.rows()), { timeout: WAIT_MS }).toEqual(server.rows('a'))
    expect(server.connections.open).toBe(1)
    await end()
  })

  it('loses nothing when the tab that holds it is reloaded', async () => {
    const { server, tabs, end } = await open()
    const [holder, ...rest] = tabs
    await during(server, () => holder.reload())
    await isShared(server, rest)
    await isLive(holder)
    await expect.poll(() => server.connections.open, { timeout: WAIT_MS }).toBe(1)
    await end()
  })

  it('loses nothing when the tab that holds it crashes', async () => {
    const { server, context, tabs, end } = await open()
    const [holder, ...rest] = tabs
    const devtools = await context.newCDPSession(holder)
    const crashed = new Promise((resolve) => holder.once('crash', resolve))
    await during(server, async () => {
      devtools.send('Page.crash').catch(() => undefined)
      await crashed
    })
    await isShared(server, rest)
    await end()
  })

  it('loses nothing when the tab that holds it is frozen, which is back when it thaws', async () => {
    const { server, context, tabs, end } = await open()
    const [holder, ...rest] = tabs
    const devtools = await context.newCDPSession(holder)
    await during(server, () => devtools.send('Page.setWebLifecycleState', { state: 'frozen' }))
    await isShared(server, rest)
    await devtools.send('Page.setWebLifecycleState', { state: 'active' })
    await haveSeen([holder], server.seq('a'))
    await isShared(server, tabs)
    await end()
  })

  it('loses nothing when the tab that holds it goes into the back/forward cache, which is back when it is', async () => {
    const { server, front, tabs, end } = await open()
    const [holder, ...rest] = tabs
    await during(server, () => holder.goto(`${front.origin}/elsewhere.html`))
    await isShared(server, rest)
    await holder.goBack({ waitUntil: 'commit' })
    await isLive(holder)
    expect(await holder.evaluate(() => app.shows)).toEqual([false, true])
    await haveSeen([holder], server.seq('a'))
    await isShared(server, tabs)
    await end()
  })

  it('loses nothing when the tab that holds it hangs, which is not told and keeps its lock', async () => {
    const { server, tabs, end } = await open()
    const [holder, ...rest] = tabs
    const hung = holder.evaluate(() => {
      for (const end = Date.now() + 20_000; Date.now() < end;);
    })
    await server.burst('a', 60, 5)
    await haveSeen(rest, await server.mark('a'))
    await hung
    await isShared(server, tabs)
    await end()
  })

  it('loses nothing when the server ends the connection of all', async () => {
    const { server, tabs, end } = await open()
    await server.burst('a', 20)
    server.cut()
    await server.burst('a', 20)
    await isShared(server, tabs)
    await end()
  })
})
