import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { build } from 'esbuild'
import type { Browser, BrowserContext, Page } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { launchBrowser, WAIT_MS } from './support/board-window.ts'
import type { OfflinePage, Row } from './support/offline-page.ts'

declare const app: OfflinePage

/** Rows over REST, which are changed once for each idempotency key. */
async function startRows(script: string) {
  const rows: Row[] = []
  const answers = new Map<string, Row>()
  const received: { page: string; path: string; key: string }[] = []
  let isMute = false

  function change(path: string, { id, title }: Row): Row {
    const row = { id: path === '/create' ? `row-${rows.length + 1}` : id, title }
    const index = rows.findIndex((one) => one.id === id)
    if (index < 0) rows.push(row)
    else rows[index] = row
    return row
  }

  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? ''
    if (path === '/')
      return void response.writeHead(200, { 'content-type': 'text/html' }).end(`<script>${script}</script>`)
    if (path === '/rows') return void response.end(JSON.stringify(rows))
    if (request.method !== 'POST') return void response.writeHead(404).end()
    const key = String(request.headers['idempotency-key'])
    received.push({ page: String(request.headers['x-page']), path, key })
    void textOf(request).then((text) => {
      const answer = answers.get(key) ?? change(path, JSON.parse(text) as Row)
      answers.set(key, answer)
      if (!isMute) response.end(JSON.stringify(answer))
    })
  }).listen(0)
  await once(server, 'listening')
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    rows,
    received,
    /** Carries out what comes, and answers nothing. */
    mute(value: boolean) {
      isMute = value
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

describe('pending mutations in a real browser', () => {
  let browser: Browser
  let script: string
  let context: BrowserContext
  let server: Awaited<ReturnType<typeof startRows>>

  beforeAll(async () => {
    const bundle = build({
      entryPoints: [new URL('support/offline-page.ts', import.meta.url).pathname],
      bundle: true,
      write: false,
      format: 'iife',
      define: { 'process.env.NODE_ENV': '"production"' },
      logLevel: 'error',
    })
    browser = await launchBrowser()
    script = (await bundle).outputFiles[0]!.text
  })
  afterAll(() => browser.close())
  beforeEach(async () => {
    server = await startRows(script)
    context = await browser.newContext()
  })
  afterEach(async () => {
    await context.close()
    server.close()
  })

  async function open(name: string, query = '&offline'): Promise<Page> {
    const page = await context.newPage()
    page.setDefaultTimeout(WAIT_MS)
    await page.goto(`${server.url}?page=${name}${query}`)
    await page.evaluate(() => app.restored)
    return page
  }
  const pending = (page: Page) => page.evaluate(() => app.pending())
  const titles = (page: Page) => page.evaluate(() => app.rows().map(({ title }) => title))
  const isPending = (page: Page, count: number) =>
    expect.poll(() => pending(page), { timeout: WAIT_MS }).toBe(count)
  const isDone = (page: Page, count: number) =>
    expect
      .poll(() => [server.received.length], { timeout: WAIT_MS })
      .toEqual([count])
      .then(() => isPending(page, 0))

  it('are there after a reload, and are sent once, in order', async () => {
    const page = await open('one')
    await page.evaluate(() => app.create('draft'))
    await page.evaluate(() => app.rename(app.rows()[0]!.id, 'final'))
    for (let reloads = 0; reloads < 5; reloads++) {
      await page.reload()
      await page.evaluate(() => app.restored)
      expect(await titles(page)).toEqual(['final'])
      expect(await pending(page)).toBe(2)
    }
    await page.evaluate(() => app.goOnline())
    await isDone(page, 2)
    expect(server.received.map(({ path }) => path)).toEqual(['/create', '/rename'])
    expect(server.rows).toEqual([{ id: 'row-1', title: 'final' }])
    await expect.poll(() => page.evaluate(() => app.rows())).toEqual(server.rows)
    expect(await page.evaluate(() => app.errors)).toEqual([])
  })

  it('stay with their tab while it lives, and pass to the other when it is closed', async () => {
    const [one, two] = [await open('one'), await open('two')]
    await one.evaluate(() => app.create('of one'))
    await two.evaluate(() => app.create('of two'))
    expect([await pending(one), await pending(two)]).toEqual([1, 1])
    await one.close()
    await isPending(two, 2)
    await two.evaluate(() => app.goOnline())
    await isDone(two, 2)
    expect(server.received.map(({ page }) => page)).toEqual(['two', 'two'])
    expect(new Set(server.rows.map(({ title }) => title))).toEqual(new Set(['of one', 'of two']))
  })

  it('pass to a tab that was there before, when the later one crashes', async () => {
    const [one, two] = [await open('one'), await open('two')]
    await two.evaluate(() => app.create('of two'))
    const isCrashed = two.waitForEvent('crash')
    await Promise.all([isCrashed, two.goto('chrome://crash').catch(() => undefined)])
    await isPending(one, 1)
    await one.evaluate(() => app.goOnline())
    await isDone(one, 1)
    expect(server.received.map(({ page }) => page)).toEqual(['one'])
  })

  it('are sent again when the page dies before the answer, and are carried out once', async () => {
    const one = await open('one', '')
    server.mute(true)
    await one.evaluate(() => app.create('draft'))
    await expect.poll(() => server.received.length).toBe(1)
    await one.close()
    server.mute(false)
    const two = await open('two', '')
    await isDone(two, 2)
    expect(new Set(server.received.map(({ key }) => key)).size).toBe(1)
    expect(server.rows).toEqual([{ id: 'row-1', title: 'draft' }])
  })

  it('are sent by one of three tabs, whoever dies', async () => {
    const pages = [await open('one'), await open('two'), await open('three')]
    for (const page of pages) await page.evaluate(() => app.create('a'))
    await pages[0]!.close()
    await pages[1]!.close()
    await isPending(pages[2]!, 3)
    await pages[2]!.evaluate(() => app.goOnline())
    await isDone(pages[2]!, 3)
    expect(server.received.map(({ page }) => page)).toEqual(['three', 'three', 'three'])
    expect(server.rows).toHaveLength(3)
  })
})
