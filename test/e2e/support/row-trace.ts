/**
 * Watches every row of a board from the moment in which the DOM changes, so that nothing that is shown for even
 * one frame is missed.
 */
import type { Page } from 'playwright'

/** What was seen of the rows: in good order, nothing. */
export interface RowTrace {
  /** Rows that went away and came back, or were drawn anew where they are: a field in them would lose its focus. */
  readonly flickers: readonly string[]
  /** Rows, or titles (which the tests keep unique), that were there twice at the same time. */
  readonly duplicates: readonly string[]
  /** Rows that went back to something they had shown before: an old title, an old column. */
  readonly flashbacks: readonly string[]
  /** How many times something changed. Not 0, or the trace proves nothing. */
  readonly changes: number
}

declare global {
  interface Window {
    rowTrace?: { stop: () => RowTrace }
  }
}

export async function traceRows(page: Page): Promise<() => Promise<RowTrace>> {
  await page.evaluate(() => {
    const flickers: string[] = []
    const duplicates: string[] = []
    const flashbacks: string[] = []
    const gone = new Set<string>()
    const shown = new Map<string, string>()
    let places = new Map<string, { row: Element; column: Element | null }>()
    const history = new Map<string, Set<string>>()
    let changes = 0

    const look = () => {
      const now = new Map<string, string>()
      const titles = new Set<string>()
      const placesNow: typeof places = new Map()
      for (const row of document.querySelectorAll<HTMLElement>('[data-task-id]')) {
        const id = row.dataset['taskId']!
        const title = row.querySelector('[data-card-link]')?.textContent
        // While it is being renamed there is a text field in its place.
        const column = row.closest<HTMLElement>('[data-column]')?.dataset['column']
        const state = title === undefined ? (shown.get(id) ?? '') : `${title} in ${column}`
        if (now.has(id) || (title !== undefined && titles.has(title))) duplicates.push(state)
        if (title !== undefined) titles.add(title)
        now.set(id, state)
        if (gone.has(id)) flickers.push(state)
        const place = { row, column: row.closest('[data-column]') }
        const before = places.get(id)
        if (before && before.column === place.column && before.row !== row)
          flickers.push(`${state}, drawn anew`)
        placesNow.set(id, place)
        if (shown.get(id) === state) continue
        changes++
        const states = history.get(id) ?? new Set()
        if (states.has(state)) flashbacks.push(state)
        history.set(id, states.add(state))
      }
      for (const [id] of shown) {
        if (now.has(id)) continue
        changes++
        gone.add(id)
      }
      places = placesNow
      shown.clear()
      for (const [id, state] of now) shown.set(id, state)
    }
    look()
    changes = 0
    const observer = new MutationObserver(look)
    observer.observe(document.body, { childList: true, subtree: true, characterData: true })
    window.rowTrace = {
      stop: () => {
        observer.takeRecords()
        look()
        observer.disconnect()
        return { flickers, duplicates, flashbacks, changes }
      },
    }
  })
  return () => page.evaluate(() => window.rowTrace!.stop())
}
