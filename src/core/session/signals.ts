import { jsonCopy } from './json-copy.ts'
import type { ClientMessage, WireSignal } from '../protocol/messages.ts'

export type { WireSignal } from '../protocol/messages.ts'

type SignalListener = (signal: WireSignal) => void

export interface SignalsOptions {
  /** Sends over the connection that is there. */
  readonly send: (message: ClientMessage) => void
  /** Runs code of the app. */
  readonly tell: (listener: () => void) => void
}

/** Passing words between clients: who is there hears them, and nobody keeps them. */
export class Signals {
  readonly #options: SignalsOptions
  readonly #listeners = new Map<string, Set<SignalListener>>()
  #isOpen = false

  constructor(options: SignalsOptions) {
    this.#options = options
  }

  /** Tells everybody else who is subscribed to a topic, or present in it. Lost while there is no connection: then false. */
  send(topic: string, type: string, data?: unknown): boolean {
    const copy = jsonCopy('send()', data)
    if (this.#isOpen) this.#options.send({ t: 'signal', topic, type, data: copy })
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
  connection(isOpen: boolean): void {
    this.#isOpen = isOpen
  }

  /** @internal */
  received(topic: string, signals: readonly WireSignal[]): void {
    for (const signal of signals) {
      for (const listener of [...(this.#listeners.get(topic) ?? [])]) {
        this.#options.tell(() => {
          listener(signal)
        })
      }
    }
  }
}
