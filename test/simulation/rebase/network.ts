/**
 * Everything between the clients and the model server. Nothing moves by itself: a command lets one request be
 * answered, one answer come home, one frame arrive. So every interleaving is one history, and a history is data.
 */
import type { Transport, TransportHandlers } from '../../../src/core/transport.ts'
import type { Configuration } from './configurations.ts'
import { BOARDS, ModelServer, topicOf, type Board, type Fact, type Position, type Write } from './facts.ts'
import { answer, type RowQuery } from './queries.ts'
import { Link, type LinkEnd } from './link.ts'

/** Neither yes nor no: the request or its answer was lost. */
export class Lost extends Error {}

export type Positions = Readonly<Record<string, Position>>

export interface ReadAnswer {
  readonly data: unknown
  readonly positions: Positions
}

export interface WriteAnswer {
  readonly fact: Fact
  readonly positions: Positions
}

interface Exchange {
  readonly client: number
  readonly life: number
  readonly query?: { readonly query: RowQuery; readonly after: number | null }
  readonly write?: { readonly write: Write; readonly mutationId: string; readonly refused: boolean }
  /** What comes home; `undefined`: it has not reached the server. */
  result: { readonly ok: boolean; readonly value: unknown } | undefined
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

export class Network {
  readonly server: ModelServer
  readonly configuration: Configuration
  readonly exchanges: Exchange[] = []
  readonly links = new Map<number, Link>()
  /** Writes whose authors have given up waiting. They reach the server all the same. */
  readonly #late: Exchange[] = []
  /** By client: counts its page loads. What a page has asked for does not come home to the next one. */
  readonly lives = new Map<number, number>()
  readonly down = new Set<number>()
  isHealed = false
  reads = 0

  constructor(configuration: Configuration) {
    this.configuration = configuration
    this.server = new ModelServer({
      logSize: configuration.logSize,
      makesIds: configuration.ids === 'server',
    })
    this.server.onFact = (fact) => {
      for (const link of this.links.values()) link.tell(fact)
    }
  }

  read(client: number, query: RowQuery, after: number | null): Promise<ReadAnswer> {
    this.reads += 1
    return this.#send({ client, query: { query, after } })
  }

  write(client: number, write: Write, more: { mutationId: string; refused: boolean }): Promise<WriteAnswer> {
    const { mutationId } = more
    // A new row goes by the id of its mutation, until the server gives it one of its own.
    const sent = write.op === 'insert' ? { ...write, row: { ...write.row, id: mutationId } } : write
    return this.#send({ client, write: { write: sent, ...more } })
  }

  /** One request reaches the server. `luck` decides what becomes of it. */
  serve(pick: number, luck: number): void {
    const open = this.exchanges.filter(({ result }) => !result)
    const late = this.#late[(pick % (open.length + this.#late.length)) - open.length]
    if (late) {
      this.#late.splice(this.#late.indexOf(late), 1)
      this.#commit(late)
      return
    }
    const exchange = open[pick % open.length]
    if (!exchange) return
    const { lost } = this.configuration
    const chance = this.isHealed ? 100 : luck % 100
    if (exchange.write && (luck >> 7) % 100 < this.configuration.late && !this.isHealed) {
      this.#late.push(exchange)
      exchange.result = failed(new Lost('no answer in time'))
      return
    }
    if (exchange.query) {
      exchange.result =
        chance < lost / 2 ? failed(new Lost('no answer')) : { ok: true, value: this.#answer(exchange, luck) }
      return
    }
    if (chance < lost / 3) exchange.result = failed(new Lost('the request is lost'))
    else {
      exchange.result = this.#commit(exchange)
      if (chance < lost) exchange.result = failed(new Lost('the answer is lost'))
    }
  }

  /** Whether requests are on their way to the server. */
  get isServing(): boolean {
    return this.#late.length > 0 || this.exchanges.some(({ result }) => !result)
  }

  /** One answer comes home. */
  respond(pick: number): void {
    const answered = this.exchanges.filter(({ result }) => result)
    const exchange = answered[pick % answered.length]
    if (!exchange) return
    this.exchanges.splice(this.exchanges.indexOf(exchange), 1)
    if (exchange.life !== this.lives.get(exchange.client)) return
    const { ok, value } = exchange.result!
    if (ok) exchange.resolve(value as never)
    else exchange.reject(value)
  }

  /** Which exchange `respond(pick)` would bring home. */
  next(pick: number): Exchange | undefined {
    const answered = this.exchanges.filter(({ result }) => result)
    return answered[pick % answered.length]
  }

  /** One frame arrives, or in chaos: is lost, comes twice, overtakes others. */
  deliver(client: number, luck: number): void {
    this.links.get(client)?.deliver(this.isHealed || this.configuration.frames === 'fifo' ? undefined : luck)
  }

  cut(client: number): void {
    const link = this.links.get(client)
    this.links.delete(client)
    link?.close()
  }

  reload(client: number): void {
    this.lives.set(client, (this.lives.get(client) ?? 0) + 1)
    this.links.delete(client)
  }

  /** The realtime server dies with its log. */
  restart(): void {
    this.server.lose()
    for (const client of [...this.links.keys()]) this.cut(client)
  }

  /** A connection for whoever takes messages as they come. */
  open(client: number, end: LinkEnd): Link {
    const link = new Link(client, this.server, this.configuration, end)
    this.links.set(client, link)
    return link
  }

  transport(client: number): Transport {
    const isPlain = this.configuration.wire !== 'rqb'
    return {
      name: 'model',
      mode: 'dialled',
      ...(isPlain && { heartbeat: false, decode: (raw: unknown) => raw as [] }),
      connect: (handlers) => this.#dial(client, handlers),
    }
  }

  #dial(client: number, handlers: TransportHandlers) {
    let isOver = false
    let link: Link | undefined
    queueMicrotask(() => {
      if (isOver) return
      if (this.down.has(client)) return handlers.onClose({ code: 1006, reason: '' })
      link = this.open(client, {
        onFrame: (frame) => {
          handlers.onMessage(frame)
        },
        onClose: () => {
          isOver = true
          handlers.onClose({ code: 1006, reason: '' })
        },
      })
      handlers.onOpen()
    })
    return {
      send: (data: string | Uint8Array) => {
        link?.receive(JSON.parse(data as string))
      },
      close: () => {
        isOver = true
        if (link && this.links.get(client) === link) this.links.delete(client)
        link?.abandon()
      },
    }
  }

  #answer({ client, query }: Exchange, luck: number): ReadAnswer {
    const { query: asked, after } = query!
    const isStale = this.configuration.stale && !this.isHealed && luck % 3 === 0
    const positions: Record<string, Position> = {}
    const states: Partial<Record<Board, ReturnType<ModelServer['stateAt']>>> = {}
    for (const board of BOARDS) {
      const position = this.server.position(board, isStale ? 1 + (luck % 4) : 0)
      states[board] = this.server.stateAt(board, position)
      if (asked.boards.includes(board)) positions[topicOf(board)] = position
    }
    return { data: answer(asked, states, client, after), positions }
  }

  #commit({ client, write }: Exchange): Exchange['result'] {
    const { write: asked, mutationId, refused } = write!
    try {
      if (refused) throw new Error('409')
      const { fact, position } = this.server.commit(asked, client, mutationId)
      return {
        ok: true,
        value: { fact, positions: { [topicOf(fact.board)]: position } } satisfies WriteAnswer,
      }
    } catch (error) {
      return failed(error)
    }
  }

  #send<T>(exchange: Pick<Exchange, 'client' | 'query' | 'write'>): Promise<T> {
    return new Promise((resolve, reject) => {
      const life = this.lives.get(exchange.client) ?? 0
      this.lives.set(exchange.client, life)
      this.exchanges.push({ ...exchange, life, result: undefined, resolve, reject })
    })
  }
}

const failed = (error: unknown) => ({ ok: false, value: error })
