import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import type {
  Arrival,
  ClientAnswer,
  ClientCommand,
  Contender,
  ServerAnswer,
  ServerCommand,
} from './messages.ts'

/** A process that answers what it is asked, one thing at a time. */
class Child<TCommand extends object, TAnswer extends { readonly is: string }> {
  readonly #process: ChildProcess

  constructor(file: string, args: string[]) {
    this.#process = fork(join(import.meta.dirname, file), args, { execArgv: ['--expose-gc'] })
    this.#process.on('exit', (code) => {
      if (code) throw new Error(`${file} ${args.join(' ')} has ended with ${code}.`)
    })
  }

  tell(command: TCommand): void {
    this.#process.send(command)
  }

  async hear<T extends TAnswer['is']>(is: T): Promise<Extract<TAnswer, { readonly is: T }>> {
    const [message] = (await once(this.#process, 'message')) as [TAnswer]
    if (message.is !== is) throw new Error(`Expected '${is}', got '${message.is}'.`)
    return message as Extract<TAnswer, { readonly is: T }>
  }

  async ask<T extends TAnswer['is']>(
    command: TCommand,
    is: T,
  ): Promise<Extract<TAnswer, { readonly is: T }>> {
    const heard = this.hear(is)
    this.tell(command)
    return heard
  }

  async end(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.disconnect()
    await ended
  }
}

export interface Block {
  readonly ticks: number
  readonly perTick: number
  readonly arrival: Arrival
}

export interface BlockResult {
  /** Of the server, for each message that a client has received. */
  readonly cpuUsPerDelivery: number
  readonly deliveriesPerSecond: number
}

/** One contender: its server in one process, its clients in another. */
export class Party {
  readonly contender: Contender
  readonly #server: Child<ServerCommand, ServerAnswer>
  readonly #clients: Child<ClientCommand, ClientAnswer>
  /** Keeps its connections: what is measured is a publish, and not a handshake. */
  readonly #agent = new Agent({ keepAlive: true })
  #port = 0
  #publishPort = 0
  #connections = 0

  private constructor(contender: Contender) {
    this.contender = contender
    this.#server = new Child('server.js', [contender])
    this.#clients = new Child('clients.js', [])
  }

  static async start(contender: Contender): Promise<Party> {
    const party = new Party(contender)
    const { port, publishPort } = await party.#server.hear('listening')
    party.#port = port
    party.#publishPort = publishPort
    return party
  }

  async connect(count: number): Promise<void> {
    const { contender } = this
    await this.#clients.ask({ do: 'connect', contender, port: this.#port, count }, 'connected')
    this.#connections += count
  }

  /** Each tick waits until every client has had the messages of the one before. */
  async run({ ticks, perTick, arrival }: Block): Promise<BlockResult> {
    const before = await this.#usage()
    const startedAt = performance.now()
    for (let tick = 0; tick < ticks; tick++) await this.tick(perTick, arrival)
    const seconds = (performance.now() - startedAt) / 1_000
    const after = await this.#usage()
    const deliveries = ticks * perTick * this.#connections
    return {
      cpuUsPerDelivery: (after.cpuUs - before.cpuUs) / deliveries,
      deliveriesPerSecond: deliveries / seconds,
    }
  }

  async tick(messages: number, arrival: Arrival = 'one call'): Promise<void> {
    await this.#clients.ask({ do: 'expect', messages }, 'expecting')
    const received = this.#clients.hear('received')
    if (arrival === 'requests') {
      await Promise.all(Array.from({ length: messages }, () => this.#requestPublish()))
    } else {
      this.#server.tell({ do: 'tick', messages })
    }
    await received
  }

  /** So that what was done before costs nothing in what comes. */
  async rest(): Promise<void> {
    await this.#server.ask({ do: 'collect-garbage' }, 'collected')
  }

  /** How long one message to everybody keeps the event loop from anything else. */
  async watchLoop(): Promise<{ blockMs: number; blockCpuMs: number }> {
    await this.rest()
    await this.#server.ask({ do: 'watch-loop' }, 'watching')
    await this.tick(1)
    return this.#server.ask({ do: 'stop-watching' }, 'watched')
  }

  /** What the server holds, in bytes, after garbage is collected. */
  async memory(): Promise<{ rss: number; heap: number }> {
    await this.#server.ask({ do: 'collect-garbage' }, 'collected')
    // Node gives pages back a little later.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    await this.#server.ask({ do: 'collect-garbage' }, 'collected')
    return this.#usage()
  }

  async end(): Promise<void> {
    this.#agent.destroy()
    await this.#clients.ask({ do: 'disconnect' }, 'disconnected')
    await Promise.all([this.#server.end(), this.#clients.end()])
  }

  #requestPublish(): Promise<void> {
    const options = { host: '127.0.0.1', port: this.#publishPort, method: 'POST', agent: this.#agent }
    return new Promise((resolve, reject) => {
      request(options, (response) => {
        response.resume().on('end', resolve)
      })
        .on('error', reject)
        .end()
    })
  }

  #usage() {
    return this.#server.ask({ do: 'usage' }, 'usage')
  }
}
