/** The data of the benchmarks: rows of about 200 bytes, and events of about 155 that change some of their fields. */
import { z } from 'zod'

export interface Row {
  readonly id: number
  readonly title: string
  readonly status: string
  readonly priority: number
  readonly assignee: string
  readonly labels: string
  readonly estimate: number
  readonly createdAt: string
  readonly updatedAt: string
  readonly position: number
}

/** What an event says of a row. */
export const Change = z.object({
  id: z.number(),
  title: z.string(),
  status: z.string(),
  priority: z.number(),
  updatedAt: z.string(),
})

const STATUSES = ['open', 'doing', 'review', 'done']

export function makeRows(count: number): Row[] {
  return Array.from({ length: count }, (_, id) => ({
    id,
    title: `Task ${id} of the board`,
    status: STATUSES[id % 4]!,
    priority: id % 5,
    assignee: `user-${id % 50}`,
    labels: 'bug,frontend',
    estimate: id % 13,
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
    position: id * 1_024,
  }))
}

/** Random numbers that are the same in every run. */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Makes messages that change random rows. No two say the same, so none is without effect. */
export function messageSource(rowCount: number, seed: number): () => string {
  const random = randomNumbers(seed)
  let count = 0
  return () => {
    count += 1
    const data = {
      id: Math.floor(random() * rowCount),
      title: `Task, change ${count}`,
      status: STATUSES[count % 4]!,
      priority: count % 5,
      updatedAt: '2026-06-01T12:00:00.000Z',
    }
    return JSON.stringify({ type: 'task.updated', topic: 'board:1', seq: count, data })
  }
}
