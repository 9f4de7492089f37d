/** A window of the task board, and what a person does in it. */
import type { Browser, Locator, Page } from 'playwright'
import { chromium } from 'playwright'
import { CHROMIUM_ARGS, findChromium } from '../../../scripts/chromium.mjs'

export type Status = 'todo' | 'doing' | 'review' | 'done'
export type Columns = Record<Status, string[]>

export const WAIT_MS = 20_000

/** @param ignoreDefaultArgs - what Playwright would start it with */
export function launchBrowser(ignoreDefaultArgs: string[] = []): Promise<Browser> {
  const executablePath = findChromium()
  if (executablePath === undefined) throw new Error('No Chromium: node scripts/ensure-chromium.mjs')
  return chromium.launch({ executablePath, args: CHROMIUM_ARGS, ignoreDefaultArgs })
}

/** A browser window of its own (its own storage) as one person, live. */
export async function openWindow(browser: Browser, url: string, userId: string): Promise<BoardWindow> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const page = await context.newPage()
  page.setDefaultTimeout(WAIT_MS)
  const board = new BoardWindow(page)
  await page.goto(`${url}/b/orbit?as=${userId}`)
  await board.isReady()
  return board
}

export class BoardWindow {
  readonly page: Page
  /** What the page has thrown: nothing, in a good test. */
  readonly pageErrors: string[] = []
  /** Every text frame that came over its sockets. */
  readonly frames: string[] = []
  /** Every text frame that it has sent. */
  readonly sent: string[] = []

  constructor(page: Page) {
    this.page = page
    page.on('pageerror', (error) => this.pageErrors.push(error.message))
    page.on('websocket', (socket) => {
      socket.on('framesent', ({ payload }) => this.sent.push(String(payload)))
      socket.on('framereceived', ({ payload }) => this.frames.push(String(payload)))
    })
  }

  /** Tasks are shown, and the connection is live. */
  async isReady(): Promise<void> {
    await this.page.locator('[data-task-id]').first().waitFor()
    await this.hasStatus('Live')
  }

  hasStatus(status: 'Live' | 'Reconnecting' | 'Offline'): Promise<void> {
    return this.page.locator(`[data-testid=connection][data-status=${status}]`).waitFor()
  }

  /** The card or row with exactly this title. */
  task(title: string): Locator {
    return this.page.locator('[data-task-id]').filter({ has: this.link(title) })
  }

  link(title: string): Locator {
    return this.page.getByRole('link', { name: title, exact: true })
  }

  inColumn(status: Status, title: string): Locator {
    return this.page.locator(`[data-column=${status}]`).getByRole('link', { name: title, exact: true })
  }

  /** The titles in each column, from top to bottom. */
  columns(): Promise<Columns> {
    return this.page.evaluate(() => {
      const titles = (status: string) =>
        [...document.querySelectorAll(`[data-column=${status}] [data-card-link]`)].map(
          (link) => link.textContent,
        )
      return { todo: titles('todo'), doing: titles('doing'), review: titles('review'), done: titles('done') }
    })
  }

  /** No write of this window is under way. */
  async hasSaved(): Promise<void> {
    await this.page.waitForFunction(() => document.querySelector('[data-pending]') === null)
  }

  async create(...titles: string[]): Promise<void> {
    await this.page.getByRole('button', { name: 'New task' }).click()
    const field = this.page.getByRole('textbox', { name: 'New task in To do' })
    for (const title of titles) {
      await field.fill(title)
      await field.press('Enter')
    }
    await field.press('Escape')
  }

  async rename(title: string, next: string): Promise<void> {
    await this.link(title).press('e')
    const field = this.page.getByRole('textbox', { name: /^Title of/ })
    await field.fill(next)
    await field.press('Enter')
  }

  /** Moves a task with the keys: picks it up, carries it, puts it down. */
  async carry(
    title: string,
    ...keys: ('ArrowUp' | 'ArrowDown' | 'ArrowLeft' | 'ArrowRight')[]
  ): Promise<void> {
    await this.link(title).focus()
    for (const key of ['Space', ...keys, 'Space']) await this.page.keyboard.press(key)
  }

  /** Drags a task with the mouse, to the upper half of another one. */
  async drag(title: string, ontoTitle: string): Promise<void> {
    // Cards glide to their places: a trial waits until both are at rest.
    await this.task(title).hover({ trial: true })
    await this.task(ontoTitle).hover({ trial: true })
    const from = (await this.task(title).boundingBox())!
    const onto = (await this.task(ontoTitle).boundingBox())!
    await this.page.mouse.move(from.x + 60, from.y + 12)
    await this.page.mouse.down()
    await this.page.mouse.move(from.x + 80, from.y + 30, { steps: 3 })
    await this.page.mouse.move(onto.x + 60, onto.y + 10, { steps: 6 })
    await this.page.mouse.up()
  }

  async remove(title: string): Promise<void> {
    await this.link(title).press('Delete')
  }

  async openNetworkPanel(): Promise<void> {
    if (await this.page.locator('#network-panel').isVisible()) return
    await this.page.getByTestId('connection').click()
    await this.page.locator('#network-panel').waitFor()
  }

  async pressInPanel(name: string): Promise<void> {
    await this.openNetworkPanel()
    await this.page.locator('#network-panel').getByRole('button', { name, exact: true }).click()
  }

  async setLatency(ms: number): Promise<void> {
    await this.openNetworkPanel()
    await this.page.getByRole('slider', { name: 'Latency' }).fill(String(ms))
  }

  /** A line of the network panel's log. */
  logLine(text: string | RegExp): Locator {
    return this.page.getByRole('log').getByText(text).first()
  }

  close(): Promise<void> {
    return this.page.context().close()
  }
}
