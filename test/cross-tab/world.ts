/** A real server and tabs of one browser in virtual time: hours pass in milliseconds, and always in the same way. */
import { onTestFinished } from 'vitest'
import type { Transport, TransportHandlers } from '../../src/core/transport.ts'
import {
  createRealtimeServer,
  memoryEventLog,
  type EventLog,
  type RealtimeServerOptions,
} from '../../src/server/index.ts'
import { VirtualTime } from '../simulation/virtual-time.ts'
import { FakeBrowser, type Page } from './fake-browser.ts'
import { Tab, type TabOptions } from './tab.ts'

interface WorldOptions {
  readonly server?: Partial<RealtimeServerOptions<{ user: string }>>
  readonly historySize?: number
  readonly random?: () => number
  readonly latency?: () => number
}

interface Wire {
  readonly page: Page
  /** It breaks without a word: the client is told at once, or (`isSilent`) never. */
  cut(isSilent?: boolean): void
}

export class World {
  readonly time = new VirtualTime()
  readonly browser: FakeBrowser
  readonly tabs: Tab[] = []
  readonly wires = new Set<Wire>()
  /** Nobody is there. */
  isDown = false
  /** What clients have said, by kind. */
  readonly heard: string[] = []
  readonly server
  readonly #latency: () => number

  constructor({
    server = {},
    historySize = 1_000,
    random = () => 0.5,
    latency = () => 1,
  }: WorldOptions = {}) {
    onTestFinished(this.time.install())
    this.#latency = latency
    this.browser = new FakeBrowser(this.time.clock(), { random, latency })
    this.server = createRealtimeServer<{ user: string }>({
      log: this.#slowLog(historySize),
      authenticate: ({ token }) => (token === 'refused' ? null : { user: token ?? 'ada' }),
      authorize: async () => {
        await this.time.wait(this.#latency())
        return true
      },
      onSend: ({ data }) => data,
      onError: () => {},
      platform: { clock: this.time.clock('server'), random: () => 0.5 },
      ...server,
    })
  }

  /** Takes its time to read, as one over a network: events are published meanwhile. */
  #slowLog(maxEventsPerTopic: number): EventLog {
    const log = memoryEventLog({ maxEventsPerTopic, epoch: 'e1', maxAgeMs: Infinity })
    const slowly =
      <TArgs extends unknown[], TResult>(read: (...args: TArgs) => Promise<TResult>) =>
      async (...args: TArgs) => {
        await this.time.wait(this.#latency())
        const result = await read.apply(log, args)
        await this.time.wait(this.#latency())
        return result
      }
    return { ...log, read: slowly(log.read), head: slowly(log.head) }
  }

  open(options?: TabOptions & { token?: Transport['token'] }): Tab {
    const tab: Tab = new Tab(
      this.browser,
      this.transport(() => tab.page, options?.token),
      options,
    )
    this.tabs.push(tab)
    return tab
  }

  get connections(): number {
    return this.server.stats().connections
  }

  /** Straight to the server, with a delay each way, in order. */
  transport(pageOf: () => Page, token?: Transport['token']): Transport {
    return {
      name: 'wire',
      mode: 'dialled',
      address: '/realtime',
      token,
      connect: (handlers) => this.#connect(pageOf(), handlers),
    }
  }

  /** Lets time pass. The server takes a few turns for what it sends, which are no time. */
  async pass(ms = 100): Promise<void> {
    for (let turn = 0; turn < 4; turn++) await this.time.advance(0)
    await this.time.advance(ms)
  }

  #connect(page: Page, handlers: TransportHandlers) {
    const { time } = this
    let isOver = false
    let isSilent = false
    let lastAt = 0
    /** In order, each way, in tasks of their own. */
    const later = (task: () => void) => {
      lastAt = Math.max(lastAt, time.now + this.#latency())
      setTimeout(task, lastAt - time.now)
    }
    const toPage = (task: () => void) => {
      later(() => {
        page.run(() => {
          if (!isOver && !isSilent) task()
        })
      })
    }
    let connection: ReturnType<typeof this.server.opened> | undefined
    const wire: Wire = {
      page,
      cut: (silently = false) => {
        if (silently) {
          isSilent = true
          return
        }
        this.wires.delete(wire)
        connection?.closed(1006, '')
        toPage(() => {
          isOver = true
          handlers.onClose({ code: 1006, reason: '' })
        })
      },
    }
    later(() => {
      if (isOver || page.isDead) return
      if (this.isDown) {
        wire.cut()
        return
      }
      this.wires.add(wire)
      connection = this.server.opened(
        {
          bufferedAmount: 0,
          send: (text) => {
            toPage(() => handlers.onMessage(String(text)))
          },
          close: (code, reason) => {
            this.wires.delete(wire)
            connection?.closed(code, reason)
            toPage(() => {
              isOver = true
              handlers.onClose({ code, reason })
            })
          },
        },
        { headers: {}, remoteAddress: '192.0.2.1' },
      )
      toPage(() => handlers.onOpen())
    })
    return {
      send: (data: string | Uint8Array) => {
        const text = String(data)
        later(() => {
          if (isSilent || page.isDead || !this.wires.has(wire)) return
          this.heard.push(/"t":"([\w-]+)"/.exec(text)?.[1] ?? text)
          connection?.message(text)
        })
      },
      close: (code = 1000, reason = '') => {
        isOver = true
        this.wires.delete(wire)
        connection?.closed(code, reason)
      },
    }
  }

  /** The network notices that a page has died. */
  crash(tab: Tab): void {
    tab.page.crash()
    for (const wire of this.wires) if (wire.page === tab.page) wire.cut()
  }
}
