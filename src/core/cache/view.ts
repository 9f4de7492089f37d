import { notifyManager, replaceEqualDeep, type Query } from '@tanstack/query-core'
import type { CacheParts } from './cache-parts.ts'

type Parts = Pick<CacheParts, 'failed' | 'isAttached' | 'journal' | 'overlay' | 'writer'>

/** Shows what the overlay makes of queries: one write per query, and one notification, for all that one input does. */
export class View {
  readonly #parts: Parts
  /** Queries to show at the end of the step that is running; `undefined` between steps. */
  #toShow: Set<Query> | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** What runs in it is one step for everybody who looks on. */
  together(step: () => void): void {
    if (this.#toShow) {
      step()
      return
    }
    const queries = (this.#toShow = new Set<Query>())
    notifyManager.batch(() => {
      try {
        step()
      } finally {
        this.#toShow = undefined
        for (const query of queries) this.show(query)
      }
    })
  }

  /** Shows a query as it is when what runs together has ended. */
  show(query: Query): void {
    if (this.#toShow) {
      this.#toShow.add(query)
      return
    }
    const { failed, isAttached, journal, overlay, writer } = this.#parts
    if (!isAttached) return
    const folded = overlay.view(query)
    const view = folded?.data
    const { data } = query.state
    if (view !== undefined && view !== data) {
      // Rows that come out as they were keep their references.
      const shown = replaceEqualDeep(data, view)
      if (shown !== data) writer.patch(query, shown)
      journal.noteWrite(query)
    }
    if (folded) failed.tell(query, folded, overlay.entries.get(query)?.facts ?? [])
    // With one more page come the others as they were shown when its fetch began, be it with guesses that are over.
    if (journal.get(query)?.page === undefined) overlay.prune(query)
  }
}
