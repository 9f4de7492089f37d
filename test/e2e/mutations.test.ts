import type { Browser, Route } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startBoard, type BoardServer } from './support/board-server.ts'
import { launchBrowser, openWindow, WAIT_MS, type BoardWindow } from './support/board-window.ts'
import { traceRows } from './support/row-trace.ts'

describe('changes of the task board', () => {
  let server: BoardServer
  let browser: Browser
  let mina: BoardWindow
  let theo: BoardWindow

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

  const titlesOnServer = async () => {
    const api = await server.as('sofia')
    const { body } = await api<{ title: string }[]>('GET', '/boards/orbit/tasks')
    return body.map(({ title }) => title)
  }

  it('cannot flicker, double or go back for a moment without the trace seeing it', async () => {
    await mina.create('Watched')
    await mina.hasSaved()
    const id = await mina.task('Watched').getAttribute('data-task-id')
    /** Spoils the row and mends it one microtask later: no browser would have painted it. */
    const planted = async (kind: 'doubled' | 'gone' | 'drawn anew' | 'renamed') => {
      const stop = await traceRows(mina.page)
      await mina.page.evaluate(
        async ([id, kind]) => {
          const row = document.querySelector(`[data-task-id="${id}"]`)!
          const title = row.querySelector('[data-card-link]')!.firstChild!
          const { parentNode, nextSibling } = row
          const copy = row.cloneNode(true) as Element
          if (kind === 'doubled') row.before(copy)
          else if (kind === 'gone') row.remove()
          else if (kind === 'drawn anew') row.replaceWith(copy)
          else title.nodeValue = 'Other'
          await Promise.resolve()
          if (kind === 'gone') parentNode!.insertBefore(row, nextSibling)
          else if (kind === 'drawn anew') copy.replaceWith(row)
          else copy.remove()
          title.nodeValue = 'Watched'
        },
        [id, kind] as const,
      )
      return stop()
    }
    const state = 'Watched in todo'
    expect((await planted('doubled')).duplicates).toEqual([state])
    expect((await planted('gone')).flickers).toContain(state)
    expect((await planted('drawn anew')).flickers).toContain(`${state}, drawn anew`)
    expect((await planted('renamed')).flashbacks).toEqual([state])
  })

  it('say in each row whether they wait or were refused, also after a reload, and are retried or discarded there', async () => {
    await mina.create('Wanted', 'Given up', 'Waiting')
    await mina.hasSaved()
    const refuse = async (route: Route) => {
      if (route.request().method() === 'GET') return route.continue()
      return route.fulfill({ status: 409, json: { error: { code: 'refused', message: 'No.' } } })
    }
    await mina.page.route('**/api/**', refuse)
    await mina.carry('Wanted', 'ArrowRight')
    await mina.carry('Given up', 'ArrowRight')
    await mina.create('Never added')
    const saysSo = async () => {
      for (const title of ['Wanted', 'Given up']) {
        await mina.inColumn('todo', title).waitFor()
        await mina.task(title).getByText('Not moved').waitFor()
      }
      await mina.page.locator('[data-not-added]').getByText('Never added', { exact: true }).waitFor()
      expect(await mina.link('Never added').count()).toBe(0)
    }
    await saysSo()
    await mina.page.unroute('**/api/**', refuse)
    await mina.page.reload()
    await saysSo()

    await mina.page.getByRole('button', { name: 'Discard: Given up' }).click()
    await mina.page.getByRole('button', { name: 'Retry: Wanted' }).click()
    await mina.page.getByRole('button', { name: 'Retry: Never added' }).click()
    await theo.inColumn('doing', 'Wanted').waitFor()
    await theo.inColumn('todo', 'Never added').waitFor()
    await mina.hasSaved()
    expect(await mina.page.locator('[data-sync], [data-not-added]').count()).toBe(0)
    expect(await theo.inColumn('todo', 'Given up').count()).toBe(1)

    await mina.page.context().setOffline(true)
    await mina.rename('Waiting', 'Waiting, renamed')
    await mina.task('Waiting, renamed').getByText('Waiting to be saved').waitFor()
    await mina.page.context().setOffline(false)
    await theo.link('Waiting, renamed').waitFor()
    await mina.hasSaved()
    expect(await mina.page.locator('[data-sync]').count()).toBe(0)
    expect(await mina.columns()).toEqual(await theo.columns())
  })

  it('do not flicker while another window changes the same rows and one of them is refused', async () => {
    await mina.create('Fast one', 'Fast two', 'Refused')
    await mina.hasSaved()
    await theo.link('Refused').waitFor()
    await mina.setLatency(250)
    const refused = await mina.task('Refused').getAttribute('data-task-id')
    await mina.page.route(`**/api/tasks/${refused}/move`, (route) =>
      route.fulfill({ status: 409, json: { error: { code: 'refused', message: 'Not this one.' } } }),
    )
    const [stopMina, stopTheo] = await Promise.all([traceRows(mina.page), traceRows(theo.page)])

    const byMina = async () => {
      await mina.rename('Fast one', 'Fast one, 2nd')
      await mina.carry('Fast two', 'ArrowRight')
      await mina.rename('Fast one, 2nd', 'Fast one, 3rd')
      await mina.carry('Refused', 'ArrowRight')
      await mina.rename('Fast two', 'Fast two, 2nd')
      await mina.carry('Fast one, 3rd', 'ArrowRight')
      await mina.rename('Fast one, 3rd', 'Fast one, 4th')
      await mina.carry('Fast two, 2nd', 'ArrowRight')
    }
    await theo.link('Fast one').click()
    const panel = theo.page.getByRole('complementary', { name: /^Task/ })
    const byTheo = async () => {
      for (const priority of ['High', 'Low', 'Urgent', 'Medium']) {
        await panel.getByRole('button', { name: /^Priority of/ }).press('Enter')
        await theo.page.getByRole('menuitemradio', { name: priority }).press('Enter')
      }
    }
    await Promise.all([byMina(), byTheo()])
    await mina.page.getByText(/was not moved/).waitFor()
    await Promise.all([mina.hasSaved(), theo.hasSaved()])
    await theo.inColumn('review', 'Fast two, 2nd').waitFor()
    await theo.inColumn('doing', 'Fast one, 4th').waitFor()

    const [ofMina, ofTheo] = await Promise.all([stopMina(), stopTheo()])
    // What was refused goes back to where it was, and nothing else does.
    expect({ ...ofMina, changes: 0 }).toEqual({
      flickers: [],
      duplicates: [],
      flashbacks: ['Refused in todo'],
      changes: 0,
    })
    expect({ ...ofTheo, changes: 0 }).toEqual({ flickers: [], duplicates: [], flashbacks: [], changes: 0 })
    expect(await mina.columns()).toEqual(await theo.columns())
  })

  it('made offline are still there after a reload, and are sent once when the network is back', async () => {
    const context = mina.page.context()
    await context.setOffline(true)
    await mina.create('Offline one', 'Offline two')
    await mina.rename('Offline one', 'Offline one, renamed')
    await mina.link('Offline one, renamed').waitFor()
    expect(await mina.page.locator('[data-pending]').count()).toBe(2)

    // A page cannot be loaded offline: it can while only the API is out of reach.
    await context.route('**/api/**', (route) => route.abort())
    await context.setOffline(false)
    await mina.page.reload()
    await mina.link('Offline one, renamed').waitFor()
    await mina.link('Offline two').waitFor()
    expect(await mina.link('Offline one').count()).toBe(0)
    expect(await mina.page.locator('[data-pending]').count()).toBe(2)
    const stop = await traceRows(mina.page)

    await context.unroute('**/api/**')
    await theo.link('Offline one, renamed').waitFor()
    await theo.link('Offline two').waitFor()
    await mina.hasSaved()
    expect({ ...(await stop()), changes: 0 }).toEqual({
      flickers: [],
      duplicates: [],
      flashbacks: [],
      changes: 0,
    })
    const onServer = await titlesOnServer()
    expect(onServer.filter((title) => title.startsWith('Offline'))).toEqual([
      'Offline one, renamed',
      'Offline two',
    ])
    await expect.poll(() => mina.columns(), { timeout: WAIT_MS }).toEqual(await theo.columns())
  })

  it('of two tabs of one person are not sent twice', async () => {
    const context = mina.page.context()
    const other = await context.newPage()
    await other.goto(`${server.url}/b/orbit?as=mina`)
    await other.locator('[data-task-id]').first().waitFor()
    const sent: string[] = []
    context.on('request', (request) => {
      if (request.method() === 'POST' && request.url().endsWith('/tasks'))
        sent.push(request.headers()['idempotency-key'] ?? '')
    })
    await context.setOffline(true)
    await mina.create('From one tab')
    await mina.link('From one tab').waitFor()
    await context.setOffline(false)
    await theo.link('From one tab').waitFor()
    await mina.hasSaved()
    await other.getByRole('link', { name: 'From one tab', exact: true }).waitFor()
    expect(new Set(sent).size).toBe(1)
    expect((await titlesOnServer()).filter((title) => title === 'From one tab')).toHaveLength(1)
    await other.close()
  })
})
