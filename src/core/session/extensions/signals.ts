import type { ServerMessage, WireSignal } from '../../protocol/messages.ts'
import type { SessionExtension, SessionLink } from './extension.ts'
import { jsonCopy } from './json-copy.ts'
import { Listeners } from '../listeners.ts'

/** Passing words between clients: who is there hears them, and nobody keeps them. */
export class Signals implements SessionExtension {
  readonly #link: SessionLink
  readonly #listeners: Listeners<[WireSignal]>
  #isOpen = false

  constructor(link: SessionLink) {
    this.#link = link
    this.#listeners = new Listeners(link.reporter)
  }

  /** Tells everybody else who is subscribed to a topic, or present in it. Lost while there is no connection: then false. */
  send(topic: string, type: string, data?: unknown): boolean {
    const copy = jsonCopy('send()', data, this.#link.limits.maxMessageBytes)
    if (this.#isOpen) this.#link.send({ t: 'signal', topic, type, data: copy })
    return this.#isOpen
  }

  /** Hears what others tell. It comes while the topic is subscribed, or present in: `holdTopic`, or a query's topics. */
  listen(topic: string, listener: (signal: WireSignal) => void): () => void {
    return this.#listeners.add(topic, listener)
  }

  /** @internal */
  connected(): void {
    this.#isOpen = true
  }

  /** @internal */
  disconnected(): void {
    this.#isOpen = false
  }

  /** @internal */
  received(message: ServerMessage): boolean {
    if (message.t !== 'signals') return false
    for (const signal of message.signals) this.#listeners.tell(message.topic, signal)
    return true
  }
}
