/** The task board in a browser whose network, page or server stops for a while. */
import type { Browser } from 'playwright'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startBoard, type BoardServer } from './support/board-server.ts'
import { launchBrowser, openWindow, WAIT_MS, type BoardWindow } from './support/board-window.ts'

describe('a window of the task board', () => {
  let server: BoardServer
  let browser: Browser
  let mina: BoardWindow
  let theo: BoardWindow
  /** What mina's window has asked the REST API to change. */
  const writes: string[] = []

  beforeAll(async () => {
    // Playwright turns the back/forward cache off; people have it.
    ;[server, browser] = await Promise.all([startBoard(), launchBrowser(['--disable-back-forward-cache'])])
    ;[mina, theo] = await Promise.all([
      openWindow(browser, server.url, 'mina'),
      openWindow(browser, server.url, 'theo'),
    ])
    mina.page.on('request', (request) => {
      const { pathname } = new URL(request.url())
      if (request.method() !== 'GET') writes.push(`${request.method()} ${pathname}`)
    })
  })
  afterAll(async () => {
    await browser.close()
    await server[Symbol.asyncDispose]()
  })

  async function isBackInStep(): Promise<void> {
    await mina.hasStatus('Live')
    await Promise.all([mina.hasSaved(), theo.hasSaved()])
    await expect.poll(async () => mina.columns(), { timeout: WAIT_MS }).toEqual(await theo.columns())
    expect([...mina.pageErrors, ...theo.pageErrors]).toEqual([])
  }

  it('says at once that it is offline, and is in step when it is back, with what was done meanwhile sent once', async () => {
    const context = mina.page.context()
    await context.setOffline(true)
    await mina.hasStatus('Offline')
    await theo.create('While mina is offline')
    await context.setOffline(false)
    await mina.link('While mina is offline').waitFor()
    await isBackInStep()

    await context.setOffline(true)
    await mina.hasStatus('Offline')
    await mina.create('Made offline')
    await mina.link('Made offline').waitFor()
    await context.setOffline(false)
    await theo.link('Made offline').waitFor()
    await isBackInStep()
    expect(writes).toEqual(['POST /api/boards/orbit/tasks'])
  })

  it('is not live for long when the server freezes, says when it tries again, and is in step when it thaws', async () => {
    await mina.page.evaluate(() => {
      const told: string[] = []
      const button = document.querySelector('[data-testid=connection]')!
      new MutationObserver(() => told.push(button.textContent)).observe(button, {
        subtree: true,
        childList: true,
        characterData: true,
      })
      Object.assign(window, { told })
    })
    const pid = await server.serverPid()
    process.kill(pid, 'SIGSTOP')
    await mina.hasStatus('Reconnecting')
    process.kill(pid, 'SIGCONT')
    await Promise.all([mina.hasStatus('Live'), theo.hasStatus('Live')])
    await theo.create('After the thaw')
    await mina.link('After the thaw').waitFor()
    await isBackInStep()
    const told = await mina.page.evaluate(() => (window as unknown as { told: string[] }).told)
    const waits = told.flatMap((text) => Number(/in (\d+) s/.exec(text)?.[1] ?? 0))
    // The longest backoff of the board.
    expect(Math.max(...waits)).toBeLessThanOrEqual(3)
  })

  it('that comes from the back/forward cache shows what has happened meanwhile', async () => {
    await mina.page.evaluate(() => {
      addEventListener('pageshow', ({ persisted }) => Object.assign(window, { persisted }))
    })
    await mina.page.goto(`${server.url}/api/dev/process`)
    await theo.create('While mina looks elsewhere')
    await mina.page.goBack({ waitUntil: 'commit' })
    await mina.link('While mina looks elsewhere').waitFor()
    await isBackInStep()
    // The same page, not a new one.
    expect(await mina.page.evaluate(() => (window as unknown as { persisted: boolean }).persisted)).toBe(true)
  })

  it('that was frozen shows what has happened meanwhile', async () => {
    const devtools = await mina.page.context().newCDPSession(mina.page)
    await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })
    await theo.create('While mina is frozen')
    await devtools.send('Page.setWebLifecycleState', { state: 'active' })
    await mina.link('While mina is frozen').waitFor()
    await isBackInStep()
    await theo.rename('While mina is frozen', 'Seen by both')
    await mina.link('Seen by both').waitFor()
    await isBackInStep()
  })
})
