/** The devtools on the task board, in a browser. */
import type { Browser } from 'playwright'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startBoard, type BoardServer } from './support/board-server.ts'
import { BoardWindow, launchBrowser, openWindow } from './support/board-window.ts'

const TASK = 'Share a trip by link'

describe('the devtools of the task board', () => {
  let server: BoardServer
  let browser: Browser

  beforeAll(async () => {
    ;[server, browser] = await Promise.all([startBoard(), launchBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await server[Symbol.asyncDispose]()
  })

  it('show what the other window has done, to which query, and why not to another', async () => {
    const theo = await openWindow(browser, server.url, 'theo')
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 } })
    const mina = new BoardWindow(await context.newPage())
    const { page } = mina
    await page.goto(`${server.url}/b/orbit?as=mina&devtools`)
    await mina.isReady()
    await theo.rename(TASK, 'Seen in devtools')
    await mina.link('Seen in devtools').waitFor()

    // It has recorded while it was closed, from the first dial on.
    await page.getByRole('button', { name: 'Open the realtime devtools' }).press('Enter')
    const panel = page.getByRole('region', { name: 'Realtime devtools' })
    await panel.getByRole('button', { name: /status\s*connecting/ }).waitFor()
    const events = panel.getByRole('list', { name: 'Events' })
    await events.getByRole('button', { name: /task\.updated · board:orbit.*1 changed/ }).click()
    const details = panel.getByRole('region', { name: 'Events: details' })
    await details.getByText('It shows other data.').waitFor()
    await details.getByText(/^Why not the/).click()
    await details.getByText(`At [0] its key has "board", and the query's has "users".`).first().waitFor()
    await details.getByLabel('Data').getByText('Seen in devtools').waitFor()

    // Over one's own mutation: what is shown, and what is confirmed below it.
    await context.setOffline(true)
    await mina.hasStatus('Offline')
    await panel.getByRole('status').getByText('offline').waitFor()
    await mina.rename('Seen in devtools', 'Not sent yet')
    await panel.getByRole('tab', { name: 'Queries' }).click()
    await panel.getByRole('button', { name: /"tasks".*1 pending/ }).click()
    await panel.getByLabel('Confirmed (base)').getByText('Seen in devtools').waitFor()
    await panel.getByLabel('Shown, with pending mutations').getByText('Not sent yet').waitFor()
    await context.setOffline(false)
    await theo.link('Not sent yet').waitFor()
    expect([...mina.pageErrors, ...theo.pageErrors]).toEqual([])
  })

  it('change nothing of how the board looks, and are not loaded by who does not ask for them', async () => {
    const looks: unknown[] = []
    for (const address of ['/b/orbit?as=priya', '/b/orbit?as=priya&devtools']) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 860 } })
      const board = new BoardWindow(await context.newPage())
      const { page } = board
      const chunks: string[] = []
      page.on('request', (request) => chunks.push(new URL(request.url()).pathname))
      await page.goto(server.url + address)
      await board.isReady()
      const open = page.getByRole('button', { name: 'Open the realtime devtools' })
      const isAsked = address.includes('devtools')
      if (isAsked) await open.click()
      expect(await page.getByRole('region', { name: 'Realtime devtools' }).count()).toBe(isAsked ? 1 : 0)
      expect(chunks.some((path) => path.includes('devtools'))).toBe(isAsked)
      looks.push(
        await page.evaluate(() => {
          for (const animation of document.getAnimations()) animation.cancel()
          return [...document.querySelectorAll('#root main *')].map((element) => {
            const { x, y, width, height } = element.getBoundingClientRect()
            const { color, fontFamily, fontSize } = getComputedStyle(element)
            return [element.tagName, x, y, width, height, color, fontFamily, fontSize]
          })
        }),
      )
      await context.close()
    }
    expect(looks[1]).toEqual(looks[0])
  })
})
