import type { Browser } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startBoard, type BoardServer } from './support/board-server.ts'
import { launchBrowser, openWindow, WAIT_MS, type BoardWindow } from './support/board-window.ts'

const TOPIC = 'board:website'

interface TopicsFrame {
  readonly t: string
  readonly topics?: readonly (string | { readonly topic: string })[]
}

/** How often a window has asked for the topic, and how often it has let go of it. */
function counts({ sent }: BoardWindow): { subscribe: number; unsubscribe: number } {
  const frames = sent.map((text) => JSON.parse(text) as TopicsFrame)
  const ofKind = (kind: string) =>
    frames.filter(
      ({ t, topics }) =>
        t === kind && topics?.some((entry) => (typeof entry === 'string' ? entry : entry.topic) === TOPIC),
    ).length
  return { subscribe: ofKind('subscribe'), unsubscribe: ofKind('unsubscribe') }
}

let server: BoardServer
let browser: Browser
beforeAll(async () => {
  ;[server, browser] = await Promise.all([startBoard(), launchBrowser()])
})
afterAll(async () => {
  await browser.close()
  await server[Symbol.asyncDispose]()
})

it('subscribes the topic of a board that comes into view in the sidebar, and releases it after it has left', async () => {
  const mina = await openWindow(browser, server.url, 'mina')
  const areCounts = (subscribe: number, unsubscribe: number) =>
    expect.poll(() => counts(mina), { timeout: WAIT_MS }).toEqual({ subscribe, unsubscribe })
  await areCounts(1, 0)

  // So low a window shows the first board of the sidebar alone.
  await mina.page.setViewportSize({ width: 1440, height: 160 })
  await areCounts(1, 1)

  await mina.page.getByTestId('count-website').scrollIntoViewIfNeeded()
  await areCounts(2, 1)
  await mina.page.setViewportSize({ width: 1440, height: 900 })
  await mina.openNetworkPanel()
  await mina.logLine(TOPIC).waitFor()
  expect(mina.pageErrors).toEqual([])
  await mina.close()
})
