import type { ServerMessage, WireSignal } from '../protocol/messages.ts'
import type { SessionExtension, SessionLink } from './extension.ts'
import { jsonCopy } from './json-copy.ts'

type SignalListener = (signal: WireSignal) => void

/** Passing words between clients: who is there hears them, and nobody keeps them. */
export class Signals implements SessionExtension {
  readonly #link: SessionLink
  readonly #listeners = new Map<string, Set<SignalListener>>()
  #isOpen = false

  constructor(link: SessionLink) {
    this.#link = link
  }

  /** Tells everybody else who is subscribed to a topic, or present in it. Lost while there is no connection: then false. */
  send(topic: string, type: string, data?: unknown): boolean {
    const copy = jsonCopy('send()', data, this.#link.limits.maxMessageBytes)
    if (this.#isOpen) this.#link.send({ t: 'signal', topic, type, data: copy })
    return this.#isOpen
  }

  /** Hears what others tell. It comes while the topic is subscribed, or present in: `holdTopic`, or a query's topics. */
  listen(topic: string, listener: SignalListener): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set()
    this.#listeners.set(topic, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic)
    }
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
    for (const signal of message.signals) {
      for (const listener of [...(this.#listeners.get(message.topic) ?? [])]) {
        this.#link.reporter.tell(() => {
          listener(signal)
        })
      }
    }
    return true
  }
}
