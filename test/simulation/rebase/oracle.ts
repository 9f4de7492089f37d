/**
 * What a page must show, from what the server knows: I1 (the base is the server's state at its position), I2 (the view
 * is that state with one's own operations that are not in it), I3 (positions never go back). Nothing of the library's
 * folding is used here.
 */
import type { BridgePage } from './bridge-page.ts'
import { isIdempotent } from './configurations.ts'
import {
  boardOf,
  BOARDS,
  isOpen,
  ModelServer,
  sorted,
  topicOf,
  type Board,
  type Position,
  type Row,
} from './facts.ts'
import type { Operation } from './operation.ts'
import { BARRIER_TIMEOUT_MS, isOfUnnamedRow, rowKeyOf } from './operation.ts'
import type { Page } from './page.ts'
import {
  answer,
  inWords,
  rowsInWords,
  isSameRow,
  isTrue,
  isWhole,
  rowsIn,
  rowsOf,
  type RowQuery,
  type States,
} from './queries.ts'
import type { Oracle } from './world.ts'

interface Checked {
  base: unknown
  view: unknown
  where: string
  version: number
}

export class BridgeOracle implements Oracle {
  readonly #checked = new WeakMap<object, Checked>()
  readonly #reached = new WeakMap<object, Map<string, Position>>()

  /** Of the world that is checked now. */
  #server!: ModelServer

  check(page: Page): string | undefined {
    const { bridge } = page as BridgePage
    this.#server = page.options.network.server
    if (page.options.network.configuration.promise !== 'exact') return undefined
    for (const query of page.mounted.keys()) {
      if (page.foreign.has(query)) continue
      const found = bridge.inspect(query.key)
      if (found?.positions === undefined || found.base === undefined) continue
      const violation = this.#checkQuery(page as BridgePage, query, found as Inspected)
      if (violation) return `${query.name} ${violation}`
    }
    return undefined
  }

  leftover(page: Page): string | undefined {
    const { bridge } = page as BridgePage
    const left = bridge.pendingMutations()
    if (left.length > 0) return `${left[0]!.mutationId} is ${left[0]!.status}`
    for (const query of page.mounted.keys()) {
      const found = bridge.inspect(query.key)
      if (found && found.pending.length > 0) return `${query.name} has ${found.pending.join()} pending`
    }
    return undefined
  }

  #checkQuery(page: BridgePage, query: RowQuery, found: Inspected): string | undefined {
    const cached = page.queryClient.getQueryCache().find({ queryKey: query.key, exact: true })
    if (!cached) return undefined
    const { base, positions, isLive, pending } = found
    const view = cached.state.data
    const where = `${isLive}${query.topics.map((topic) => `${positions[topic]?.epoch}:${positions[topic]?.offset}`).join()}`
    const before = this.#checked.get(cached)
    if (
      before &&
      before.base === base &&
      before.view === view &&
      before.where === where &&
      before.version === page.version
    )
      return undefined
    this.#checked.set(cached, { base, view, where, version: page.version })
    const goneBack = this.#goneBack(cached, query, positions)
    if (goneBack) return goneBack
    if (query.topics.some((topic) => positions[topic] === undefined)) return undefined
    const states: Partial<Record<Board, States[Board]>> = {}
    for (const board of query.boards) states[board] = this.#server.stateAt(board, positions[topicOf(board)]!)
    const { index } = page.options
    // Pages are read one after the other: they are of one moment when what came with the last of them is in the first.
    const read = page.read.get(query.name) ?? {}
    const isReached = Object.entries(read).every(([topic, at]) => ModelServer.reaches(positions[topic]!, at))
    const isOneMoment = query.kind !== 'feed' || (isLive && isReached)
    if (isOneMoment && !isTrue(query, base, states as States, index)) {
      return `at ${where} has the base ${inWords(query, base)}, not ${rowsInWords(rowsIn(query, states as States, index))} ${JSON.stringify(answer(query, states as States, index))} (I1)`
    }
    return isLive && isOneMoment
      ? this.#checkView(page, query, { view, states: states as States, positions, pending, where })
      : undefined
  }

  #goneBack(cached: object, query: RowQuery, positions: Positions): string | undefined {
    let reached = this.#reached.get(cached)
    if (!reached) this.#reached.set(cached, (reached = new Map()))
    for (const topic of query.topics) {
      const [was, is] = [reached.get(topic), positions[topic]]
      if (!is) continue
      // A page that is read behind the others puts the whole list back, until the events between are applied to it.
      if (was && query.kind !== 'feed' && !ModelServer.reaches(is, was))
        return `goes from ${was.epoch}:${was.offset} back to ${is.epoch}:${is.offset} (I3)`
      reached.set(topic, is)
    }
    return undefined
  }

  #checkView(
    page: BridgePage,
    query: RowQuery,
    { view, states, positions, pending, where }: Situation,
  ): string | undefined {
    const { index } = page.options
    const over = page.operations.filter(
      (operation) =>
        this.#isOver(page, operation, query, positions) && !this.#isHeldBack(page, operation, pending),
    )
    if (query.kind === 'stats')
      return isTrue(query, view, states, index) ? undefined : `at ${where} shows ${JSON.stringify(view)} (I2)`
    if (query.kind === 'counter') {
      const adds = over.filter(({ write }) => write.op === 'add')
      if (adds.some(({ state }) => state === 'unknown')) return undefined
      const by = adds.reduce((sum, { write }) => sum + (write.op === 'add' ? write.by : 0), 0)
      const n = states[query.boards[0]!]!.counter.n + by
      const shown = (view as { n: number }).n
      return shown === n ? undefined : `at ${where} shows ${shown}, not ${n} (I2)`
    }
    const { rows, loose } = this.#expected(page, query, { states, over, positions })
    const isFirm = (row: Row) => !loose.has(this.#server.keyOf(row.id))
    const shown = rowsOf(query, view).filter(isFirm)
    const expected = rows.filter(isFirm)
    const isEnough = isWhole(query, view) ? shown.length === expected.length : shown.length <= expected.length
    if (isEnough && shown.every((row, at) => isSameRow(row, expected[at]))) return undefined
    return `at ${where} shows ${rowsInWords(shown)}, not ${rowsInWords(expected)} (I2)`
  }

  /** Whether an operation lies over a query: it is not refused, and not known to be in the query's base. */
  #isOver(page: BridgePage, operation: Operation, query: RowQuery, positions: Positions): boolean {
    const { state, mutationId, write } = operation
    if (state === 'failed' || mutationId === undefined || operation.isOfThePast) return false
    const board = write.op === 'insert' ? write.row.board : write.board
    if (!query.boards.includes(board)) return false
    const isKnown = state === 'acked' || page.echoed.has(mutationId) || this.#isOvertaken(page, operation)
    const fact = this.#server.factOf(mutationId)
    return !(isKnown && fact && ModelServer.reaches(positions[topicOf(board)]!, fact.position))
  }

  /** Whether a later change of its row is known: it was carried out before that. */
  #isOvertaken(page: BridgePage, operation: Operation): boolean {
    const key = rowKeyOf(operation, this.#server)
    const later = page.operations.slice(page.operations.indexOf(operation) + 1)
    return later.some(
      (other) => page.echoed.has(other.mutationId ?? '') && rowKeyOf(other, this.#server) === key,
    )
  }

  /**
   * A first load that has waited for an answer in vain is shown as it is: it may have in it what must not be there
   * twice. So the guess is not shown over it, until something is heard of the mutation.
   */
  #isHeldBack(
    page: BridgePage,
    { write, mutationId, sentAt = Infinity }: Operation,
    pending: readonly string[],
  ): boolean {
    const { time, network } = page.options
    if (isIdempotent(write.op, network.configuration) || pending.includes(mutationId!)) return false
    return time.now - sentAt >= BARRIER_TIMEOUT_MS
  }

  #expected(
    page: BridgePage,
    query: RowQuery,
    { states, over, positions }: { states: States; over: Operation[]; positions: Positions },
  ) {
    const { index, network, time } = page.options
    const { operations } = page
    /** Rows of which this query cannot tell how they look. */
    const loose = new Set<string>()
    let rows = new Map<string, Row>()
    for (const board of BOARDS)
      for (const row of query.boards.includes(board)
        ? rowsIn({ ...query, kind: 'all', boards: [board] }, states, index)
        : [])
        rows.set(this.#server.keyOf(row.id), row)
    // Of a server that has begun anew meanwhile nobody can tell whether it has what was before.
    for (const operation of page.operations) {
      const { write, state, mutationId } = operation
      const fact = mutationId === undefined ? undefined : this.#server.factOf(mutationId)
      const at = positions[topicOf(boardOf(write))]
      const key = rowKeyOf(operation, this.#server)
      if (key !== undefined && state === 'acked' && fact && fact.position.epoch !== at?.epoch) loose.add(key)
    }
    for (const operation of over) {
      const { write, state, mutationId } = operation
      const key = rowKeyOf(operation, this.#server)
      if (key === undefined || write.op === 'add') continue
      if (
        state === 'unknown' ||
        isOfUnnamedRow(operation, { operations, server: this.#server, now: time.now })
      )
        loose.add(key)
      const row = rows.get(key)
      if (write.op === 'insert') {
        const isNamed =
          network.configuration.ids === 'server' && (state === 'acked' || page.echoed.has(mutationId!))
        rows.set(key, isNamed ? this.#server.factOf(mutationId!)!.row! : { ...write.row, id: mutationId! })
      } else if (write.op === 'delete') rows.delete(key)
      else if (!row) {
        // The app has it from another query, which may be behind or ahead of this one.
        const isFromElsewhere = write.field !== 'title' && ['both', 'open', 'feed'].includes(query.kind)
        if (isFromElsewhere) loose.add(key)
      } else {
        const next = { ...row, [write.field]: write.value }
        rows.set(key, next)
        const isFromElsewhere = query.kind === 'open' && !isOpen(row)
        if (isFromElsewhere || (query.kind === 'feed' && write.field !== 'title')) loose.add(key)
      }
    }
    if (query.kind === 'open') rows = new Map([...rows].filter(([, row]) => isOpen(row)))
    if (query.kind === 'detail') rows = new Map([...rows].filter(([, row]) => row.id === query.id))
    return { rows: sorted([...rows.values()]), loose }
  }
}

type Positions = Readonly<Record<string, Position>>

interface Inspected {
  readonly base: unknown
  readonly pending: readonly string[]
  readonly positions: Positions
  readonly isLive: boolean
}

interface Situation {
  readonly view: unknown
  readonly pending: readonly string[]
  readonly states: States
  readonly positions: Positions
  readonly where: string
}
