/** How the server tells a fact. */
import type { Configuration } from './configurations.ts'
import type { Fact } from './facts.ts'

export interface Told {
  readonly type: 'row.saved' | 'row.deleted' | 'board.touched' | 'counter.added' | 'counter.set'
  readonly data: unknown
  readonly mutationId?: string | undefined
}

export function eventOf(fact: Fact, { events, counts }: Configuration): Told {
  const { board, write, row, counter, rev, mutationId } = fact
  const told = (type: Told['type'], data: unknown): Told => ({
    type,
    data: Object.freeze(data), // All clients get the same one.
    ...(mutationId !== undefined && { mutationId }),
  })
  const isTouch = events === 'touched' || (events === 'mixed' && rev % 3 === 0)
  if (isTouch) return told('board.touched', { board })
  if (write.op === 'add') {
    return counts === 'by'
      ? told('counter.added', { board, by: write.by, rev })
      : told('counter.set', { board, counter: { ...counter } })
  }
  return write.op === 'delete' ? told('row.deleted', { board, id: write.id }) : told('row.saved', { ...row })
}
