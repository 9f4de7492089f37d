import type { Browser } from 'playwright'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startBoard, type BoardServer } from './support/board-server.ts'
import { launchBrowser, openWindow } from './support/board-window.ts'

describe('who may see what', () => {
  let server: BoardServer
  let browser: Browser

  beforeAll(async () => {
    ;[server, browser] = await Promise.all([startBoard(), launchBrowser()])
  })
  afterAll(async () => {
    await browser.close()
    await server[Symbol.asyncDispose]()
  })

  it('asks who one is, and lets two windows be two people', async () => {
    const page = await browser.newPage()
    await page.goto(server.url)
    await page.getByRole('heading', { name: 'Who are you in this window?' }).waitFor()
    await page.getByRole('button', { name: 'Sofia Marques' }).click()
    await page.locator('[data-task-id]').first().waitFor()
    await page.getByRole('button', { name: 'You are Sofia Marques. Switch' }).click()
    await page.getByRole('menuitemradio', { name: /Lukas Brandt/ }).click()
    await page.getByRole('button', { name: 'You are Lukas Brandt. Switch' }).waitFor()
    await page.close()
  })

  it('gives neither tasks nor events of a private board to others', async () => {
    const noor = await openWindow(browser, server.url, 'noor')
    await noor.page.getByRole('link', { name: /^Hiring/ }).click()
    await noor.page.getByText('This board is private').waitFor()
    await expect
      .poll(() =>
        noor.frames.filter((frame) => frame.includes('"refused"') && frame.includes('board:hiring')),
      )
      .toHaveLength(1)

    const api = await server.as('mina')
    const secret = { id: crypto.randomUUID(), title: 'Top secret', status: 'todo' }
    expect((await api('POST', '/boards/hiring/tasks', { body: secret })).status).toBe(201)
    // The barrier: what is published after it has arrived.
    const open = { id: crypto.randomUUID(), title: 'For everybody', status: 'todo' }
    await api('POST', '/boards/website/tasks', { body: open })
    await expect
      .poll(() =>
        noor.frames.some((frame) => frame.includes('"board.updated"') && frame.includes('"website"')),
      )
      .toBe(true)
    expect(noor.frames.filter((frame) => frame.includes('Top secret'))).toEqual([])
    expect(noor.pageErrors).toEqual([])
    await noor.close()
  })

  it('takes no token that it has not made', async () => {
    const forged = await fetch(`${server.url}/api/boards`, {
      headers: { Authorization: 'Bearer mina.forged' },
    })
    expect(forged.status).toBe(401)
    const page = await (await browser.newContext()).newPage()
    await page.addInitScript(() => {
      if (sessionStorage.getItem('tried') !== null) return
      sessionStorage.setItem('tried', 'yes')
      const user = { id: 'mina', name: 'Mina Okafor', role: 'Product', color: '#000' }
      sessionStorage.setItem('task-board.demo-session', JSON.stringify({ user, token: 'mina.forged' }))
    })
    await page.goto(server.url)
    await page.getByRole('heading', { name: 'Who are you in this window?' }).waitFor()
    await page.context().close()
  })
})
