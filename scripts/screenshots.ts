/**
 * Makes the pictures in `docs/images` anew, from the real board in real windows: `npm run screenshots`, after a
 * build.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContextOptions } from 'playwright'
import { startBoard, type BoardServer } from '../test/e2e/support/board-server.ts'
import { BoardWindow, launchBrowser } from '../test/e2e/support/board-window.ts'

const images = fileURLToPath(new URL('../docs/images/', import.meta.url))
const SCALE = 1.5
const LAPTOP = { width: 1440, height: 900 }
const HALF = { width: 720, height: 780 }
const PHONE = { width: 390, height: 844 }

async function open(browser: Browser, address: string, options: BrowserContextOptions): Promise<BoardWindow> {
  const context = await browser.newContext({ deviceScaleFactor: SCALE, ...options })
  const window = new BoardWindow(await context.newPage())
  await window.page.goto(address)
  await window.isReady()
  // Somebody's pointer would light up what it happens to be on.
  await window.page.mouse.move(0, 0)
  return window
}

/** Whatever glides has arrived. */
async function isAtRest({ page }: BoardWindow): Promise<void> {
  await page.waitForFunction(() =>
    document
      .getAnimations()
      .every((animation) => animation instanceof CSSAnimation || animation.playState !== 'running'),
  )
}

async function shoot(window: BoardWindow): Promise<Buffer> {
  await isAtRest(window)
  return window.page.screenshot()
}

/** Two windows side by side: what one has just done, the other shows, and says who did it. */
async function twoWindows(browser: Browser, server: BoardServer): Promise<Buffer> {
  const [mina, theo] = await Promise.all([
    open(browser, `${server.url}/b/orbit?as=mina`, { viewport: HALF }),
    open(browser, `${server.url}/b/orbit?as=theo`, { viewport: HALF }),
  ])
  await mina.carry('Boarding pass is cut off on small screens', 'ArrowRight', 'ArrowUp')
  await theo.inColumn('doing', 'Boarding pass is cut off on small screens').waitFor()
  await theo.task('Boarding pass is cut off on small screens').getByTestId('remote-light').waitFor()
  const shots = await Promise.all([shoot(mina), shoot(theo)])
  await Promise.all([mina.close(), theo.close()])
  return sideBySide(browser, [
    { name: 'Mina’s window', shot: shots[0] },
    { name: 'Theo’s window', shot: shots[1] },
  ])
}

async function sideBySide(browser: Browser, windows: { name: string; shot: Buffer }[]): Promise<Buffer> {
  const context = await browser.newContext({
    viewport: { width: 2 * HALF.width + 120, height: HALF.height + 120 },
    deviceScaleFactor: SCALE,
  })
  const page = await context.newPage()
  await page.setContent(`
    <style>
      body { display: flex; gap: 40px; margin: 0; padding: 40px; box-sizing: border-box;
             background: linear-gradient(120deg, #dfe3fb, #f3e4f0 60%, #fbeede); font: 500 13px Inter, system-ui, sans-serif }
      figure { margin: 0; overflow: hidden; border-radius: 12px; background: #fff;
               box-shadow: 0 24px 60px rgb(30 30 80 / 22%), 0 0 0 1px rgb(30 30 80 / 10%) }
      figcaption { display: flex; align-items: center; height: 40px; padding: 0 16px; gap: 8px; background: #ecedf2; color: #4b4e5a }
      i { width: 12px; height: 12px; border-radius: 50%; background: #d3d5de }
      span { flex: 1; padding-right: 52px; text-align: center }
      img { display: block; width: ${HALF.width}px }
    </style>
    ${windows
      .map(
        ({ name, shot }) => `<figure><figcaption><i></i><i></i><i></i><span>${name}</span></figcaption>
          <img src="data:image/png;base64,${shot.toString('base64')}"></figure>`,
      )
      .join('')}`)
  const picture = await page.screenshot()
  await context.close()
  return picture
}

async function dark(browser: Browser, server: BoardServer): Promise<Buffer> {
  const window = await open(browser, `${server.url}/b/orbit?as=lukas`, {
    viewport: LAPTOP,
    colorScheme: 'dark',
  })
  await window.link('Trips open without a network').click()
  await window.page.getByRole('list', { name: 'Activity' }).waitFor()
  const picture = await shoot(window)
  await window.close()
  return picture
}

async function networkPanel(browser: Browser, server: BoardServer): Promise<Buffer> {
  const window = await open(browser, `${server.url}/b/orbit?as=priya`, { viewport: LAPTOP })
  const api = await server.as('mina')
  const { body: tasks } = await api<{ id: string; title: string }[]>('GET', '/boards/orbit/tasks')
  const patch = (index: number, change: object) =>
    api('PATCH', `/tasks/${tasks[index]!.id}`, { body: change })
  await window.pressInPanel('Lose the next one')
  await patch(0, { priority: 'urgent' })
  await window.logLine('lost on the way').waitFor()
  await patch(1, { priority: 'high' })
  await window.logLine(/missed, replayed/).waitFor()
  await window.pressInPanel('Stay disconnected')
  await window.hasStatus('Reconnecting')
  for (const index of [2, 3, 4]) await patch(index, { labels: ['bug', 'design'] })
  await window.pressInPanel('Let it connect again')
  await window.logLine(/3 missed, replayed/).waitFor()
  await window.hasStatus('Live')
  await window.page.mouse.move(0, 0)
  const picture = await shoot(window)
  await window.close()
  return picture
}

async function phone(browser: Browser, server: BoardServer, colorScheme: 'light' | 'dark'): Promise<Buffer> {
  const window = await open(browser, `${server.url}/b/orbit?as=sofia`, {
    viewport: PHONE,
    colorScheme,
    isMobile: true,
    hasTouch: true,
  })
  const picture = await shoot(window)
  await window.close()
  return picture
}

/** Changes made without a network: shown at once, and marked until the server has them. */
async function offline(browser: Browser, server: BoardServer): Promise<Buffer> {
  const window = await open(browser, `${server.url}/b/orbit?as=theo`, { viewport: LAPTOP })
  await window.page.context().setOffline(true)
  await window.create('Written on a train', 'Sent when there is a network')
  await window.carry('Written on a train', 'ArrowRight')
  await window.page.mouse.move(0, 0)
  const picture = await shoot(window)
  await window.page.context().setOffline(false)
  await window.hasSaved()
  await window.close()
  return picture
}

mkdirSync(images, { recursive: true })
const browser = await launchBrowser()
const server = await startBoard()
const pictures: [string, () => Promise<Buffer>][] = [
  ['two-windows', () => twoWindows(browser, server)],
  ['dark', () => dark(browser, server)],
  ['phone', () => phone(browser, server, 'light')],
  ['phone-dark', () => phone(browser, server, 'dark')],
  // Last: they change tasks.
  ['offline', () => offline(browser, server)],
  ['network-panel', () => networkPanel(browser, server)],
]
for (const [name, take] of pictures) {
  writeFileSync(`${images}${name}.png`, await take())
  console.log(`docs/images/${name}.png  ${Math.round(readFileSync(`${images}${name}.png`).length / 1024)} kB`)
}
await browser.close()
await server[Symbol.asyncDispose]()
