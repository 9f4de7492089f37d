/**
 * The server as it is: two boards of tasks, each row with a version. `read` answers a query from what is committed
 * now. Every write tells which event makes it known, and on which topics.
 */
export const BOARDS = ['a', 'b'] as const
export type Board = (typeof BOARDS)[number]

export interface Task {
  readonly id: number
  readonly board: Board
  readonly title: string
  readonly done: boolean
  readonly rank: number
  /** The version: greater with every write of the table. */
  readonly rev: number
}

export interface Settings {
  readonly theme: string
  readonly rev: number
}

/** How a write is told: by the whole row, by what has changed in it, or only that something has. */
export type Style = 'saved' | 'patched' | 'touched'

export interface Write {
  readonly op: 'create' | 'retitle' | 'finish' | 'rank' | 'move' | 'delete' | 'import' | 'hit' | 'settings'
  readonly style: Style
  readonly board: number
  readonly row: number
  readonly value: number
}

export interface Publication {
  readonly topic: string
  readonly type: string
  readonly data: unknown
}

export interface Page {
  readonly items: readonly Task[]
  /** Where the next page begins: after this row. `null`: there is none. */
  readonly next: Cursor | null
  /** Where the page before it ends: before this row. */
  readonly previous: Cursor | null
}

/** The place of a row: what a list is sorted by. */
export interface Cursor {
  readonly rank: number
  readonly id: number
}

/** Which page: the one after a row, or before it. Neither: the first one. */
export interface PageParam {
  readonly after?: Cursor
  readonly before?: Cursor
}

export const PAGE_SIZE = 2
export const TOP_LIMIT = 3

export const byId = (a: Task, b: Task) => a.id - b.id
export const byRank = (a: Cursor, b: Cursor) => a.rank - b.rank || a.id - b.id
export const byRankDown = (a: Task, b: Task) => b.rank - a.rank || a.id - b.id
export const isHot = (task: Task) => !task.done && task.rank % 3 === 0
/** A reel opens in the middle and is read both ways. */
const REEL_START: PageParam = { after: { rank: 5, id: 0 } }
export const topicOf = (board: Board) => `board:${board}`

export class ModelServer {
  readonly tasks = new Map<number, Task>()
  readonly #hits: Record<Board, number> = { a: 0, b: 0 }
  readonly #settings: Record<Board, Settings> = {
    a: { theme: 'plain', rev: 0 },
    b: { theme: 'plain', rev: 0 },
  }
  #rev = 0
  #lastId = 0

  constructor() {
    for (const rank of [5, 3, 9, 6]) this.#add('a', rank)
    for (const rank of [4, 6]) this.#add('b', rank)
  }

  /** Commits a write and gives what has to be published, in order. Nothing when there is nothing to write to. */
  write({ op, style, board: boardIndex, row, value }: Write): Publication[] {
    const board = BOARDS[boardIndex % BOARDS.length]!
    const tasks = [...this.tasks.values()]
    const task = tasks.length === 0 ? undefined : tasks[row % tasks.length]
    switch (op) {
      case 'create':
        return told(this.#add(board, value % 10), style)
      case 'import':
        for (const one of tasks) if (one.board === board) this.#save({ ...one, title: `imported ${value}` })
        return [publication(board, 'board.imported', { board })]
      case 'hit':
        this.#hits[board] += 1
        return [publication(board, value % 2 === 0 ? 'board.hit' : 'board.counted', { board })]
      case 'settings':
        this.#settings[board] = { theme: `theme ${value}`, rev: (this.#rev += 1) }
        return [publication(board, 'settings.saved', { board, settings: this.#settings[board] })]
      default: // The others need a task.
    }
    if (task === undefined) return []
    switch (op) {
      case 'retitle': {
        const saved = this.#save({ ...task, title: `title ${value}` })
        if (style !== 'patched') return told(saved, style)
        const { id, title, rev } = saved
        return [publication(task.board, 'task.patched', { id, partial: { title, rev } })]
      }
      case 'finish':
        return told(this.#save({ ...task, done: !task.done }), style)
      case 'rank':
        return told(this.#save({ ...task, rank: value % 10 }), style)
      case 'move': {
        const moved = this.#save({ ...task, board: task.board === 'a' ? 'b' : 'a' })
        // Topics are not in step with each other: each tells all that concerns its own lists, and nothing else.
        return [
          publication(task.board, 'task.left', { board: task.board, task: moved }),
          ...told(moved, style),
        ]
      }
      case 'delete': {
        this.#rev += 1
        this.tasks.delete(task.id)
        const { id, board: was } = task
        return style === 'touched'
          ? [publication(was, 'task.touched', { id, board: was })]
          : [publication(was, 'task.deleted', { id, board: was })]
      }
    }
  }

  /** Commits a new title, for who knows the row. Nothing when it is gone. */
  retitle(id: number, title: string): Publication[] {
    const task = this.tasks.get(id)
    return task ? told(this.#save({ ...task, title }), 'saved') : []
  }

  /** The answer to a query, as of now. A new value every time. */
  read([, kind, of]: readonly unknown[], page?: PageParam): unknown {
    const board = of as Board
    const tasks = [...this.tasks.values()].filter((task) => task.board === board).sort(byId)
    switch (kind) {
      case 'all':
        return tasks.map(copy)
      case 'open':
        return tasks
          .filter(({ done }) => !done)
          .sort(byRank)
          .map(copy)
      case 'top':
        return tasks.sort(byRankDown).slice(0, TOP_LIMIT).map(copy)
      case 'hot':
        return tasks.filter(isHot).map(copy)
      case 'box':
        return { total: tasks.length, items: tasks.sort(byRank).map(copy) }
      case 'stats':
        return {
          open: tasks.filter(({ done }) => !done).length,
          done: tasks.filter(({ done }) => done).length,
        }
      case 'hits':
        return this.#hits[board]
      case 'settings':
        return { ...this.#settings[board] }
      case 'feed':
        return pageOf(tasks.sort(byRank), page)
      case 'reel':
        return pageOf(tasks.sort(byRank), page ?? REEL_START)
      case 'detail': {
        const task = this.tasks.get(of as number)
        return task ? copy(task) : null
      }
    }
    throw new Error(`no such query: ${String(kind)}`)
  }

  #add(board: Board, rank: number): Task {
    const id = (this.#lastId += 1)
    return this.#save({ id, board, title: `title ${id}`, done: false, rank, rev: 0 })
  }

  #save(task: Task): Task {
    const saved = { ...task, rev: (this.#rev += 1) }
    this.tasks.set(saved.id, saved)
    return saved
  }
}

const copy = (task: Task): Task => ({ ...task })

function pageOf(tasks: readonly Task[], { after, before }: PageParam = {}): Page {
  let from = after ? tasks.filter((task) => byRank(task, after) <= 0).length : 0
  let end = from + PAGE_SIZE
  if (before) {
    end = tasks.filter((task) => byRank(task, before) < 0).length
    from = Math.max(0, end - PAGE_SIZE)
  }
  const items = tasks.slice(from, end).map(copy)
  const cursor = ({ rank, id }: Cursor): Cursor => ({ rank, id })
  const [first, last] = [items[0], items.at(-1)]
  // An empty page has edges too: it begins just after `after`, or ends just before `before`.
  const next = last ? cursor(last) : before && { ...before, id: before.id - 0.5 }
  const previous = first ? cursor(first) : after && { ...after, id: after.id + 0.5 }
  return {
    items,
    next: (next && end < tasks.length && next) || null,
    previous: (previous && from > 0 && previous) || null,
  }
}

const publication = (board: Board, type: string, data: unknown): Publication => ({
  topic: topicOf(board),
  type,
  data: structuredClone(data),
})

function told(task: Task, style: Style): Publication[] {
  const { id, board } = task
  if (style === 'touched') return [publication(board, 'task.touched', { id, board })]
  return [publication(board, 'task.saved', task)]
}
