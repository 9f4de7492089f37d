import type { Browser } from 'playwright'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startBoard, type BoardServer } from './support/board-server.ts'
import { launchBrowser, openWindow, WAIT_MS, type BoardWindow } from './support/board-window.ts'

describe('a server that goes away', () => {
  let server: BoardServer
  let browser: Browser
  let mina: BoardWindow
  let theo: BoardWindow

  beforeAll(async () => {
    ;[server, browser] = await Promise.all([startBoard(), launchBrowser()])
    ;[mina, theo] = await Promise.all([
      openWindow(browser, server.url, 'mina'),
      openWindow(browser, server.url, 'theo'),
    ])
  })
  afterAll(async () => {
    await browser.close()
    await server[Symbol.asyncDispose]()
  })

  async function areBackInStep(): Promise<void> {
    await Promise.all([mina.hasStatus('Live'), theo.hasStatus('Live')])
    await mina.hasSaved()
    await expect.poll(async () => theo.columns(), { timeout: WAIT_MS }).toEqual(await mina.columns())
  }

  it('is killed: the tasks are there, and both windows come back in step', async () => {
    await mina.create('Before the crash')
    await theo.link('Before the crash').waitFor()
    await mina.hasSaved()
    const before = await theo.columns()
    const pid = await server.serverPid()
    process.kill(pid, 'SIGKILL')
    await Promise.all([mina.hasStatus('Reconnecting'), theo.hasStatus('Reconnecting')])
    await areBackInStep()
    expect(await theo.columns()).toEqual(before)
    expect(await server.serverPid()).not.toBe(pid)
    await theo.carry('Before the crash', 'ArrowRight')
    await mina.inColumn('doing', 'Before the crash').waitFor()
    await areBackInStep()
  })

  it('is killed again and again in the middle of writing: what was saved stays saved', async () => {
    const titles = ['One', 'Two', 'Three'].map((word) => `${word} in a storm`)
    for (const title of titles) {
      await mina.create(title)
      await mina.link(title).waitFor()
      process.kill(await server.serverPid(), 'SIGKILL')
      await theo.hasStatus('Reconnecting')
      await theo.link(title).waitFor()
      await theo.hasStatus('Live')
    }
    await areBackInStep()
    const { todo } = await theo.columns()
    for (const title of titles) expect(todo.filter((other) => other === title)).toEqual([title])
  })

  it('is stopped from the panel: what is done meanwhile waits, and is done once', async () => {
    await mina.create('Before the stop')
    await theo.link('Before the stop').waitFor()
    await mina.hasSaved()
    await theo.pressInPanel('Stop the server for 5 s')
    await mina.hasStatus('Reconnecting')
    await mina.rename('Before the stop', 'During the stop')
    await mina.link('During the stop').waitFor()
    await theo.link('During the stop').waitFor()
    await areBackInStep()
    const api = await server.as('mina')
    const { body } = await api<{ items: { kind: string; taskTitle: string }[] }>(
      'GET',
      '/boards/orbit/activity',
    )
    const renames = body.items.filter(
      ({ kind, taskTitle }) => kind === 'renamed' && taskTitle === 'During the stop',
    )
    expect(renames).toHaveLength(1)
  })
})
