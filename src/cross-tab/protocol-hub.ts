/**
 * One connection of `rqb.v1` for the sessions of several tabs. To each of them it looks like a connection of its own; to
 * the server all of them are one client, with every topic that any of them wants.
 *
 * | of a tab | goes |
 * |---|---|
 * | `hello`, `auth` | to the server, from the tab that holds the connection; the others are welcome when it is |
 * | `subscribe`, `unsubscribe` | to the server when it has to be asked (`SharedTopic`) |
 * | `ping` | to the server: the answer proves the whole way, and is for all who have asked |
 * | `send` | to the server, and the answer to the tab |
 * | presence | to the server, as one member (`SharedRoom`) |
 * | `signal` | to the server, so not to the other tabs of this browser |
 */
import { HEARTBEAT_TIMEOUT } from '../core/protocol/close-codes.ts'
import { decodeServerMessage, encodeMessage } from '../core/protocol/codec.ts'
import type { ClientMessage, ServerMessage } from '../core/protocol/messages.ts'
import type { RawMessage } from '../core/transport.ts'
import type { Hub, HubOptions, HubTab } from './hub.ts'
import { SharedRoom } from './shared-room.ts'
import { SharedSends } from './shared-sends.ts'
import { SharedTopic } from './shared-topic.ts'

export class ProtocolHub implements Hub {
  readonly #options: HubOptions
  readonly #tabs = new Set<HubTab>()
  readonly #topics = new Map<string, SharedTopic>()
  readonly #rooms = new Map<string, SharedRoom>()
  readonly #sends: SharedSends
  /** Who waits for the answer to a ping. */
  readonly #pinging = new Set<HubTab>()
  #welcome: RawMessage

  constructor(options: HubOptions) {
    this.#options = options
    this.#tabs.add(options.own)
    this.#sends = new SharedSends(options.send)
  }

  get isReady(): boolean {
    return this.#welcome !== undefined
  }

  join(tab: HubTab): void {
    this.#tabs.add(tab)
  }

  received(tab: HubTab, data: string | Uint8Array<ArrayBuffer>): void {
    const message = messageOf(data)
    switch (message?.t) {
      case 'subscribe':
        for (const { topic, position } of message.topics) this.#topic(topic).ask(tab, position)
        this.#askOn(message.topics.map(({ topic }) => topic))
        break
      case 'unsubscribe':
        for (const topic of message.topics) this.#topics.get(topic)?.leave(tab)
        this.#tidy(message.topics)
        break
      case 'ping':
        this.#pinging.add(tab)
        if (this.#pinging.size === 1) this.#options.send(data)
        break
      case 'send':
        this.#sends.add(tab, message, data)
        break
      case 'presence-join': {
        const room = this.#rooms.get(message.topic) ?? new SharedRoom(message.topic)
        this.#rooms.set(message.topic, room)
        this.#say(room.join(tab, message.state))
        break
      }
      case 'presence-update':
        this.#say(this.#rooms.get(message.topic)?.update(tab, message.state))
        break
      case 'presence-leave':
        this.#leaveRoom(message.topic, tab)
        break
      case 'hello':
        if (tab === this.#options.own) this.#options.send(data)
        else tab.post(this.#welcome)
        break
      case 'auth':
        if (tab === this.#options.own) this.#options.send(data)
        break
      case 'signal':
      case undefined:
        this.#options.send(data)
    }
  }

  leave(tab: HubTab, code?: number): void {
    const isWaiting =
      this.#pinging.has(tab) || [...this.#topics.values()].some((topic) => topic.isWaiting(tab))
    this.#tabs.delete(tab)
    this.#pinging.delete(tab)
    this.#sends.leave(tab)
    for (const topic of this.#topics.values()) topic.leave(tab)
    for (const topic of this.#rooms.keys()) this.#leaveRoom(topic, tab)
    this.#tidy([...this.#topics.keys()])
    // It has waited in vain for the server. The timers of this tab may be throttled; those of that tab were not.
    if (code === HEARTBEAT_TIMEOUT && isWaiting) {
      this.#options.drop({ code: HEARTBEAT_TIMEOUT, reason: 'the server has not answered' })
    }
  }

  message(raw: RawMessage): void {
    const decoded = decodeServerMessage(raw)
    if (decoded.ok) this.#handle(decoded.message, raw)
    else this.#options.own.post(raw) // It reports what is wrong with it.
  }

  #handle(message: ServerMessage, raw: RawMessage): void {
    const { own, onReady } = this.#options
    switch (message.t) {
      case 'welcome':
        this.#welcome = raw
        own.post(raw)
        onReady()
        break
      case 'authed':
      case 'token-expires':
        own.post(raw)
        break
      case 'subscribed':
        this.#topics.get(message.topic)?.answered(message)
        this.#askOn([message.topic])
        this.#tidy([message.topic])
        break
      case 'events':
        this.#topics.get(message.topic)?.heard(message, raw)
        break
      case 'refused':
      case 'revoked':
        if (message.action === 'presence') {
          this.#rooms.get(message.topic)?.ended(raw)
          this.#rooms.delete(message.topic)
        } else {
          this.#topics.get(message.topic)?.ended(raw)
          this.#topics.delete(message.topic)
        }
        break
      case 'pong':
        this.#ponged(message)
        break
      case 'presence-state':
      case 'presence-diff':
        this.#rooms.get(message.topic)?.heard(message, raw)
        break
      case 'signals':
        this.#post(this.#tabsOf(message.topic), raw)
        break
      case 'ack':
        this.#sends.answered(message.id, raw)
        break
      case 'error':
        if (message.id !== undefined) this.#sends.answered(message.id, raw)
        else this.#post(message.topic === undefined ? this.#tabs : this.#tabsOf(message.topic), raw)
        break
      case 'going-away':
        this.#post(this.#tabs, raw)
    }
  }

  #ponged({ heads }: Extract<ServerMessage, { t: 'pong' }>): void {
    const all = { ...heads }
    for (const [topic, shared] of this.#topics) {
      const sent = heads?.[topic]
      if (sent) shared.sentLast(sent)
      // The server names no topic about which it has been asked; for the tabs that have not asked, it is where they stand.
      else if (shared.isAsked && shared.head) all[topic] = shared.head
    }
    const pong = JSON.stringify({ t: 'pong', heads: heads && all })
    this.#post(this.#pinging, pong)
    this.#pinging.clear()
    this.#askOn(this.#topics.keys())
  }

  #topic(name: string): SharedTopic {
    let topic = this.#topics.get(name)
    if (!topic) this.#topics.set(name, (topic = new SharedTopic(name, this.#options.now)))
    return topic
  }

  /** Asks the server what is to be asked, in one message. */
  #askOn(topics: Iterable<string>): void {
    const questions = [...topics].flatMap((topic) => this.#topics.get(topic)?.takeQuestion() ?? [])
    if (questions.length > 0) this.#say({ t: 'subscribe', topics: questions })
  }

  #tidy(topics: readonly string[]): void {
    const over = topics.filter((topic) => this.#topics.get(topic)?.isOver)
    for (const topic of over) this.#topics.delete(topic)
    if (over.length > 0) this.#say({ t: 'unsubscribe', topics: over })
  }

  #leaveRoom(topic: string, tab: HubTab): void {
    const room = this.#rooms.get(topic)
    this.#say(room?.leave(tab))
    if (room?.isOver) this.#rooms.delete(topic)
  }

  /** The tabs that have subscribed to it, or joined its presence. */
  #tabsOf(topic: string): HubTab[] {
    return [...this.#tabs].filter(
      (tab) => this.#topics.get(topic)?.isLive(tab) === true || this.#rooms.get(topic)?.has(tab) === true,
    )
  }

  #post(tabs: Iterable<HubTab>, raw: RawMessage): void {
    for (const tab of tabs) tab.post(raw)
  }

  #say(message: ClientMessage | undefined): void {
    if (message) this.#options.send(encodeMessage(message))
  }
}

/** What a session of this very version has said. Anything else is the server's to judge. */
function messageOf(data: string | Uint8Array): ClientMessage | undefined {
  try {
    return typeof data === 'string' ? (JSON.parse(data) as ClientMessage) : undefined
  } catch {
    return undefined
  }
}
