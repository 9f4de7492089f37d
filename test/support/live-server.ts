/**
 * A whole backend over real sockets: lists of rows behind a REST API, and every write published to the list's topic.
 * Every event carries `seq`, which counts the writes of its list, so that a client can be checked for each of them.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { attachWebSocket, createRealtimeServer, memoryEventLog } from '../../src/server/index.ts'
import type {
  DrainOptions,
  EventLog,
  MemoryEventLogOptions,
  Position,
  RealtimeServer,
  RealtimeServerOptions,
} from '../../src/server/index.ts'

export interface Row {
  readonly id: number
  readonly title: string
}

interface List {
  readonly rows: Map<number, Row>
  /** Writes so far. */
  seq: number
}

/** What a database would keep: it outlives the server when it is handed to the next one. */
export type Database = Map<string, List>

export interface LiveServerOptions {
  /** @default a free one */
  readonly port?: number | undefined
  /** @default an empty one */
  readonly database?: Database | undefined
  /** @default a new memory log, whose server seems to have been up for a minute */
  readonly log?: EventLog | undefined
  /** @default everybody */
  readonly authenticate?: RealtimeServerOptions<object>['authenticate'] | undefined
  /** @default those of the server kit */
  readonly limits?: RealtimeServerOptions<object>['limits'] | undefined
}

export const topicOf = (list: string) => `list:${list}`

export class LiveServer {
  readonly port: number
  readonly database: Database
  /** The requests of the REST API, as `GET /a/rows`. */
  readonly requests: string[] = []
  /** Connections as the realtime server counts them: open now, at most at one time, and ever. */
  readonly connections = { open: 0, most: 0, ever: 0 }
  readonly #http: Server
  readonly #realtime: RealtimeServer
  readonly #attachment: ReturnType<typeof attachWebSocket>
  readonly #sockets = new Set<Socket>()

  static async start(options: LiveServerOptions = {}): Promise<LiveServer> {
    const http = createServer()
    await once(http.listen(options.port ?? 0, '127.0.0.1'), 'listening')
    return new LiveServer(http, options)
  }

  private constructor(http: Server, options: LiveServerOptions) {
    const { database = new Map(), log = seasonedLog(), authenticate = () => ({}), limits } = options
    this.#http = http
    this.port = (http.address() as AddressInfo).port
    this.database = database
    this.#realtime = createRealtimeServer<object>({
      log,
      authenticate,
      authorize: () => true,
      limits,
      // Clients that are cut in the middle of a frame are the point of these tests.
      onError: () => {},
      logger: {
        debug: (message) => {
          this.#count(message)
        },
      },
    })
    this.#attachment = attachWebSocket(this.#realtime, http)
    http.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    http.on('request', (request, response) => {
      // A kept-alive connection would be one more thing that is open.
      response.shouldKeepAlive = false
      this.#answer(request).then(
        (body) => response.writeHead(200).end(JSON.stringify(body ?? null)),
        (error: unknown) => response.writeHead(500).end(String(error)),
      )
    })
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Open TCP connections, of both kinds. */
  get sockets(): number {
    return this.#sockets.size
  }

  rows(list: string): Row[] {
    return [...this.#list(list).rows.values()].sort((a, b) => a.id - b.id)
  }

  seq(list: string): number {
    return this.#list(list).seq
  }

  heads(list: string): Promise<Record<string, Position>> {
    return this.#realtime.position([topicOf(list)])
  }

  /** How often something was asked for. */
  requested(request: string): number {
    return this.requests.filter((one) => one === request).length
  }

  async save(list: string, row: Row): Promise<void> {
    const { rows } = this.#list(list)
    rows.set(row.id, row)
    await this.#publish(list, 'row.saved', { row })
  }

  async remove(list: string, id: number): Promise<void> {
    this.#list(list).rows.delete(id)
    await this.#publish(list, 'row.removed', { id })
  }

  /** A write that changes no row: who has seen it has seen all before it. Gives its number. */
  mark(list: string): Promise<number> {
    return this.#publish(list, 'marked', {})
  }

  /** Saves rows 1 to `count`, each in a turn of its own, or in so many ms, so that each has a frame of its own. */
  async burst(list: string, count: number, everyMs?: number): Promise<void> {
    for (let id = 1; id <= count; id++) {
      await this.save(list, { id, title: `burst ${id}` })
      await new Promise((resolve) =>
        everyMs === undefined ? setImmediate(resolve) : setTimeout(resolve, everyMs),
      )
    }
  }

  /** Lets clients go gently, then ends. */
  async drain(options: DrainOptions): Promise<void> {
    await this.#realtime.close(options)
    await this.kill()
  }

  /** Every socket is reset; who dials again finds the same server. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Ends like a crash: every socket is reset, nothing is announced. Frees the port. */
  async kill(): Promise<void> {
    if (!this.#http.listening) return
    const isClosed = once(this.#http, 'close')
    this.#http.close()
    for (const socket of this.#sockets) socket.resetAndDestroy()
    await Promise.all([isClosed, this.#attachment.close(), this.#realtime.close({ graceMs: 0 })])
  }

  #list(name: string): List {
    let list = this.database.get(name)
    if (!list) this.database.set(name, (list = { rows: new Map(), seq: 0 }))
    return list
  }

  async #publish(name: string, type: string, data: object): Promise<number> {
    const seq = ++this.#list(name).seq
    await this.#realtime.publish(topicOf(name), { type, data: { ...data, list: name, seq } })
    return seq
  }

  #count(message: string): void {
    const { connections } = this
    if (message === 'connection opened') {
      connections.ever++
      connections.most = Math.max(connections.most, ++connections.open)
    } else if (message === 'connection closed') connections.open--
  }

  async #answer(request: IncomingMessage): Promise<unknown> {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.origin)
    this.requests.push(`${request.method} ${pathname}`)
    const [, list = '', what, id] = pathname.split('/')
    switch (`${request.method} ${what}`) {
      case 'GET rows':
        return this.rows(list)
      case 'GET seq':
        return this.seq(list)
      case 'POST rows':
        return this.save(list, JSON.parse(await textOf(request)) as Row)
      case 'DELETE rows':
        return this.remove(list, Number(id))
      case 'POST mark':
        return this.mark(list)
      case 'POST burst':
        return this.burst(list, Number(searchParams.get('count')), Number(searchParams.get('everyMs')))
      default:
        throw new Error(`Nothing answers ${request.method} ${pathname}.`)
    }
  }
}

/**
 * A log in which nothing has happened for a minute: a client that is there from the start knows that it has missed
 * nothing, and need not fetch twice.
 */
export function seasonedLog(options: MemoryEventLogOptions = {}): EventLog {
  let begun = false
  const now = () => {
    const backdateMs = begun ? 0 : 60_000
    begun = true
    return Date.now() - backdateMs
  }
  return memoryEventLog({ ...options, now })
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
