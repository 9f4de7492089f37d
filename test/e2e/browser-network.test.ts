/** What only a browser does: its "offline" is silence on an open socket, and it keeps pages for the way back. */
import { build } from 'esbuild'
import { chromium, type Browser, type Page } from 'playwright'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CHROMIUM_ARGS, findChromium } from '../../scripts/chromium.mjs'
import { LiveServer } from '../support/live-server.ts'
import type { NetworkPage } from './support/network-page.ts'
import { serve } from './support/page-server.ts'
import { WAIT_MS } from './support/board-window.ts'

declare const app: NetworkPage

describe('a page in a browser', () => {
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
    const options = {
      executablePath,
      args: CHROMIUM_ARGS,
      ignoreDefaultArgs: ['--disable-back-forward-cache'],
    }
    browser = await chromium.launch(options)
    script = (await bundle).outputFiles[0]!.text
  })
  afterAll(() => browser.close())

  async function open() {
    const server = await LiveServer.start()
    const front = await serve(server.port, {
      '/page.html': `<!doctype html><script>${script.replaceAll('</', '<\\/')}</script>`,
      '/elsewhere.html': '<!doctype html>…',
      '/favicon.ico': '',
    })
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(`${front.origin}/page.html`)
    await isLive(page)
    await expect.poll(() => page.evaluate(() => app.rows())).toEqual([])
    server.requests.length = 0
    const end = async () => {
      await context.close()
      front.close()
      await server.kill()
    }
    return { server, front, context, page, end }
  }

  const isLive = (page: Page) =>
    page.waitForFunction(() => app.status() === 'live', undefined, { timeout: WAIT_MS })

  async function hasSeen(page: Page, seq: number) {
    await expect
      .poll(() => page.evaluate(() => app.seen()), { timeout: WAIT_MS })
      .toEqual(Array.from({ length: seq }, (_, index) => index + 1))
  }

  it('that goes offline, without a word from its socket, is not live for long, and misses nothing', async () => {
    const { server, context, page, end } = await open()
    const told = page.evaluate(
      () =>
        new Promise((resolve) => {
          addEventListener('offline', () => {
            resolve([app.status(), app.isLive(), app.isConnected()])
          })
        }),
    )
    await context.setOffline(true)
    // At once, and not by the heartbeat: the connection is still there.
    expect(await told).toEqual(['offline', false, true])
    for (let id = 1; id <= 20; id++) await server.save('a', { id, title: `while offline ${id}` })
    expect(await page.evaluate(() => app.rows())).toEqual([])
    await context.setOffline(false)
    await isLive(page)
    await hasSeen(page, await server.mark('a'))
    expect(await page.evaluate(() => app.rows())).toEqual(server.rows('a'))
    expect(server.requests).toEqual([])
    expect(await page.evaluate(() => app.statuses)).toContain('offline')
    await end()
  })

  it('that flaps ten times misses nothing, and has one connection', async () => {
    const { server, context, page, end } = await open()
    for (let id = 1; id <= 10; id++) {
      await context.setOffline(true)
      await server.save('a', { id, title: `flap ${id}` })
      await context.setOffline(false)
    }
    await hasSeen(page, await server.mark('a'))
    expect(await page.evaluate(() => app.rows())).toEqual(server.rows('a'))
    await expect.poll(() => server.connections.open, { timeout: WAIT_MS }).toBe(1)
    expect(server.requests).toEqual([])
    await end()
  })

  it('that comes from the back/forward cache has a new connection, and what it has missed', async () => {
    const { server, front, page, end } = await open()
    await page.goto(`${front.origin}/elsewhere.html`)
    for (let id = 1; id <= 5; id++) await server.save('a', { id, title: `while away ${id}` })
    // A page from the cache does not load again.
    await page.goBack({ waitUntil: 'commit' })
    await isLive(page)
    await hasSeen(page, await server.mark('a'))
    // The same page, not a new one.
    expect(await page.evaluate(() => app.shows)).toEqual([false, true])
    expect(await page.evaluate(() => app.rows())).toEqual(server.rows('a'))
    expect(server.requests).toEqual([])
    expect(server.connections).toMatchObject({ open: 1, most: 1 })
    await end()
  })

  it('that is frozen and thawed misses nothing', async () => {
    const { server, context, page, end } = await open()
    const devtools = await context.newCDPSession(page)
    await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })
    for (let id = 1; id <= 5; id++) await server.save('a', { id, title: `while frozen ${id}` })
    await devtools.send('Page.setWebLifecycleState', { state: 'active' })
    await hasSeen(page, await server.mark('a'))
    await isLive(page)
    expect(await page.evaluate(() => app.rows())).toEqual(server.rows('a'))
    await expect.poll(() => server.connections.open, { timeout: WAIT_MS }).toBe(1)
    expect(server.requests).toEqual([])
    await end()
  })
})
