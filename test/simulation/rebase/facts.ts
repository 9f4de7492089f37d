/**
 * The server as it is: boards of rows, each board a topic with its history. Every state that a board ever had is
 * kept, so that whoever claims to stand at a position can be held to it.
 */
export type Board = 'a' | 'b'
export const BOARDS: readonly Board[] = ['a', 'b']
export const topicOf = (board: Board) => `board:${board}`

export interface Row {
  readonly id: string
  readonly board: Board
  readonly title: string
  /** Even stages are open. Values are never used twice, so each tells who wrote it. */
  readonly stage: number
  /** What lists are sorted by. Never used twice. */
  readonly rank: number
  /** The version: greater with every write of the server. 0: a guess. */
  readonly rev: number
  /** The one client that sees it; -1: all do. */
  readonly only: number
}

export type Field = 'title' | 'stage' | 'rank'

export type Write =
  | { readonly op: 'insert'; readonly row: Row }
  | {
      readonly op: 'set'
      readonly board: Board
      readonly id: string
      readonly field: Field
      readonly value: string | number
    }
  | { readonly op: 'delete'; readonly board: Board; readonly id: string }
  | { readonly op: 'add'; readonly board: Board; readonly by: number }

export const boardOf = (write: Write): Board => (write.op === 'insert' ? write.row.board : write.board)

export interface BoardState {
  /** By rank. */
  readonly rows: readonly Row[]
  readonly counter: { readonly n: number; readonly rev: number }
  /** By client: the version of the last write of a row that it may see. */
  readonly seenRevs: readonly number[]
}

export interface Position {
  readonly epoch: string
  readonly offset: number
}

/** One committed write. */
export interface Fact {
  readonly board: Board
  readonly position: Position
  readonly rev: number
  readonly write: Write
  /** The row after the write; before it, of a delete. */
  readonly row: Row | undefined
  readonly counter: BoardState['counter']
  readonly mutationId: string | undefined
  readonly author: number
}

export const isVisible = (only: number, client: number) => only === -1 || only === client
export const factIsVisible = ({ row }: Fact, client: number) => !row || isVisible(row.only, client)

/** A board with one write more; `undefined` when there is nothing to write to. */
export function applied(
  { rows, counter, seenRevs }: BoardState,
  write: Write,
  rev: number,
): BoardState | undefined {
  if (write.op === 'add') {
    return { rows, counter: { n: counter.n + write.by, rev }, seenRevs }
  }
  const id = write.op === 'insert' ? write.row.id : write.id
  const old = rows.find((row) => row.id === id)
  if (write.op === 'insert' ? old : !old) return undefined
  const others = rows.filter((row) => row !== old)
  const row: Row = write.op === 'insert' ? { ...write.row, rev } : old!
  const now = write.op === 'set' ? { ...row, [write.field]: write.value, rev } : row
  return {
    rows: write.op === 'delete' ? others : sorted([...others, now]),
    counter,
    seenRevs: seenRevs.map((seen, client) => (isVisible(row.only, client) ? rev : seen)),
  }
}

export const sorted = (rows: Row[]): Row[] => rows.sort((a, b) => a.rank - b.rank)
export const isOpen = (row: Row) => row.stage % 2 === 0

interface History {
  epoch: string
  /** By offset. */
  states: BoardState[]
  facts: (Fact | undefined)[]
  /** Facts up to here are not replayed any more. */
  floor: number
}

/** The server answers that it will not do it. */
export class Refused extends Error {}

export interface Answer {
  readonly position: Position
  readonly fact: Fact
}

export class ModelServer {
  rev = 0
  /** What a row that was made under a temporary id is called, and back. */
  readonly realIds = new Map<string, string>()
  readonly origins = new Map<string, string>()
  /** When each value was committed, and each row deleted. */
  readonly revOfValue = new Map<string | number, number>()
  readonly deletedAt = new Map<string, number>()
  readonly #boards = new Map<Board, History>()
  readonly #past = new Map<string, History>()
  readonly #answers = new Map<string, Fact>()
  readonly #logSize: number
  readonly #makesIds: boolean
  #ids = 0
  onFact: (fact: Fact) => void = () => undefined

  constructor({ logSize, makesIds }: { logSize: number; makesIds: boolean }) {
    this.#logSize = logSize
    this.#makesIds = makesIds
    for (const board of BOARDS) {
      const rows = [1, 2, 3, 4].map((n): Row => {
        this.rev += 1
        const value = this.rev
        return {
          id: `${board}${n}`,
          board,
          title: `t0.${value}`,
          stage: -value,
          rank: n * 200,
          rev: this.rev,
          only: -1,
        }
      })
      const state = { rows, counter: { n: 0, rev: 0 }, seenRevs: [this.rev, this.rev, this.rev] }
      this.#open(board, 'e0', state)
    }
  }

  /** Writes once for each mutationId. Throws when the server says no. */
  commit(write: Write, author = -1, mutationId?: string): Answer {
    const known = mutationId === undefined ? undefined : this.#answers.get(mutationId)
    if (known) return this.#answer(known)
    const board = boardOf(write)
    const history = this.#boards.get(board)!
    const made = this.#made(write)
    const state = applied(this.#head(board), made, this.rev + 1)
    if (!state) throw new Refused('404')
    this.rev += 1
    this.#remember(made, write)
    const id = made.op === 'insert' ? made.row.id : made.op === 'add' ? undefined : made.id
    const source = made.op === 'delete' ? this.#head(board) : state
    const fact: Fact = {
      board,
      position: { epoch: history.epoch, offset: history.states.length },
      rev: this.rev,
      write: made,
      row: id === undefined ? undefined : source.rows.find((row) => row.id === id),
      counter: state.counter,
      mutationId,
      author,
    }
    history.states.push(state)
    history.facts.push(fact)
    history.floor = Math.max(history.floor, history.states.length - 1 - this.#logSize)
    if (mutationId !== undefined) this.#answers.set(mutationId, fact)
    this.onFact(fact)
    return this.#answer(fact)
  }

  factOf(mutationId: string): Fact | undefined {
    return this.#answers.get(mutationId)
  }

  position(board: Board, lag = 0): Position {
    const { epoch, states } = this.#boards.get(board)!
    return { epoch, offset: Math.max(0, states.length - 1 - lag) }
  }

  stateAt(board: Board, { epoch, offset }: Position): BoardState {
    const state = this.#past.get(`${board}${epoch}`)?.states[offset]
    if (!state) throw new Error(`The server never stood at ${board} ${epoch}:${offset}.`)
    return state
  }

  /** What a client missed; `undefined`: that is not known any more. */
  missed(board: Board, client: number, from: Position): Fact[] | undefined {
    const { epoch, facts, states, floor } = this.#boards.get(board)!
    if (from.epoch !== epoch || from.offset < floor || from.offset >= states.length) return undefined
    return facts.slice(from.offset + 1).filter((fact): fact is Fact => !!fact && factIsVisible(fact, client))
  }

  /** The last fact of a client before an offset, as an offset: what a filtered stream links to. */
  previous(board: Board, client: number, offset: number): number {
    const { facts } = this.#boards.get(board)!
    for (let at = offset - 1; at > 0; at -= 1) if (factIsVisible(facts[at]!, client)) return at
    return 0
  }

  /** The history is lost: offsets begin anew. */
  lose(): void {
    for (const [board, { epoch }] of this.#boards)
      this.#open(board, `e${Number(epoch.slice(1)) + 1}`, this.#head(board))
  }

  /** Whether a position is reached, across epochs. */
  static reaches(at: Position, wanted: Position): boolean {
    const [here, there] = [Number(at.epoch.slice(1)), Number(wanted.epoch.slice(1))]
    return here === there ? at.offset >= wanted.offset : here > there
  }

  /** What was to be made under one id is made under another one. */
  renamed(id: string, next: string): void {
    for (const [earlier, known] of this.origins) if (known === id) this.origins.set(earlier, next)
    this.origins.set(id, next)
  }

  keyOf(id: string): string {
    return this.origins.get(id) ?? id
  }

  #head(board: Board): BoardState {
    return this.#boards.get(board)!.states.at(-1)!
  }

  #answer(fact: Fact): Answer {
    const now = this.position(fact.board)
    return { fact, position: fact.position.epoch === now.epoch ? fact.position : now }
  }

  #made(write: Write): Write {
    if (write.op !== 'insert' || !this.#makesIds || write.row.id.startsWith('w')) return write
    return { op: 'insert', row: { ...write.row, id: `s${(this.#ids += 1)}` } }
  }

  #remember(made: Write, asked: Write): void {
    if (made.op === 'insert' && asked.op === 'insert') {
      if (made.row.id !== asked.row.id) {
        this.realIds.set(asked.row.id, made.row.id)
        this.origins.set(made.row.id, asked.row.id)
      }
      for (const field of ['title', 'stage', 'rank'] as const) this.revOfValue.set(made.row[field], this.rev)
    } else if (made.op === 'set') this.revOfValue.set(made.value, this.rev)
    else if (made.op === 'delete') this.deletedAt.set(this.keyOf(made.id), this.rev)
  }

  #open(board: Board, epoch: string, state: BoardState): void {
    const history: History = { epoch, states: [state], facts: [undefined], floor: 0 }
    this.#boards.set(board, history)
    this.#past.set(`${board}${epoch}`, history)
  }
}
