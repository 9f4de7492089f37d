import type { RealtimeError } from '../../src/core/errors.ts'
import type { Position, RealtimeEvent } from '../../src/core/event.ts'
import type { ClientMessage } from '../../src/core/protocol/messages.ts'
import { Outbox } from '../../src/core/session/extensions/outbox.ts'
import { Presence } from '../../src/core/session/extensions/presence.ts'
import { Signals } from '../../src/core/session/extensions/signals.ts'
import { Reporter } from '../../src/core/session/reporter.ts'
import { Session } from '../../src/core/session/session.ts'
import type { Transport } from '../../src/core/transport.ts'
import { crossTab, type CrossTabOptions } from '../../src/cross-tab/index.ts'
import type { FakeBrowser, Page } from './fake-browser.ts'

/** One tab: a page, and its own session over a transport that is shared. */
export interface TabOptions extends CrossTabOptions {
  readonly startOf?: ((topic: string) => Position | undefined) | undefined
}

export class Tab {
  readonly page: Page
  readonly session: Session
  /** What was told, in short, in order. */
  readonly told: string[] = []
  readonly errors: RealtimeError[] = []
  readonly transport: Transport

  constructor(browser: FakeBrowser, inner: Transport, { startOf, ...options }: TabOptions = {}) {
    const page = (this.page = browser.openPage())
    this.transport = this.#watch(
      crossTab(inner, { platform: page.platform, identity: () => 'ada', ...options }),
    )
    this.session = new Session({
      transport: this.transport,
      clock: page.clock,
      startOf: (topic) => {
        const position = startOf?.(topic)
        if (position) this.at.set(topic, position)
        return position
      },
      random: () => 0.5,
      signals: { isOnline: () => true, listen: () => () => undefined },
      handlers: {
        onEvents: (events) => {
          for (const event of events) this.#applied(event)
          this.told.push(
            ...events.map(({ topic, data }) => (topic === undefined ? '' : `${topic}:`) + String(data)),
          )
        },
        onResync: ({ topic = '', outcome, position }) => {
          const at = this.at.get(topic)
          if (outcome === 'replayed' && (at?.epoch !== position?.epoch || at?.offset !== position?.offset)) {
            // What is not for this connection may be passed over; here all is for everybody.
            this.wrongs.push(`${topic}: replayed to ${text(position)}, and stands at ${text(at)}`)
          }
          if (position) this.at.set(topic, position)
          if (outcome === 'reset') this.told.push(`${topic} reset`)
        },
        onStatus: () => {},
      },
      reporter: new Reporter((error) => {
        this.errors.push(error)
      }),
    })
  }

  /** L1, as this tab has seen it. */
  readonly wrongs: string[] = []
  /** By topic: everything up to here was applied, or announced as lost. */
  readonly at = new Map<string, Position>()

  #applied({ topic = '', position, data }: RealtimeEvent): void {
    if (!position) return
    const at = this.at.get(topic)
    const isNext = at?.epoch === position.epoch && at.offset + 1 === position.offset
    if (!isNext) this.wrongs.push(`${topic}: ${text(position)} after ${text(at)}`)
    if (data !== position.offset) this.wrongs.push(`${topic}: ${String(data)} at ${text(position)}`)
    this.at.set(topic, position)
  }

  /** Notes what a connection that loses nothing gives no reason for: to ask again for a topic that is subscribed. */
  #watch(transport: Transport): Transport {
    return {
      ...transport,
      connect: (handlers) => {
        const connection = transport.connect(handlers)
        const subscribed = new Set<string>()
        return {
          close: (code, reason) => connection.close(code, reason),
          send: (data) => {
            const message = (transport.decode ? {} : JSON.parse(data as string)) as ClientMessage
            if (message.t === 'unsubscribe') for (const topic of message.topics) subscribed.delete(topic)
            if (message.t === 'subscribe') {
              for (const { topic, position } of message.topics) {
                if (subscribed.has(topic)) this.wrongs.push(`${topic}: a hole after ${text(position)}`)
                subscribed.add(topic)
              }
            }
            connection.send(data)
          },
        }
      },
    }
  }

  /** Wants these topics and no others. */
  want(topics: readonly string[]): void {
    for (const topic of this.at.keys()) if (!topics.includes(topic)) this.at.delete(topic)
    this.session.setTopics(topics)
  }

  start(...topics: string[]): this {
    this.session.setTopics(topics)
    this.session.start()
    return this
  }

  get status(): string {
    return this.session.status.status
  }

  get outbox(): Outbox {
    return this.session.use(Outbox)
  }

  get presence(): Presence {
    return this.session.use(Presence)
  }

  get signals(): Signals {
    return this.session.use(Signals)
  }
}

const text = (position: Position | undefined) =>
  position ? `${position.epoch}:${position.offset}` : 'nothing'
