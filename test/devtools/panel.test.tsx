import { act, fireEvent, render, screen, within } from '@testing-library/react'
import { StrictMode } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RealtimeDevtools, RealtimeDevtoolsPanel, recordRealtime } from '../../src/devtools/production.ts'
import { RealtimeDevtoolsPanel as GatedPanel } from '../../src/devtools/index.ts'
import { RealtimeQueryProvider } from '../../src/react/index.ts'
import { createRig, TOPIC, type Rig } from './support.ts'

const LIST = ['tasks', 'list'] as const

let rig: Rig

beforeEach(() => {
  vi.useFakeTimers()
  rig = createRig()
})
afterEach(() => {
  rig.end()
  vi.useRealTimers()
})

/** Lets a frame pass, and React with it. */
const frame = (ms = 150) => act(() => vi.advanceTimersByTimeAsync(ms))

/** A panel over a live bridge. */
async function open(props: Partial<Parameters<typeof RealtimeDevtoolsPanel>[0]> = {}) {
  render(<RealtimeDevtoolsPanel {...props} bridge={rig.bridge} />)
  act(() => {
    rig.start()
  })
  await frame()
}

const tab = (name: string) => screen.getByRole('tab', { name: new RegExp(`^${name}`) })
const rows = (list = 'Events') =>
  within(screen.getByRole('list', { name: list }))
    .getAllByRole('button')
    .map(({ textContent }) => textContent)
const details = () => screen.getByRole('region', { name: /details$/ })

/** Clicks the line with this text. */
function pick(text: string) {
  const line = screen.getAllByText(text).find((element) => element.closest('[data-row]'))
  fireEvent.click(line!)
}

describe('events', () => {
  it('are shown newest first, with what they have done', async () => {
    await open()
    rig.observe(LIST, [])
    rig.push({ type: 'task.saved', data: { id: 1, title: 'new' } })
    rig.push({ type: 'task.renamed', data: { id: 9, title: 'x' } })
    await frame()
    expect(rows()[1]).toMatch(/event.*task\.saved · board:1 #1.*1 changed/)
    expect(rows()[0]).toMatch(/task\.renamed · board:1 #2.*no query/)
  })

  it('tell when they are picked what they did to which query, why not to others, and their data', async () => {
    await open()
    rig.observe(LIST, [])
    rig.observe(['tasks', 'detail', 7], { id: 7, title: 'seven' })
    rig.push({ type: 'task.saved', data: { id: 1, title: 'new' } })
    await frame()
    pick('task.saved · board:1 #1')
    const shown = details()
    expect(shown.textContent).toContain('upsert 1 in ["tasks","list"]')
    expect(shown.textContent).toContain('["tasks", "list"] changed. It shows other data.')
    expect(shown.textContent).toContain('At [1] its key has "list", and the query\'s has "detail".')
    expect(within(shown).getByLabelText('Data').textContent).toContain('"title": "new"')
    fireEvent.keyDown(shown, { key: 'Escape' })
    expect(screen.queryByRole('region', { name: /details$/ })).toBeNull()
  })

  it('that are refused show the reason, and are among the errors', async () => {
    await open()
    rig.push({ type: 'task.saved', data: { id: 'x' } })
    await frame()
    pick('task.saved · board:1 #1')
    expect(details().textContent).toMatch(/fails its schema at id/)
    expect(tab('Errors').textContent).toBe('Errors1')
    fireEvent.click(tab('Errors'))
    expect(rows('Errors')).toEqual([expect.stringContaining('invalid-data')])
  })

  it('are filtered by words and by kind', async () => {
    await open()
    rig.push({ type: 'nothing', data: 1 }, { type: 'task.moved', data: 1 })
    await frame()
    fireEvent.change(screen.getByRole('searchbox', { name: 'Filter' }), {
      target: { value: 'board:1 MOVED' },
    })
    expect(rows()).toEqual([expect.stringContaining('task.moved')])
    fireEvent.change(screen.getByRole('searchbox', { name: 'Filter' }), { target: { value: '' } })
    fireEvent.change(screen.getByRole('combobox', { name: 'Kind' }), { target: { value: 'event' } })
    expect(rows()).toEqual([expect.stringContaining('nothing')])
    fireEvent.change(screen.getByRole('searchbox', { name: 'Filter' }), { target: { value: 'zzz' } })
    expect(screen.getByText('Nothing that the filter lets through.')).toBeTruthy()
  })

  it('stand still while the list is paused, and are counted', async () => {
    await open()
    rig.push({ type: 'nothing', data: 1 })
    await frame()
    fireEvent.click(screen.getByRole('button', { name: 'Pause' }))
    const before = rows()
    rig.push({ type: 'nothing', data: 2 })
    await frame()
    expect(rows()).toEqual(before)
    fireEvent.click(screen.getByRole('button', { name: 'Paused, 1 new' }))
    expect(rows()).toHaveLength(before.length + 1)
  })

  it('go when they are cleared', async () => {
    await open()
    rig.push({ type: 'nothing', data: 1 })
    await frame()
    fireEvent.click(screen.getByRole('button', { name: 'Clear' }))
    await frame()
    expect(screen.getByText('Nothing yet. What happens from now on is recorded.')).toBeTruthy()
  })

  it('of the last user are not shown to the next one, paused or not (L10)', async () => {
    await open()
    rig.push({ type: 'nothing', data: 'of the last user' })
    await frame()
    pick('nothing · board:1 #1')
    fireEvent.click(screen.getByRole('button', { name: 'Pause' }))
    act(() => {
      rig.bridge.setIdentity('another')
    })
    await frame()
    expect(document.body.textContent).not.toContain('of the last user')
    expect(document.body.textContent).not.toContain('nothing · board:1')
  })

  it('by the thousand cost at most ten renders a second, and 100 rows', async () => {
    await open({ capacity: 5_000 })
    let commits = 0
    const list = screen.getByRole('list', { name: 'Events' })
    const observer = new MutationObserver(() => commits++)
    observer.observe(list, { childList: true, subtree: true })
    for (let burst = 0; burst < 50; burst++) {
      for (let index = 0; index < 20; index++) rig.push({ type: 'nothing', data: index })
      await frame(20)
    }
    expect(rows()).toHaveLength(100)
    // The second that it has lasted, and what was due before.
    expect(commits).toBeLessThanOrEqual(11)
    expect(commits).toBeGreaterThan(5)
    observer.disconnect()
    await frame() // The last of them.
    fireEvent.click(screen.getByRole('button', { name: /^Show 100 more of 1\d\d\d$/ }))
    expect(rows()).toHaveLength(200)
  })
})

describe('the tabs', () => {
  it('are walked with the arrow keys, Home and End', async () => {
    await open()
    tab('Events').focus()
    for (const [key, name] of [
      ['ArrowRight', 'Topics'],
      ['ArrowLeft', 'Events'],
      ['ArrowLeft', 'Errors'],
      ['Home', 'Events'],
      ['End', 'Errors'],
    ] as const) {
      fireEvent.keyDown(document.activeElement!, { key })
      expect(document.activeElement).toBe(tab(name))
      expect(tab(name).getAttribute('aria-selected')).toBe('true')
    }
    expect(screen.getByRole('tabpanel').getAttribute('aria-labelledby')).toBe(tab('Errors').id)
  })

  it('lead into lists that are walked with the arrow keys', async () => {
    await open()
    const [first, second] = within(screen.getByRole('list', { name: 'Events' })).getAllByRole('button')
    expect([first!.tabIndex, second!.tabIndex]).toEqual([0, -1])
    first!.focus()
    fireEvent.keyDown(first!, { key: 'ArrowDown' })
    expect(document.activeElement).toBe(second)
    fireEvent.keyDown(second!, { key: 'Home' })
    expect(document.activeElement).toBe(first)
  })
})

it('shows topics with their state, place and counts', async () => {
  await open()
  rig.observe(LIST, [])
  rig.push({ type: 'nothing', data: 1 }, { type: 'nothing', data: 2 })
  fireEvent.click(tab('Topics'))
  await frame()
  const cells = within(screen.getByRole('row', { name: /^board:1/ })).getAllByRole('cell')
  expect(cells.map(({ textContent }) => textContent)).toEqual(['live', 'e:2', '1', '2', '0', '0', '0'])
})

it('shows what it thinks of a query, and why events did nothing to it', async () => {
  await open()
  rig.observe(LIST, [{ id: 1, title: 'old' }])
  rig.observe(['tasks', 'detail', '1'], { id: 1, title: 'old' })
  rig.push({ type: 'task.renamed', data: { id: 1, title: 'new' } })
  fireEvent.click(tab('Queries'))
  await frame()
  expect(rows('Queries')).toEqual(['live["tasks", "list"]on screen', 'live["tasks", "detail", "1"]on screen'])
  pick('["tasks", "detail", "1"]')
  // The usual mistake: an id is a number here, and a text there.
  expect(details().textContent).toContain('not meant. At [2] its key has 1, and the query\'s has "1".')
  expect(details().textContent).toContain(`${TOPIC} (live)`)
  expect(within(details()).getByLabelText('Data').textContent).toContain('"title": "old"')
})

it('shows pending mutations, what they are shown over, and what is confirmed below them', async () => {
  await open()
  rig.observe(LIST, [{ id: 1, title: 'old' }])
  await act(async () => {
    void rig.rename({ id: 1, title: 'new' }, () => Promise.reject(new Error('no right')))
    await Promise.resolve()
  })
  fireEvent.click(tab('Queries'))
  await frame(0)
  fireEvent.click(tab('Mutations'))
  await frame()
  const card = within(screen.getByRole('list', { name: 'Pending mutations' })).getByRole('listitem')
  expect(card.textContent).toMatch(/failed.*"rename".*no right.*"title": "new"/s)
  fireEvent.click(within(card).getByRole('button', { name: 'Discard' }))
  await frame()
  expect(rig.bridge.pendingMutations()).toEqual([])

  act(() => {
    void rig.rename({ id: 1, title: 'newer' }, () => new Promise(() => undefined))
  })
  await frame()
  expect(screen.getByRole('listitem').textContent).toMatch(/saving.*shown over\["tasks", "list"\]/s)
  fireEvent.click(tab('Queries'))
  pick('["tasks", "list"]')
  expect(within(details()).getByLabelText(/^Shown/).textContent).toContain('newer')
  expect(within(details()).getByLabelText(/^Confirmed/).textContent).toContain('old')
})

it('says where the connection is, and when it dials again', async () => {
  await open()
  expect(screen.getByRole('status').textContent).toBe('live')
  act(() => {
    rig.transport.connection.end()
  })
  await frame(50)
  expect(screen.getByRole('status').textContent).toBe('waiting')
  expect(screen.getByRole('banner').textContent).toMatch(/lost.*dials again in \d+\.\d s/)
})

it('shows nothing that `redact` hides', async () => {
  await open({ redact: (_, { kind }) => `(${kind} hidden)` })
  rig.observe(LIST, [{ id: 1, title: 'secret' }])
  rig.push({ type: 'task.saved', data: { id: 1, title: 'secret' } })
  await frame()
  pick('task.saved · board:1 #1')
  expect(within(details()).getByLabelText('Data').textContent).toBe('"(event hidden)"')
  fireEvent.click(tab('Queries'))
  pick('["tasks", "list"]')
  expect(within(details()).getByLabelText('Data').textContent).toBe('"(query hidden)"')
  expect(document.body.textContent).not.toContain('secret')
})

describe('inside a provider', () => {
  it('finds the bridge, and records from before its start', async () => {
    render(
      <StrictMode>
        <RealtimeQueryProvider bridge={rig.bridge}>
          <RealtimeDevtoolsPanel />
        </RealtimeQueryProvider>
      </StrictMode>,
    )
    await frame()
    expect(rows().at(-1)).toMatch(/status.*idle/)
    expect(rows().filter((row) => row.includes('connecting'))).toHaveLength(1)
  })

  it('is not needed: without a bridge it says what to do', () => {
    render(<RealtimeDevtoolsPanel />)
    expect(screen.getByText(/Render it inside RealtimeQueryProvider/)).toBeTruthy()
  })
})

it('opens from a button in the corner, and records while it is closed', async () => {
  render(<RealtimeDevtools bridge={rig.bridge} />)
  act(() => {
    rig.start()
    rig.push({ type: 'nothing', data: 1 })
  })
  const button = screen.getByRole('button', { name: 'Open the realtime devtools' })
  expect(button.getAttribute('aria-expanded')).toBe('false')
  fireEvent.click(button)
  await frame()
  expect(rows()[0]).toContain('nothing')
  fireEvent.click(screen.getByRole('button', { name: 'Close the realtime devtools' }))
  expect(screen.queryByRole('tab')).toBeNull()
})

it('shows what recordRealtime has recorded before', async () => {
  recordRealtime(rig.bridge)
  rig.start()
  rig.push({ type: 'nothing', data: 1 })
  render(<RealtimeDevtoolsPanel bridge={rig.bridge} />)
  await frame()
  expect(rows()[0]).toContain('nothing')
})

it('leaves no timer behind when it goes (L9)', async () => {
  const { unmount } = render(<RealtimeDevtoolsPanel bridge={rig.bridge} />)
  await frame()
  fireEvent.click(screen.getByRole('button', { name: 'Clear' })) // Asks for a frame.
  expect(vi.getTimerCount()).toBeGreaterThan(0)
  unmount()
  expect(vi.getTimerCount()).toBe(0)
})

it('is nothing in a build that is not for development', () => {
  const { container } = render(<GatedPanel bridge={rig.bridge} />)
  expect(container.innerHTML).toBe('')
})
