/**
 * A page that is streamed: React sends each part of it when its query is there. What happens between the moment when
 * the server reads a query and the moment when the browser is connected is replayed; the browser fetches nothing.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { build } from 'esbuild'
import { chromium, type Browser } from 'playwright'
import { renderToPipeableStream } from 'react-dom/server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CHROMIUM_ARGS, findChromium } from '../../scripts/chromium.mjs'
import { createFakeTransport } from '../../src/testing/fake-transport.ts'
import { LiveServer } from '../support/live-server.ts'
import { WAIT_MS } from './support/board-window.ts'
import { createApp, type ReadRows } from './support/streamed-app.tsx'
import type { StreamedPage } from './support/streamed-page.tsx'

declare const app: StreamedPage

/** Something that is held until it is let go. */
function createGate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { open: () => open(), opened }
}

describe('a streamed page', () => {
  let browser: Browser
  let script: string

  beforeAll(async () => {
    const executablePath = findChromium()
    if (executablePath === undefined) throw new Error('No Chromium: node scripts/ensure-chromium.mjs')
    const bundle = build({
      entryPoints: [new URL('support/streamed-page.tsx', import.meta.url).pathname],
      bundle: true,
      write: false,
      format: 'iife',
      jsx: 'automatic',
      define: { 'process.env.NODE_ENV': '"development"' },
      logLevel: 'error',
    })
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS })
    script = (await bundle).outputFiles[0]!.text
  })
  afterAll(() => browser.close())

  /** A server that renders, in front of one that has the data and the events. */
  async function open() {
    const live = await LiveServer.start()
    const gates = { readOfB: createGate(), partB: createGate(), script: createGate() }
    const transport = createFakeTransport()
    const read: ReadRows = async (list) => {
      const source = await live.heads(list) // The position first, then the state.
      const rows = live.rows(list)
      if (list === 'b') {
        gates.readOfB.open()
        await gates.partB.opened
      }
      return { rows, source }
    }
    const front = createServer((request, response) => {
      if (request.url === '/') {
        response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
        const { page } = createApp(transport, read)
        response.write('<!doctype html><div id="root">')
        const { pipe } = renderToPipeableStream(page, {
          bootstrapScripts: ['/page.js'],
          onShellReady: () => pipe(response),
        })
      } else if (request.url === '/page.js') {
        void gates.script.opened.then(() => {
          response.writeHead(200, { 'content-type': 'text/javascript' }).end(script)
        })
      } else if (request.url === '/favicon.ico') response.writeHead(204).end()
      else {
        fetch(`${live.origin}${request.url}`)
          .then(async (answer) => response.writeHead(answer.status).end(await answer.text()))
          .catch(() => response.destroy())
      }
    })
    front.on('upgrade', (request, near: Socket) => {
      const far = connect(live.port, '127.0.0.1')
      const headers = Array.from({ length: request.rawHeaders.length / 2 }, (_, index) =>
        request.rawHeaders.slice(2 * index, 2 * index + 2).join(': '),
      )
      far.write([`GET ${request.url} HTTP/1.1`, ...headers, '', ''].join('\r\n'))
      near.pipe(far).pipe(near)
      near.on('error', () => far.destroy()).on('close', () => far.destroy())
      far.on('error', () => near.destroy()).on('close', () => near.destroy())
    })
    await once(front.listen(0, '127.0.0.1'), 'listening')
    const context = await browser.newContext()
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    const end = async () => {
      await context.close()
      front.close()
      front.closeAllConnections()
      await live.kill()
    }
    const origin = `http://127.0.0.1:${(front.address() as AddressInfo).port}`
    return { live, gates, transport, page, origin, complaints, end }
  }

  it('is told of what has happened since each of its parts was read, and requests nothing', async () => {
    const { live, gates, transport, page, origin, complaints, end } = await open()
    await live.save('a', { id: 1, title: 'first of a' })
    await live.save('b', { id: 1, title: 'first of b' })
    await page.goto(`${origin}/`, { waitUntil: 'commit' })
    const rows = (list: string) => page.locator(`#rows-${list} li`).allTextContents()

    // The part with `a` is there, without a script; `b` has been read and is held back.
    await expect.poll(() => rows('a'), { timeout: WAIT_MS }).toEqual(['first of a'])
    await gates.readOfB.opened
    expect(await page.locator('p').allTextContents()).toEqual(['b is loading'])
    await live.save('a', { id: 2, title: 'before the browser was connected' })
    await live.save('b', { id: 2, title: 'before its part was sent' })

    gates.script.open()
    await page.waitForFunction(() => 'app' in globalThis && app.isLive('a'), undefined, { timeout: WAIT_MS })
    await expect.poll(() => rows('a')).toEqual(['first of a', 'before the browser was connected'])
    expect(await page.locator('p').allTextContents()).toEqual(['b is loading'])

    gates.partB.open()
    await page.waitForFunction(() => app.isLive('b'), undefined, { timeout: WAIT_MS })
    await expect.poll(() => rows('b')).toEqual(['first of b', 'before its part was sent'])
    await live.save('b', { id: 3, title: 'live' })
    await expect
      .poll(() => rows('b'), { timeout: WAIT_MS })
      .toEqual(['first of b', 'before its part was sent', 'live'])

    expect(live.requests).toEqual([])
    expect([complaints, await page.evaluate(() => app.errors)]).toEqual([[], []])
    // The server has opened nothing.
    expect([typeof window, transport.connections.length, live.connections.ever]).toEqual(['undefined', 0, 1])
    await end()
  })
})
