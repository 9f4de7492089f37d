import type { ClientMessage, ServerMessage } from '../core/protocol/messages.ts'
import type { HubTab } from './hub.ts'

type FromServer = Extract<ServerMessage, { t: 'presence-state' | 'presence-diff' }>

/**
 * The presence of one topic on one connection, for several tabs. A connection is one member: what the tabs say of
 * themselves is one state, that of the tab that has said something last.
 */
export class SharedRoom {
  readonly #topic: string
  readonly #says = new Map<HubTab, unknown>()
  /** They know who is there, so that they can be told what changes. */
  readonly #told = new Set<HubTab>()

  constructor(topic: string) {
    this.#topic = topic
  }

  get isOver(): boolean {
    return this.#says.size === 0
  }

  has(tab: HubTab): boolean {
    return this.#says.has(tab)
  }

  /** Each tab that joins asks anew: only the server knows who is there. */
  join(tab: HubTab, state: unknown): ClientMessage {
    this.#told.delete(tab)
    this.#say(tab, state)
    return { t: 'presence-join', topic: this.#topic, state: this.#said }
  }

  update(tab: HubTab, state: unknown): ClientMessage | undefined {
    if (!this.#says.has(tab)) return undefined
    const before = this.#said
    this.#say(tab, state)
    return this.#changed(before)
  }

  leave(tab: HubTab): ClientMessage | undefined {
    const before = this.#said
    this.#told.delete(tab)
    if (!this.#says.delete(tab)) return undefined
    return this.isOver ? { t: 'presence-leave', topic: this.#topic } : this.#changed(before)
  }

  heard(message: FromServer, raw: unknown): void {
    for (const tab of this.#says.keys()) {
      if (message.t === 'presence-state') this.#told.add(tab)
      if (this.#told.has(tab)) tab.post(raw)
    }
  }

  /** Refused, or no longer allowed. */
  ended(raw: unknown): void {
    for (const tab of this.#says.keys()) tab.post(raw)
    this.#says.clear()
  }

  get #said(): unknown {
    return [...this.#says.values()].findLast((state) => state !== undefined)
  }

  #say(tab: HubTab, state: unknown): void {
    this.#says.delete(tab)
    this.#says.set(tab, state)
  }

  #changed(before: unknown): ClientMessage | undefined {
    const state = this.#said
    if (JSON.stringify(before) === JSON.stringify(state)) return undefined
    return { t: 'presence-update', topic: this.#topic, state }
  }
}
