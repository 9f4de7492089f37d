import type { CloseInfo, RawMessage } from '../core/transport.ts'

/** One tab's session, as the tab sees it that holds the connection: its own, or one at the other end of a channel. */
export interface HubTab {
  /** A frame for its session. */
  post(raw: RawMessage): void
}

/** What passes between one connection and the sessions of several tabs. It has no timers: hidden tabs' are throttled. */
export interface Hub {
  /** Others may join. */
  readonly isReady: boolean
  /** The tab's session takes frames. */
  join(tab: HubTab): void
  /** A frame of a tab's session. */
  received(tab: HubTab, data: string | Uint8Array<ArrayBuffer>): void
  /** The tab is gone. `code`: how its session has closed. */
  leave(tab: HubTab, code?: number): void
  /** A frame of the server. */
  message(raw: RawMessage): void
}

export interface HubOptions {
  /** The session of this tab: it has opened the connection, and its hello is the one that the server gets. */
  readonly own: HubTab
  readonly send: (data: string | Uint8Array<ArrayBuffer>) => void
  /** The connection is good for nothing: it ends for every tab. */
  readonly drop: (info: CloseInfo) => void
  readonly onReady: () => void
  /** Milliseconds that go on, whatever the time of day is set to. */
  readonly now: () => number
}

/** A plain backend: every frame is for everybody. */
export class PlainHub implements Hub {
  readonly isReady = true
  readonly #send: HubOptions['send']
  readonly #tabs: Set<HubTab>

  constructor({ own, send }: HubOptions) {
    this.#send = send
    this.#tabs = new Set([own])
  }

  join(tab: HubTab): void {
    this.#tabs.add(tab)
  }

  /** Its ping: nothing else is sent to a plain backend. */
  received(_tab: HubTab, data: string | Uint8Array<ArrayBuffer>): void {
    this.#send(data)
  }

  leave(tab: HubTab): void {
    this.#tabs.delete(tab)
  }

  message(raw: RawMessage): void {
    for (const tab of this.#tabs) tab.post(raw)
  }
}
