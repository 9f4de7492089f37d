import type { Browser } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startBoard, type BoardServer } from './support/board-server.ts'
import { launchBrowser, openWindow, WAIT_MS, type BoardWindow } from './support/board-window.ts'
import { traceRows } from './support/row-trace.ts'

describe('two windows of the task board', () => {
  let server: BoardServer
  let browser: Browser
  let mina: BoardWindow
  let theo: BoardWindow
  /** Titles of their own, so that the tests share a board and not their tasks. */
  let count = 0
  const titled = (words: string) => `${words} ${++count}`

  beforeAll(async () => {
    ;[server, browser] = await Promise.all([startBoard(), launchBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await server[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    ;[mina, theo] = await Promise.all([
      openWindow(browser, server.url, 'mina'),
      openWindow(browser, server.url, 'theo'),
    ])
  })
  afterEach(async () => {
    expect([...mina.pageErrors, ...theo.pageErrors]).toEqual([])
    await Promise.all([mina.close(), theo.close()])
  })

  /** Both windows show the same rows in the same order, and so does a fresh answer of the server. */
  async function areInStep(): Promise<void> {
    await Promise.all([mina.hasSaved(), theo.hasSaved()])
    const api = await server.as('sofia')
    const { body } = await api<{ title: string; status: string }[]>('GET', '/boards/orbit/tasks')
    const inColumn = (status: string) =>
      body.filter((task) => task.status === status).map((task) => task.title)
    const truth = {
      todo: inColumn('todo'),
      doing: inColumn('doing'),
      review: inColumn('review'),
      done: inColumn('done'),
    }
    for (const window of [mina, theo]) {
      await expect.poll(() => window.columns(), { timeout: WAIT_MS }).toEqual(truth)
    }
  }

  it('shows a task that is added in one, in the other, with the name of who added it', async () => {
    const title = titled('Water the plants')
    await mina.create(title)
    await theo.inColumn('todo', title).waitFor()
    await theo.task(title).getByTestId('remote-light').getByText('Mina').waitFor()
    await theo.page
      .getByTestId('announcer')
      .getByText(new RegExp(`Mina added ORB-\\d+, ${title}`))
      .waitFor()
    expect(await mina.page.getByTestId('remote-light').count()).toBe(0)
    await areInStep()
  })

  it('shows a new title, on the card and in the open task', async () => {
    const [title, next] = [titled('Draft'), titled('Final')]
    await mina.create(title)
    await theo.link(title).click()
    const openTitle = theo.page.getByRole('textbox', { name: 'Title', exact: true })
    await expect.poll(() => openTitle.inputValue()).toBe(title)
    await mina.rename(title, next)
    await theo.link(next).waitFor()
    await expect.poll(() => openTitle.inputValue()).toBe(next)
    await areInStep()
  })

  it('keeps an open menu, beside its button, while the board scrolls under it', async () => {
    const title = titled('Opened')
    await mina.create(title)
    // A low window, so that there is something to scroll.
    await theo.page.setViewportSize({ width: 1440, height: 500 })
    const button = theo.task(title).getByRole('button', { name: /^Priority of/ })
    await button.press('Enter')
    const menu = theo.page.getByRole('menu')
    await menu.waitFor()
    const gap = async () => {
      // It opens with a movement: a trial waits until it is at rest.
      await menu.getByRole('menuitemradio').first().hover({ trial: true })
      return Math.round((await menu.boundingBox())!.y - (await button.boundingBox())!.y)
    }
    const before = await gap()
    const scrolled = await theo.task(title).evaluate(async (card) => {
      let box = card.parentElement!
      while (box.scrollHeight <= box.clientHeight || getComputedStyle(box).overflowY !== 'auto')
        box = box.parentElement!
      const hasScrolled = new Promise((resolve) => {
        box.addEventListener('scroll', resolve, { once: true })
      })
      const top = box.scrollTop
      box.scrollTop = top > 20 ? top - 20 : top + 20
      await hasScrolled
      return Math.abs(box.scrollTop - top)
    })
    expect(scrolled).toBe(20)
    expect(await gap()).toBe(before)
    await menu.getByRole('menuitemradio', { name: 'Urgent' }).press('Enter')
    await mina
      .task(title)
      .getByRole('button', { name: /Urgent$/ })
      .waitFor()
    await areInStep()
  })

  it('shows a move, by keys and by mouse, in the same place', async () => {
    const [first, second] = [titled('First'), titled('Second')]
    await mina.create(first, second)
    await theo.link(second).waitFor()
    await mina.carry(first, 'ArrowRight', 'ArrowUp')
    await theo.inColumn('doing', first).waitFor()
    await areInStep()
    await theo.drag(first, 'Colours for the dark map')
    await mina.inColumn('review', first).waitFor()
    await areInStep()
    const { review } = await mina.columns()
    expect(review.indexOf('Colours for the dark map') - review.indexOf(first)).toBe(1)
  })

  it('takes a deleted task away, and brings it back where it was', async () => {
    const [title, below] = [titled('Needed after all'), titled('Below it')]
    await mina.create(title, below)
    await theo.link(below).waitFor()
    const before = await theo.columns()
    await mina.remove(title)
    await theo.link(title).waitFor({ state: 'detached' })
    await areInStep()
    await mina.page.getByRole('button', { name: 'Undo' }).click()
    await theo.link(title).waitFor()
    await areInStep()
    expect(await theo.columns()).toEqual(before)
  })

  it('tells whoever has a task open that it was deleted, and shows it again when it is back', async () => {
    const title = titled('Open elsewhere')
    await mina.create(title)
    await theo.link(title).click()
    await theo.page.getByRole('textbox', { name: 'Title', exact: true }).waitFor()
    await mina.remove(title)
    await theo.page.getByText('This task was deleted').waitFor()
    await mina.page.getByRole('button', { name: 'Undo' }).click()
    await theo.page.getByRole('textbox', { name: 'Title', exact: true }).waitFor()
  })

  it('adds a comment to the feed of the task, and counts it on the card', async () => {
    const [title, comment] = [titled('Talked about'), titled('Shall we?')]
    await mina.create(title)
    await theo.link(title).click()
    await theo.page.getByRole('list', { name: 'Activity' }).waitFor()
    await mina.link(title).click()
    await mina.page.getByRole('textbox', { name: 'Comment' }).fill(comment)
    await mina.page.getByRole('button', { name: 'Send the comment' }).click()
    await theo.page.getByText(comment, { exact: true }).waitFor()
    await theo.task(title).getByText('1 comment').waitFor()
  })

  it('keeps the feed of the board, its older pages included, without an entry twice', async () => {
    await theo.page.getByRole('link', { name: 'Activity' }).click()
    const entries = () =>
      theo.page.evaluate(() =>
        [...document.querySelectorAll<HTMLElement>('[data-activity-id]')].map((line) =>
          Number(line.dataset['activityId']),
        ),
      )
    await expect.poll(async () => (await entries()).length).toBeGreaterThan(24)
    await theo.page.locator('[data-activity-id]').last().scrollIntoViewIfNeeded()
    await expect.poll(async () => (await entries()).length).toBeGreaterThan(49)
    const title = titled('Fresh in the feed')
    await mina.create(title)
    await theo.page.locator('[data-activity-id]').first().getByText(title).waitFor()
    const ids = await entries()
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toEqual([...ids].sort((a, b) => b - a))
  })

  it('counts along in the sidebar, on other boards too', async () => {
    const open = async (window: BoardWindow, board: string) =>
      Number(/\d+/.exec(await window.page.getByTestId(`count-${board}`).innerText())![0])
    const before = await open(theo, 'website')
    const api = await server.as('mina')
    await api('POST', '/boards/website/tasks', {
      body: { id: crypto.randomUUID(), title: titled('Elsewhere'), status: 'todo' },
    })
    await expect.poll(() => open(theo, 'website'), { timeout: WAIT_MS }).toBe(before + 1)
    await expect.poll(() => open(mina, 'website'), { timeout: WAIT_MS }).toBe(before + 1)
  })

  it('moves rows in and out of a filtered and sorted list as the server would', async () => {
    const title = titled('Mine now')
    await mina.create(title)
    await theo.page.goto(`${server.url}/b/orbit/list?assignee=theo&sort=priority`)
    await theo.isReady()
    const api = await server.as('mina')
    const truth = async () =>
      (await api<{ title: string }[]>('GET', '/boards/orbit/tasks?assignee=theo&sort=priority')).body.map(
        (task) => task.title,
      )
    const shown = () => theo.page.locator('[data-card-link]').allTextContents()
    const { body } = await api<{ id: string; title: string }[]>('GET', '/boards/orbit/tasks')
    const { id } = body.find((task) => task.title === title)!
    for (const patch of [
      { assigneeId: 'theo' },
      { priority: 'urgent' },
      { priority: 'low' },
      { status: 'done' },
      { assigneeId: null },
    ]) {
      await api('PATCH', `/tasks/${id}`, { body: patch })
      await expect.poll(shown, { timeout: WAIT_MS }).toEqual(await truth())
      expect((await shown()).includes(title)).toBe(patch.assigneeId !== null)
    }
  })

  it('shows nothing twice, nothing old and nothing gone, in either window, while both write', async () => {
    const titles = ['a', 'b', 'c'].map((letter) => titled(`Trace ${letter}`)) as [string, string, string]
    const renamed = titled('Trace renamed')
    // The echo of a write arrives before its answer: half of the latency is on the way back.
    await mina.setLatency(600)
    const stop = [await traceRows(mina.page), await traceRows(theo.page)]
    await mina.create(...titles)
    await theo.link(titles[2]).waitFor()
    await mina.rename(titles[0], renamed)
    await mina.carry(titles[1], 'ArrowRight')
    await theo.carry(titles[2], 'ArrowRight', 'ArrowRight')
    await theo.link(renamed).waitFor()
    await mina.inColumn('review', titles[2]).waitFor()
    await theo.inColumn('doing', titles[1]).waitFor()
    await areInStep()
    for (const end of stop) {
      const { changes, ...anomalies } = await end()
      expect(anomalies).toEqual({ flickers: [], duplicates: [], flashbacks: [] })
      expect(changes).toBeGreaterThan(5)
    }
  })

  it('shows what one does before the server has answered, and does not snap back when it has', async () => {
    const [title, added, renamed] = [titled('At once'), titled('Added at once'), titled('Renamed at once')]
    await mina.create(title)
    await mina.hasSaved()
    // No echo: only the window itself can show it now.
    await mina.pressInPanel('Stay disconnected')
    await mina.hasStatus('Reconnecting')
    await mina.setLatency(2_000)
    const stop = await traceRows(mina.page)
    await mina.carry(title, 'ArrowRight')
    await mina.task(title).and(mina.page.locator('[data-column=doing] [data-pending]')).waitFor()
    await mina.create(added)
    await mina.task(added).and(mina.page.locator('[data-pending]')).waitFor()
    await mina.rename(added, renamed)
    await mina.task(renamed).and(mina.page.locator('[data-pending]')).waitFor()
    await mina.hasSaved()
    await theo.link(renamed).waitFor()
    const { changes, ...anomalies } = await stop()
    expect(anomalies).toEqual({ flickers: [], duplicates: [], flashbacks: [] })
    expect(changes).toBe(3)
    await mina.pressInPanel('Let it connect again')
    await areInStep()
  })

  it('writes once when the answer of a write is lost, and shows it once', async () => {
    const title = titled('Answered into the void')
    await mina.pressInPanel('Lose the next answer')
    const stop = await traceRows(mina.page)
    await mina.create(title)
    await theo.link(title).waitFor()
    await areInStep()
    expect((await theo.columns()).todo.filter((other) => other === title)).toHaveLength(1)
    const { changes, ...anomalies } = await stop()
    expect(anomalies).toEqual({ flickers: [], duplicates: [], flashbacks: [] })
    expect(changes).toBeGreaterThan(0)
  })

  it('puts back what the server refuses, says so, and tries again when asked', async () => {
    const title = titled('Refused once')
    await mina.create(title)
    await theo.link(title).waitFor()
    await mina.hasSaved()
    await mina.pressInPanel('Refuse the next change')
    await mina.carry(title, 'ArrowRight')
    await mina.page.getByText(/was not moved/).waitFor()
    await mina.inColumn('todo', title).waitFor()
    expect(await theo.inColumn('todo', title).count()).toBe(1)
    await mina.page.getByRole('button', { name: 'Try again' }).click()
    await theo.inColumn('doing', title).waitFor()
    await areInStep()
  })

  it('catches up after the connection was cut', async () => {
    const titles = [titled('While away'), titled('Also while away')] as const
    await theo.pressInPanel('Stay disconnected')
    await theo.hasStatus('Reconnecting')
    await mina.create(...titles)
    await mina.hasSaved()
    expect(await theo.link(titles[1]).count()).toBe(0)
    await theo.pressInPanel('Let it connect again')
    await theo.link(titles[1]).waitFor()
    await theo.hasStatus('Live')
    await theo.logLine(/board:orbit: 2 missed, replayed/).waitFor()
    await areInStep()
  })

  it('shows its own writes once when their echo comes long after the answer', async () => {
    const title = titled('Echo from afar')
    await mina.pressInPanel('Stay disconnected')
    await mina.hasStatus('Reconnecting')
    const stop = await traceRows(mina.page)
    await mina.create(title)
    await theo.link(title).waitFor()
    await mina.hasSaved()
    await mina.pressInPanel('Let it connect again')
    await mina.logLine(/board:orbit: 1 missed, replayed/).waitFor()
    await areInStep()
    const { changes, ...anomalies } = await stop()
    expect(anomalies).toEqual({ flickers: [], duplicates: [], flashbacks: [] })
    expect(changes).toBeGreaterThan(0)
  })

  it('repairs a lost message by itself, the last one included', async () => {
    const title = titled('Lost on the way')
    await mina.create(title)
    await theo.link(title).waitFor()
    await theo.pressInPanel('Lose the next one')
    await mina.carry(title, 'ArrowRight')
    await theo.logLine('lost on the way').waitFor()
    await theo.inColumn('doing', title).waitFor()
    await theo.logLine(/missed, replayed/).waitFor()
    await areInStep()
  })

  it('applies a message that comes twice once', async () => {
    const title = titled('Said twice')
    await theo.pressInPanel('Deliver twice')
    const stop = await traceRows(theo.page)
    await mina.create(title)
    await theo.logLine(/delivered twice/).waitFor()
    await mina.carry(title, 'ArrowRight')
    await theo.inColumn('doing', title).waitFor()
    await areInStep()
    const { changes, ...anomalies } = await stop()
    expect(anomalies).toEqual({ flickers: [], duplicates: [], flashbacks: [] })
    expect(changes).toBeGreaterThan(1)
  })

  it('is in step after a reload', async () => {
    const title = titled('Before the reload')
    await mina.create(title)
    await mina.hasSaved()
    await theo.page.reload()
    await theo.isReady()
    await areInStep()
    await mina.rename(title, `${title}, after`)
    await theo.link(`${title}, after`).waitFor()
  })
})
