/** Runs one history: commands, each followed by all that it sets off, then calm weather, then the last question. */
import { onlineManager } from '@tanstack/query-core'
import type { VirtualTime } from '../virtual-time.ts'
import type { Command } from './commands.ts'
import type { Configuration } from './configurations.ts'
import { BOARDS, type Board, type Row, type Write } from './facts.ts'
import { Network } from './network.ts'
import { rowKeyOf, type Operation } from './operation.ts'
import type { Page, PageOptions } from './page.ts'
import { isTrue, QUERIES, type RowQuery, type States } from './queries.ts'
import { collateral, type AnomalyKind } from './watcher.ts'

export interface History {
  readonly configuration: Configuration
  readonly clients: number
  /** The queries on screen in the beginning, and those that may be; bit by bit. */
  readonly queries: number
  /**
   * Bit 0: query functions read the signal; 1: observers hear in a microtask; 2: frames take time; 3: no retry; 4: first loads
   * are over when it begins.
   */
  readonly habits: number
  readonly commands: readonly Command[]
}

export interface Outcome {
  /** What was promised and does not hold. */
  readonly violations: readonly string[]
  readonly anomalies: Readonly<Record<AnomalyKind, number>>
  readonly texts: readonly string[]
  readonly isDiverged: boolean
  readonly mutations: number
  readonly refused: number
  readonly fetches: number
}

/** What is asked of a page after each command, by whoever knows how it works. */
export interface Oracle {
  check(page: Page): string | undefined
  /** What is left undone when all is quiet. */
  leftover(page: Page): string | undefined
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
const ROUNDS = 60
const OTHER_QUERIES = 'all,counter'

export class World {
  readonly network: Network
  readonly time: VirtualTime
  readonly pages: readonly Page[]
  readonly violations: string[] = []
  readonly operations: Operation[] = []
  readonly #history: History
  readonly #oracle: Oracle | undefined
  readonly #queries: readonly RowQuery[]
  #serial = 0
  #collateral = 0
  #trace: ((line: string) => void) | undefined

  constructor(
    history: History,
    time: VirtualTime,
    { page, oracle }: { page: (options: PageOptions) => Page; oracle?: Oracle | undefined },
  ) {
    this.#history = history
    this.time = time
    this.#oracle = oracle
    this.network = new Network(history.configuration)
    const chosen = QUERIES.filter((_, index) => (history.queries >> index) & 1)
    this.#queries = chosen.length > 0 ? chosen : QUERIES.filter(({ kind }) => OTHER_QUERIES.includes(kind))
    this.pages = Array.from({ length: history.clients }, (_, index) =>
      page({
        index,
        time,
        network: this.network,
        usesSignal: (history.habits & 1) > 0,
        framesTakeTime: (history.habits & 4) > 0,
        retry: (history.habits & 8) > 0 ? 0 : 3,
      }),
    )
  }

  async run(trace?: (line: string) => void): Promise<Outcome> {
    this.#trace = trace
    for (const page of this.pages) {
      page.queryClient.mount()
      page.start()
      for (const query of this.#queries) page.mount(query)
    }
    await settle()
    if ((this.#history.habits & 16) > 0) await this.#drain()
    for (const [index, command] of this.#history.commands.entries()) {
      await this.step(command)
      if (this.violations.length > 0) {
        this.violations.unshift(`after command ${index}: ${JSON.stringify(command)}`)
        break
      }
    }
    const isDiverged = this.violations.length === 0 && !(await this.#calm())
    for (const page of this.pages) page.end()
    await settle()
    return this.#outcome(isDiverged)
  }

  async step(command: Command): Promise<void> {
    this.#trace?.(JSON.stringify(command))
    await this.#carryOut(command)
    this.#describe()
    this.#check()
  }

  /** For whoever reads a trace: what everybody sees. */
  #describe(): void {
    if (!this.#trace) return
    for (const page of this.pages) {
      this.#trace(`  client ${page.options.index}`)
      for (const query of page.mounted.keys()) this.#trace(`    ${page.describe(query)}`)
    }
  }

  async #carryOut({ do: kind, client, pick, luck }: Command): Promise<void> {
    const { network, pages } = this
    const page = pages[client % pages.length]!
    const query = this.#queries[pick % this.#queries.length]!
    switch (kind) {
      case 'mutate':
        this.#mutate(page, pick, luck)
        break
      case 'write':
        this.#write(pick, luck)
        break
      case 'serve':
        network.serve(pick, luck)
        break
      case 'respond':
        return this.#respond(pick)
      case 'deliver':
        network.deliver(client % pages.length, luck)
        break
      case 'pass':
        return this.time.advance(PASSES[luck % PASSES.length]!)
      case 'mount':
        page.mount(query)
        break
      case 'unmount':
        page.unmount(query)
        break
      case 'cancel':
        void page.queryClient.cancelQueries({ queryKey: query.key, exact: true })
        break
      case 'refetch':
        void page.queryClient.refetchQueries(
          { queryKey: query.key, exact: true },
          { cancelRefetch: luck % 2 === 0 },
        )
        break
      case 'invalidate':
        void page.queryClient.invalidateQueries({ queryKey: query.key, exact: true })
        break
      case 'rewrite':
        page.rewrite(query)
        break
      case 'remove':
        page.remove(query)
        break
      case 'page':
        page.fetchNextPage(query)
        break
      case 'cut':
        network.cut(client % pages.length)
        break
      case 'network':
        onlineManager.setOnline(!onlineManager.isOnline())
        break
      case 'restart':
        if (this.#history.configuration.restarts) network.restart()
        break
      case 'reload':
        if (this.#history.configuration.reloads) await page.reload()
        break
      case 'save':
        this.#save(page, pick, luck)
        break
      case 'settle-failed':
        page.settleFailed(luck)
    }
    await settle()
  }

  async #respond(pick: number): Promise<void> {
    const exchange = this.network.next(pick)
    const isRefusal = exchange?.write && exchange.result?.ok === false
    const page = this.pages[exchange?.client ?? 0]!
    const operation = isRefusal
      ? page.operations.find(({ mutationId }) => mutationId === exchange.write!.mutationId)
      : undefined
    this.#trace?.(`  comes home: ${JSON.stringify(exchange)}`)
    const before = operation && page.allRows()
    const open = page.operations.filter((one) => !page.isKnown(one))
    const unknown = new Map([...(before ?? [])].map(([query]) => [query, page.unknownOver(query)]))
    this.network.respond(pick)
    await settle()
    if (!operation || operation.state !== 'failed') return
    const { server } = this.network
    // What waited for the end of a frame may be applied in the same step, and among it events of other own mutations.
    const heardOf = open.filter((one) => one === operation || page.isKnown(one))
    const own = new Set(heardOf.map((one) => rowKeyOf(one, server)))
    const after = page.allRows()
    for (const [query, rows] of before!) {
      if (!rows) continue
      // A response that was held until the refusal tells what became of these.
      const left = unknown.get(query)!.filter((one) => !page.unknownOver(query).includes(one))
      const told = new Set(left.map((one) => rowKeyOf(one, server)))
      this.#collateral += collateral(rows, after.get(query) ?? [], {
        isPartial: query.kind === 'feed' || query.kind === 'open',
        isOwn: ({ id }) => own.has(server.keyOf(id)) || told.has(server.keyOf(id)),
        isDeleted: ({ id }) => server.deletedAt.has(server.keyOf(id)),
        isMade: ({ id }) =>
          page.operations.every(({ write, mutationId }) => write.op !== 'insert' || mutationId !== id),
      })
    }
  }

  #mutate(page: Page, pick: number, luck: number): void {
    const rows = page.rows()
    const row = rows[pick % rows.length]
    const boards = BOARDS.filter((board) => this.#queries.some(({ boards: all }) => all.includes(board)))
    const board = boards[luck % boards.length]!
    const kind = (luck >> 3) % 20
    const write = this.#writeOf({ kind, row, board, client: page.options.index, luck })
    if (!write) return
    const refusedShare = this.#history.configuration.refused
    const operation: Operation = {
      serial: this.#serial,
      asked: this.#serial,
      client: page.options.index,
      write,
      refused: (luck >> 5) % 100 < refusedShare,
      mutationId: undefined,
      state: 'pending',
    }
    this.#trace?.(`  begins ${JSON.stringify(operation)}`)
    page.operations.push(operation)
    this.operations.push(operation)
    page.run(operation)
  }

  /** The app saves with a request of its own: no guess, and the answer is written into the cache. */
  #save(page: Page, pick: number, luck: number): void {
    if (!this.#history.configuration.saves) return
    const rows = page.rows()
    const client = page.options.index
    const wish = { kind: 4 + ((luck >> 3) % 16), row: rows[pick % rows.length], board: BOARDS[luck % 2]! }
    const write = this.#writeOf({ ...wish, client, luck })
    if (write) page.save(write, `save${this.#serial}`)
  }

  /** Somebody who is not one of the clients. */
  #write(pick: number, luck: number): void {
    const { server } = this.network
    const board = BOARDS[luck % 2]!
    const { rows } = server.stateAt(board, server.position(board))
    const row = rows[pick % rows.length]
    const write = this.#writeOf({ kind: (luck >> 3) % 20, row, board, client: -1, luck })
    if (write) server.commit(write)
  }

  #writeOf({ kind, row, board, client, luck }: Wish): Write | undefined {
    const serial = (this.#serial += 1)
    const { counters, filtered } = this.#history.configuration
    if (kind < 4 && counters) return { op: 'add', board, by: 1 + (luck % 3) }
    const rank = ((serial * 389) % 997) + serial / 100_000
    if (kind < 9 || !row) {
      const id = client === -1 ? `w${serial}` : ''
      const only = filtered && luck % 3 === 0 ? (client === -1 ? luck % 4 : client) : -1
      return {
        op: 'insert',
        row: { id, board, title: `t${serial}`, stage: serial * 2 + (luck % 2), rank, rev: 0, only },
      }
    }
    const on = { board: row.board, id: row.id }
    if (kind < 11) return { op: 'delete', ...on }
    if (kind < 13) return { op: 'set', ...on, field: 'stage', value: serial * 2 + (luck % 2) }
    if (kind < 15) return { op: 'set', ...on, field: 'rank', value: rank }
    return { op: 'set', ...on, field: 'title', value: `t${serial}` }
  }

  #check(): void {
    if (!this.#oracle) return
    for (const page of this.pages) {
      const violation = this.#oracle.check(page)
      if (violation) this.violations.push(`client ${page.options.index}: ${violation}`)
    }
    if (this.#history.configuration.promise === 'converges') return
    for (const page of this.pages)
      for (const { kind, text } of page.watcher.anomalies.splice(0)) this.violations.push(`${kind}: ${text}`)
    if (this.#collateral > 0) this.violations.push('a refusal changes rows that are not its own')
  }

  /** Nothing goes wrong any more: does everybody end with what the server says? */
  async #calm(): Promise<boolean> {
    const { network, pages, time } = this
    network.isHealed = true
    network.down.clear()
    onlineManager.setOnline(true)
    await settle()
    for (let round = 0; round < ROUNDS; round += 1) {
      await this.#drain()
      for (const page of pages) {
        page.settleFailed(1)
        page.fetchWhatIsEmpty()
      }
      await settle()
      if (!this.#unsettled()) return true
      await time.advance(round < 10 ? 500 : 10_000)
      this.#check()
      if (this.violations.length > 0) return true
    }
    const problem = this.#unsettled()
    this.#trace?.(`in the end ${problem}`)
    if (this.#oracle) this.violations.push(`in the end ${problem}`)
    return false
  }

  async #drain(): Promise<void> {
    const { network } = this
    for (let budget = 500; budget > 0; budget -= 1) {
      const link = [...network.links.values()].find(({ frames }) => frames.length > 0)
      this.#trace?.(
        link ? `frame for ${link.client}: ${JSON.stringify(link.frames[0])}` : 'a request goes on',
      )
      if (link) network.deliver(link.client, 0)
      else if (network.isServing) network.serve(0, 99)
      else if (network.exchanges.length > 0) await this.#respond(0)
      else return
      await settle()
      this.#describe()
      this.#check()
    }
  }

  #unsettled(): string | undefined {
    const { server } = this.network
    const states: Partial<Record<Board, States[Board]>> = {}
    for (const board of BOARDS) states[board] = server.stateAt(board, server.position(board))
    for (const page of this.pages) {
      const { index } = page.options
      if (page.queryClient.isMutating() > 0) return `client ${index} has mutations`
      const leftover = this.#oracle?.leftover(page)
      if (leftover) return `client ${index}: ${leftover}`
      for (const query of page.mounted.keys()) {
        const state = page.queryClient.getQueryState(query.key)
        if (state?.fetchStatus !== 'idle') return `client ${index} ${query.name} fetches`
        if (!isTrue(query, state.data, states as States, index))
          return `client ${index} ${query.name} shows ${JSON.stringify(state.data)}`
      }
    }
    return undefined
  }

  #outcome(isDiverged: boolean): Outcome {
    const anomalies = { 'flash-back': 0, flicker: 0, collateral: this.#collateral, duplicate: 0 }
    const texts: string[] = []
    for (const page of this.pages) {
      for (const { kind, text } of page.watcher.anomalies) {
        anomalies[kind] += 1
        texts.push(`${kind}: ${text}`)
      }
    }
    return {
      violations: this.violations,
      anomalies,
      texts,
      isDiverged,
      mutations: this.operations.length,
      refused: this.operations.filter(({ state }) => state === 'failed').length,
      fetches: this.network.reads,
    }
  }
}

interface Wish {
  readonly kind: number
  readonly row: Row | undefined
  readonly board: Board
  readonly client: number
  readonly luck: number
}

const PASSES = [20, 20, 20, 200, 200, 1_000, 1_000, 3_000, 12_000, 31_000, 70_000]
