import type { ClientMessage } from '../core/protocol/messages.ts'
import type { HubTab } from './hub.ts'

type Send = Extract<ClientMessage, { t: 'send' }>
type Data = string | Uint8Array<ArrayBuffer>

/** On their way at a time. The server kit takes 16 of one connection. */
const MAX_UNANSWERED = 12

/** More than a session has on its way and waiting. One more is refused, to be sent again later. */
const MAX_WAITING_OF_A_TAB = 100

/** The sends of several tabs over one connection: in the order in which they came, each answered to its own tab. */
export class SharedSends {
  readonly #send: (data: Data) => void
  readonly #unanswered = new Map<string, HubTab>()
  #waiting: { readonly tab: HubTab; readonly id: string; readonly data: Data }[] = []

  constructor(send: (data: Data) => void) {
    this.#send = send
  }

  add(tab: HubTab, { id }: Send, data: Data): void {
    if (this.#waiting.filter((one) => one.tab === tab).length >= MAX_WAITING_OF_A_TAB) {
      tab.post({ t: 'error', code: 'limit', message: 'Too many sends at a time.', id, retryAfterMs: 1_000 })
      return
    }
    this.#waiting.push({ tab, id, data })
    this.#go()
  }

  /** The answer to a send, for its tab. One that has gone is not told. */
  answered(id: string, raw: unknown): void {
    this.#unanswered.get(id)?.post(raw)
    this.#unanswered.delete(id)
    this.#go()
  }

  leave(tab: HubTab): void {
    this.#waiting = this.#waiting.filter((one) => one.tab !== tab)
  }

  #go(): void {
    while (this.#unanswered.size < MAX_UNANSWERED) {
      const next = this.#waiting.shift()
      if (!next) return
      this.#unanswered.set(next.id, next.tab)
      this.#send(next.data)
    }
  }
}
