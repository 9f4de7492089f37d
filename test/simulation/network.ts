/**
 * Everything between the clients and the model server: requests that take their time and read the server's state at
 * some moment of it, and connections that bring frames late, twice or not at all.
 */
import type { CloseInfo, Transport, TransportHandlers } from '../../src/core/transport.ts'
import type { RealtimeEvent } from '../../src/core/event.ts'
import type { RealtimeError } from '../../src/core/errors.ts'
import { memoryEventLog } from '../../src/server/logs/memory.ts'
import { createRealtimeServer, type RealtimeServer } from '../../src/server/realtime-server.ts'
import { Dice } from './dice.ts'
import { ModelServer, topicOf, BOARDS, type PageParam, type Publication, type Write } from './model-server.ts'
import type { VirtualTime } from './virtual-time.ts'

/**
 * - `log`: the server kit with its memory log, over a pipe.
 * - `plain`: messages that are sent once to whoever is connected.
 * - `numbered`: the same, each with its position.
 */
export type Backend = 'log' | 'plain' | 'numbered'

export interface Conditions {
  readonly backend: Backend
  /** The longest time a request takes, and the share of requests that fail. */
  readonly latencyMs: number
  readonly failing: number
  /** The share of requests that end when they are aborted. */
  readonly abortable: number
  /** The longest time from a commit to its publication, and from there to a client. */
  readonly publishMs: number
  readonly delayMs: number
  /** Shares of frames that are lost, and that come twice. */
  readonly lost: number
  readonly doubled: number
  /** Events that the log keeps of a topic, and topics that it keeps. */
  readonly logSize: number
  readonly logTopics: number
  /** Bytes on their way to a client, beyond which the server holds events back. */
  readonly bufferBytes: number
}

const NOTHING: CloseInfo = { code: 1006, reason: '' }

/** How long the server takes to notice a connection that went silent. */
const SERVER_NOTICES_MS = 30_000

interface Link {
  readonly client: number
  /** Ends both sides. */
  cut(info?: CloseInfo): void
  /** Loses every frame from now on; nobody is told. */
  silence(): void
  /** The server sends a frame. */
  send(frame: string | readonly RealtimeEvent[]): void
}

export class Network {
  readonly model = new ModelServer()
  readonly serverErrors: RealtimeError[] = []
  readonly #time: VirtualTime
  readonly #dice: Dice
  readonly #conditions: Conditions
  readonly #links = new Set<Link>()
  /** Until when a client cannot connect. */
  readonly #downUntil = new Map<number, number>()
  readonly #requests = new Map<string, number>()
  /** Commits that are not published yet, in order. */
  #unpublished: { at: number; publications: Publication[] }[] = []
  #isHealed = false
  #server: RealtimeServer | undefined
  #generation = 0
  #commits = 0
  /** Dials of each client. */
  readonly #dials = new Map<number, number>()
  /** Last offsets, for `numbered`. */
  readonly #offsets = new Map<string, number>()
  inFlight = 0

  constructor(time: VirtualTime, seed: number, conditions: Conditions) {
    this.#time = time
    this.#dice = new Dice(seed)
    this.#conditions = conditions
    this.#boot()
  }

  /** Commits a write now; whoever listens hears of it a little later. */
  commit(write: Write): void {
    this.#tell(this.model.write(write))
  }

  /** The same for a request that changes a title. Throws when the row is gone. */
  retitle(id: number, title: string): void {
    if (!this.model.tasks.has(id)) throw new Error('404')
    this.#tell(this.model.retitle(id, title))
  }

  #tell(publications: Publication[]): void {
    if (publications.length === 0) return
    const delay = this.#isHealed
      ? 0
      : Math.floor(this.#chance('publish', (this.#commits += 1)) * this.#conditions.publishMs)
    const at = Math.max(this.#time.now + delay, this.#unpublished.at(-1)?.at ?? 0)
    const commit = { at, publications }
    this.#unpublished.push(commit)
    if (at === this.#time.now) this.#publish()
    else setTimeout(() => this.#publish(), at - this.#time.now)
  }

  #publish(): void {
    while (this.#unpublished.length > 0 && this.#unpublished[0]!.at <= this.#time.now) {
      for (const { topic, type, data } of this.#unpublished.shift()!.publications) {
        if (this.#server) void this.#server.publish(topic, { type, data })
        else this.#broadcast({ topic, type, data })
      }
    }
  }

  #broadcast(event: Publication): void {
    const offset = (this.#offsets.get(event.topic) ?? 0) + 1
    this.#offsets.set(event.topic, offset)
    const position = { epoch: `e${this.#generation}`, offset }
    const sent = this.#conditions.backend === 'numbered' ? { ...event, position } : event
    for (const link of this.#links) link.send([structuredClone(sent)])
  }

  /** One request of a client: the state is read at some moment of it. */
  async request(
    client: number,
    key: readonly unknown[],
    context: { signal?: AbortSignal; page?: PageParam | undefined },
  ) {
    const name = `${client}:${JSON.stringify(key)}`
    const count = (this.#requests.get(name) ?? 0) + 1
    this.#requests.set(name, count)
    const { latencyMs, failing, abortable } = this.#conditions
    const chance = (what: string) => this.#dice.roll(name, count, what)
    // Reading the signal is what makes query-core abort.
    const signal = chance('abort') < abortable ? context.signal : undefined
    const isInstant = !this.#isHealed && chance('instant') < 0.1
    const latency = this.#isHealed ? 20 : Math.floor(chance('latency') * latencyMs)
    const readAt = isInstant ? 0 : Math.floor(latency * chance('read'))
    this.inFlight += 1
    try {
      if (!isInstant) await this.#sleep(readAt, signal)
      const answer = this.model.read(key, context.page)
      if (!isInstant) await this.#sleep(latency - readAt, signal)
      if (!this.#isHealed && chance('fail') < failing) throw new Error('503')
      return answer
    } finally {
      this.inFlight -= 1
    }
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        clearTimeout(timer)
        reject(new Error('aborted'))
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }, ms)
      if (signal?.aborted) abort()
      else signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** How one client connects. */
  transport(client: number): Transport {
    const isPlain = this.#conditions.backend !== 'log'
    return {
      name: 'pipe',
      mode: 'dialled',
      ...(isPlain && { heartbeat: false, decode: (raw: unknown) => raw as RealtimeEvent[] }),
      connect: (handlers) => this.#dial(client, handlers),
    }
  }

  #dial(client: number, handlers: TransportHandlers) {
    const dial = (this.#dials.get(client) ?? 0) + 1
    this.#dials.set(client, dial)
    const name = `${client}:${dial}`
    const { lost, doubled } = this.#conditions
    let state: 'dialling' | 'open' | 'silent' | 'over' = 'dialling'
    let connection: ReturnType<RealtimeServer['opened']> | undefined
    let buffered = 0
    /** A frame never overtakes the one before it, unless it is a second copy. */
    const lane = (direction: string) => {
      let last = 0
      let count = 0
      return (deliver: () => void, { size = 0, isLate = false } = {}) => {
        const frame = `${direction}${(count += 1)}`
        const isLost = !this.#isHealed && this.#chance('lost', name, frame) < lost
        const isDoubled =
          direction === 'down' && !this.#isHealed && this.#chance('doubled', name, frame) < doubled
        last = Math.max(last, this.#time.now + this.#delay(name, frame))
        const arrive = () => {
          if (state === 'open') deliver()
        }
        buffered += size
        setTimeout(() => {
          buffered -= size
          if (!isLost) arrive()
        }, last - this.#time.now)
        if (isDoubled) {
          const late = isLate ? Math.floor(this.#chance('late', name, frame) * 3_000) : 0
          setTimeout(arrive, last - this.#time.now + late)
        }
      }
    }
    const [up, down] = [lane('up'), lane('down')]
    const link: Link = {
      client,
      cut: (info = NOTHING) => {
        if (state === 'over') return
        this.#links.delete(link)
        const wasSilent = state === 'silent'
        state = 'over'
        connection?.closed(info.code, info.reason)
        if (!wasSilent) handlers.onClose(info)
      },
      silence: () => {
        if (state !== 'open') return
        state = 'silent'
        this.#links.delete(link)
        setTimeout(() => connection?.closed(1006, ''), SERVER_NOTICES_MS)
      },
      send: (frame) => {
        // An old answer that names an epoch which is over cannot be told from a new reset to it.
        const isAnswer = typeof frame === 'string' && frame.includes('subscribed')
        const isLate = this.#conditions.logTopics > 1 || !isAnswer
        down(() => handlers.onMessage(frame), { size: frame.length, isLate })
      },
    }
    setTimeout(
      () => {
        if (state !== 'dialling') return
        if ((this.#downUntil.get(client) ?? 0) > this.#time.now) {
          state = 'over'
          handlers.onClose(NOTHING)
          return
        }
        state = 'open'
        this.#links.add(link)
        connection = this.#server?.opened(
          {
            send: link.send,
            get bufferedAmount() {
              return buffered
            },
            // What was sent before the close arrives before it.
            close: (code, reason) => setTimeout(() => link.cut({ code, reason }), this.#conditions.delayMs),
          },
          { headers: {} },
        )
        handlers.onOpen()
      },
      this.#delay(name, 'dial'),
    )
    return {
      send: (data: string | Uint8Array) => {
        if (state !== 'dialling') up(() => connection?.message(data))
      },
      close: () => {
        this.#links.delete(link)
        const wasOpen = state === 'open'
        state = 'over'
        if (wasOpen) connection?.closed(1000, '')
      },
    }
  }

  /** Ends a client's connection, and keeps it down for a while. `silently`: neither side is told. */
  cut(client: number, { downMs = 0, silently = false } = {}): void {
    this.#downUntil.set(client, this.#time.now + downMs)
    for (const link of [...this.#links]) {
      if (link.client !== client) continue
      if (silently && this.#conditions.backend === 'log') link.silence()
      else link.cut()
    }
  }

  /** The realtime server dies, with its log and with what was committed and not published. */
  restart(clients: number, downMs: number): void {
    const old = this.#server
    this.#unpublished = []
    for (let client = 0; client < clients; client += 1) this.#downUntil.set(client, this.#time.now + downMs)
    for (const link of [...this.#links]) link.cut({ code: 1012, reason: 'restart' })
    void old?.close({ graceMs: 0 })
    this.#boot()
  }

  /** From now on nothing goes wrong any more. */
  heal(): void {
    this.#isHealed = true
    this.#downUntil.clear()
    // A plain backend whose last message was lost is found out by nothing but a new connection.
    if (this.#conditions.lost > 0 && this.#conditions.backend === 'numbered')
      for (const link of [...this.#links]) link.cut()
  }

  close(): void {
    for (const link of [...this.#links]) link.cut()
    void this.#server?.close({ graceMs: 0 })
  }

  get topics(): string[] {
    return BOARDS.map(topicOf)
  }

  #boot(): void {
    this.#generation += 1
    this.#offsets.clear()
    if (this.#conditions.backend !== 'log') return
    const clock = this.#time.clock('server')
    let ids = 0
    this.#server = createRealtimeServer({
      authenticate: () => ({}),
      authorize: () => true,
      log: memoryEventLog({
        epoch: `e${this.#generation}`,
        maxEventsPerTopic: this.#conditions.logSize,
        maxTopics: this.#conditions.logTopics,
        now: () => this.#time.now,
      }),
      limits: { maxBufferedBytes: this.#conditions.bufferBytes },
      onError: (error) => this.serverErrors.push(error),
      platform: {
        clock,
        random: () => 0.5,
        newId: () => `${this.#generation}.${(ids += 1)}`,
        defer: (run) => void setTimeout(run, 0),
      },
    })
  }

  #delay(...names: (string | number)[]): number {
    return this.#isHealed ? 5 : Math.floor(this.#chance('delay', ...names) * this.#conditions.delayMs)
  }

  #chance(...names: (string | number)[]): number {
    return this.#dice.roll('network', ...names)
  }
}
