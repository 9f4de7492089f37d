/**
 * Runs one history: commands against up to three clients, then calm weather, then the questions.
 *
 *   commands ─▶ everything heals ─▶ calm ─▶ what is cached is true, or marked stale
 *                                     └▶ every query on screen ─▶ all of it is true, nothing is fetched any more
 *                                                                  └▶ stop: nothing is left
 */
import { isDeepStrictEqual } from 'node:util'
import { onlineManager, type Query } from '@tanstack/query-core'
import type { BridgeLimits } from '../../src/bridge.ts'
import type { RealtimeErrorCode } from '../../src/core/errors.ts'
import { boardEvents, QUERIES, type BoardQuery } from './board-queries.ts'
import { Client, rowsOf, type Regress } from './client.ts'
import type { Command } from './commands.ts'
import type { Page } from './model-server.ts'
import { Network, type Conditions } from './network.ts'
import { VirtualTime } from './virtual-time.ts'

export interface History {
  readonly seed: number
  readonly clients: number
  readonly conditions: Conditions
  /** Rows carry versions, and effects compare them. */
  readonly versions: boolean
  /** The queries that commands speak of, and whether all of them are on screen when it begins. */
  readonly queries: readonly number[]
  readonly isMounted: boolean
  /** Both topics stay subscribed, whatever is on screen. */
  readonly isHeld?: boolean | undefined
  readonly staleTime?: number | undefined
  readonly gcTime?: number | undefined
  readonly retry?: number | undefined
  readonly limits?: Partial<BridgeLimits> | undefined
  readonly commands: readonly Command[]
}

export interface Outcome {
  /** What must not be. Empty: all is well. */
  readonly problems: readonly string[]
  readonly regresses: readonly Regress[]
  readonly fetches: number
}

/** Longer than every wait of the bridge: heartbeat, backoff, gaps, retries of a failed fetch. */
const CALM_MS = 150_000
const LOAD_MS = 60_000
const IDLE_MS = 600_000
const MAX_PAGES = 12
/** The least time for which the bridge goes on trying to fetch. */
const GIVEN_UP_MS = 60_000

/** What the bridge reports when frames get lost. */
const WEATHER: readonly RealtimeErrorCode[] = ['transport-failed', 'history-lost']

/** @param trace - Told what happens, line by line: for whoever looks into a failing history. */
export async function simulate(history: History, trace?: (line: string) => void): Promise<Outcome> {
  const time = new VirtualTime()
  const uninstall = time.install()
  const rejections: unknown[] = []
  const onRejection = (reason: unknown) => rejections.push(reason)
  process.on('unhandledRejection', onRejection)
  try {
    const run = new Run(history, time, trace)
    const outcome = await run.all()
    const problems = [
      ...outcome.problems,
      ...rejections.map((reason) => `unhandled rejection: ${String(reason)}`),
      ...time.errors.map((error) => `a timer threw: ${String(error)}`),
    ]
    return { ...outcome, problems }
  } finally {
    process.off('unhandledRejection', onRejection)
    onlineManager.setOnline(true)
    uninstall()
  }
}

class Run {
  readonly #history: History
  readonly #time: VirtualTime
  readonly #network: Network
  readonly #clients: readonly Client[]
  readonly #problems: string[] = []

  readonly #trace: (line: string) => void

  constructor(history: History, time: VirtualTime, trace?: (line: string) => void) {
    const start = time.now
    this.#trace = (line) => trace?.(`${time.now - start} ms: ${line}`)
    const { seed, clients, conditions, versions, limits = {} } = history
    const { staleTime = Infinity, gcTime = 300_000, retry = 0 } = history
    this.#history = history
    this.#time = time
    this.#network = new Network(time, seed, conditions)
    const events = boardEvents({ versions })
    this.#clients = Array.from(
      { length: clients },
      (_, index) =>
        new Client({ index, time, network: this.#network, events, limits, staleTime, gcTime, retry }),
    )
    if (trace) for (const client of this.#clients) this.#follow(client)
  }

  async all(): Promise<Outcome> {
    for (const client of this.#clients) {
      client.start()
      if (this.#history.isHeld) for (const topic of this.#network.topics) client.bridge.holdTopic(topic)
      if (this.#history.isMounted) for (const query of this.#queries) client.mount(query)
    }
    for (const command of this.#history.commands) {
      this.#trace(JSON.stringify(command))
      this.#carryOut(command)
      await this.#time.advance(command.do === 'pass' ? command.ms : 0)
    }
    await this.#calmDown()
    this.#askWhatIsCached()
    await this.#showEverything()
    this.#askWhatIsShown()
    await this.#waitForNothing()
    await this.#leave()
    return {
      problems: this.#problems,
      regresses: this.#clients.flatMap((client) => client.regresses),
      fetches: this.#fetches,
    }
  }

  get #queries(): readonly BoardQuery[] {
    return this.#history.queries.map((index) => QUERIES[index % QUERIES.length]!)
  }

  get #fetches(): number {
    return this.#clients.reduce(
      (sum, { fetches }) => sum + [...fetches.values()].reduce((a, b) => a + b, 0),
      0,
    )
  }

  #carryOut(command: Command): void {
    const network = this.#network
    if (command.do === 'write') return network.commit(command)
    if (command.do === 'restart') return network.restart(this.#clients.length, command.downMs)
    if (command.do === 'network') return onlineManager.setOnline(command.isOnline)
    if (command.do === 'pass') return
    if (command.do === 'set back') {
      this.#time.behindMs += command.ms
      return
    }
    const client = this.#clients[command.client % this.#clients.length]!
    const { queryClient } = client
    switch (command.do) {
      case 'start':
        return client.start()
      case 'stop':
        client.stop()
        return this.#expectNothingLeft(client)
      case 'cut':
        return network.cut(this.#clients.indexOf(client), command)
      case 'signal':
        return client.signal(command.signal)
      default: // The others are about queries.
    }
    const query = this.#queries[command.query % this.#queries.length]
    const filters = command.query < 0 || !query ? {} : { queryKey: query.queryKey, exact: true }
    switch (command.do) {
      case 'refetch':
        return void queryClient.refetchQueries(filters)
      case 'refetch-kindly':
        return void queryClient.refetchQueries(filters, { cancelRefetch: false })
      case 'cancel':
        return void queryClient.cancelQueries(filters)
      case 'invalidate':
        return void queryClient.invalidateQueries(filters)
      case 'reset':
        return void queryClient.resetQueries(filters)
      case 'remove':
        return queryClient.removeQueries(filters)
      case 'rewrite':
        return void queryClient.setQueriesData(filters, (data: unknown) => structuredClone(data))
      default: // The others are about one query.
    }
    if (!query) return
    switch (command.do) {
      case 'page':
        return void client.fetchPage(query, command.isNext, !command.kindly)
      case 'mount':
        return client.mount(query, command.enabled)
      case 'unmount':
        return client.unmount(query)
      case 'enable':
        return client.enable(query, command.enabled)
      case 'prefetch':
        return client.prefetch(query)
      case 'mutate':
        return client.mutate(query, command)
    }
  }

  #follow(client: Client): void {
    const name = `client ${this.#clients.indexOf(client)}`
    client.queryClient.getQueryCache().subscribe(({ type, query, ...rest }) => {
      if (type !== 'updated')
        return type.startsWith('observerR') && this.#trace(`${name} ${query.queryHash} ${type}`)
      const { action } = rest as { action: { type: string; manual?: boolean } }
      const { data, fetchStatus, isInvalidated } = query.state
      const what = `${action.type}${action.manual ? ' (set)' : ''}, ${fetchStatus}${isInvalidated ? ', stale' : ''}`
      this.#trace(`${name} ${query.queryHash} ${what}: ${JSON.stringify(data)}`)
    })
    for (const type of client.bridge.events.types) {
      client.bridge.on(type, (data, event) => {
        this.#trace(`${name} heard ${type} ${event.position?.offset ?? ''}: ${JSON.stringify(data)}`)
      })
    }
    client.bridge.subscribe(({ status }) => {
      this.#trace(`${name} is ${status}`)
    })
  }

  async #calmDown(): Promise<void> {
    this.#trace('it heals')
    this.#network.heal()
    onlineManager.setOnline(true)
    for (const client of this.#clients) {
      client.signal('online')
      client.start()
    }
    await this.#time.advance(CALM_MS)
  }

  /** Every query on screen is true by itself; every other one is true, or marked stale, while its topics are live. */
  #askWhatIsCached(): void {
    this.#expectIdle('in calm weather')
    for (const [client, query, where] of this.#cached()) {
      const { data, isInvalidated } = query.state
      if (data === undefined || this.#isTrue(query, data)) continue
      const topics = (query.meta?.['topics'] ?? []) as string[]
      const isLive =
        this.#history.conditions.backend !== 'log' ||
        topics.every((topic) => client.bridge.topicState(topic) === 'live')
      if (this.#isGivenUp(client, query)) continue
      if (query.isActive()) this.#report(`${where} is wrong on screen`, query)
      else if (isLive && !isInvalidated)
        this.#report(`${where} is wrong in the cache, and not marked stale`, query)
    }
  }

  /** It shows its error, after more than a minute of trying since anything happened. */
  #isGivenUp({ heardAt }: Client, { state }: Query): boolean {
    return state.status === 'error' && state.isInvalidated && state.errorUpdatedAt - heardAt > GIVEN_UP_MS
  }

  async #showEverything(): Promise<void> {
    this.#trace('everything is shown')
    for (const client of this.#clients) {
      for (const query of QUERIES) client.unmount(query)
      for (const query of this.#queries) client.mount(query)
    }
    await this.#time.advance(LOAD_MS)
    for (const isNext of [true, false]) await this.#fetchPages(isNext)
  }

  /** Reads all infinite lists to their ends. */
  async #fetchPages(isNext: boolean): Promise<void> {
    const infinite = this.#queries.filter(({ isInfinite }) => isInfinite)
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const isMore = this.#clients.map((client) =>
        infinite.map((query) => client.fetchPage(query, isNext, false)),
      )
      await this.#time.advance(5_000)
      if (!isMore.flat().includes(true)) return
    }
    this.#problems.push('pages without end')
  }

  #askWhatIsShown(): void {
    this.#expectIdle('with everything on screen')
    for (const [, query, where] of this.#cached()) {
      if (!query.isActive()) continue
      const { data, status, isInvalidated } = query.state
      if (status !== 'success' || isInvalidated) {
        this.#report(`${where} is ${status}${isInvalidated ? ', and stale' : ''} in the end`, query)
      } else if (!this.#isTrue(query, data)) this.#report(`${where} is wrong in the end`, query)
    }
  }

  /** No loop goes on fetching when nothing happens any more. */
  async #waitForNothing(): Promise<void> {
    const before = this.#fetches
    await this.#time.advance(IDLE_MS)
    if (this.#fetches > before)
      this.#problems.push(`${this.#fetches - before} fetches while nothing happened`)
  }

  async #leave(): Promise<void> {
    for (const client of this.#clients) {
      client.stop()
      this.#expectNothingLeft(client)
      client.end()
      this.#problems.push(...client.misdelivered.map((one) => `delivered again: ${one}`))
      for (const { code, message, cause } of client.errors) {
        if (!WEATHER.includes(code))
          this.#problems.push(`${code}: ${message} ${cause instanceof Error ? cause.message : ''}`)
      }
    }
    this.#problems.push(...this.#network.serverErrors.map((error) => `server: ${error.message}`))
    this.#network.close()
    await this.#time.advance(60_000)
    if (this.#time.pending > 0) this.#problems.push(`${this.#time.pending} timers are left`)
  }

  #expectNothingLeft(client: Client): void {
    if (client.pendingTimers > 0) this.#problems.push(`${client.pendingTimers} timers of a bridge after stop`)
    if (client.isListening) this.#problems.push('a bridge listens to signals after stop')
  }

  #expectIdle(when: string): void {
    for (const [, query, where] of this.#cached()) {
      if (query.state.fetchStatus !== 'idle')
        this.#problems.push(`${where} is ${query.state.fetchStatus} ${when}`)
    }
    if (this.#network.inFlight > 0)
      this.#problems.push(`${this.#network.inFlight} requests in flight ${when}`)
    for (const [index, client] of this.#clients.entries()) {
      const { status } = client.bridge.status
      if (status !== 'live') this.#problems.push(`client ${index} is ${status} ${when}`)
    }
  }

  *#cached(): Generator<[Client, Query, string]> {
    for (const [index, client] of this.#clients.entries()) {
      for (const query of client.queryClient.getQueryCache().getAll()) {
        yield [client, query, `client ${index} ${query.queryHash}`]
      }
    }
  }

  #isTrue({ queryKey }: Query, data: unknown): boolean {
    const { model } = this.#network
    if (queryKey[1] !== 'feed' && queryKey[1] !== 'reel') return isDeepStrictEqual(data, model.read(queryKey))
    // Pages break where they broke when they were read: what counts is that the rows on them follow each other.
    const { pages } = data as { pages: readonly Page[] }
    const loaded = rowsOf(data)
    const all = rowsOf(model.read(['tasks', 'box', queryKey[2]]))
    const isOpenBefore = queryKey[1] === 'reel' && pages[0]?.previous !== null
    const start = isOpenBefore ? all.findIndex(({ id }) => id === loaded[0]?.id) : 0
    const end = pages.at(-1)?.next === null ? all.length : start + loaded.length
    return loaded.length === 0 && isOpenBefore ? true : isDeepStrictEqual(loaded, all.slice(start, end))
  }

  #report(problem: string, { queryKey, state }: Query): void {
    const server = this.#network.model.read(queryKey)
    this.#problems.push(`${problem}: ${JSON.stringify(state.data)} is not ${JSON.stringify(server)}`)
  }
}
