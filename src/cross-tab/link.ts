/** The two ends of a channel between the tab that holds the connection and one other tab. */
import type { CloseInfo, RawMessage } from '../core/transport.ts'
import type { HubTab } from './hub.ts'
import type { CrossTabChannel } from './platform.ts'

type Data = string | Uint8Array<ArrayBuffer>

/** What the holder says on a link. Each message bears its id: one that has lost its lock may not know it yet. */
type FromHolder = { readonly holder: string } & (
  | { readonly k: 'open' }
  | { readonly k: 'frame'; readonly raw: RawMessage }
  | { readonly k: 'close'; readonly info: CloseInfo }
  /** The answer to `there`. */
  | { readonly k: 'here' }
)

/** What the other tab says. */
type FromTab = { readonly holder: string } & (
  | { readonly k: 'frame'; readonly data: Data }
  /** So many frames were read, all together. */
  | { readonly k: 'read'; readonly count: number }
  | { readonly k: 'there' }
  | { readonly k: 'bye'; readonly code: number | undefined }
)

/** Without the one who says it. */
type Said<TMessage> = TMessage extends unknown ? Omit<TMessage, 'holder'> : never

/**
 * Frames that a tab has not read yet, and their characters. Beyond, it is taken for frozen and let go: what is posted to a
 * frozen page piles up in the browser.
 */
const MAX_UNREAD = 1_000
const MAX_UNREAD_LENGTH = 8 * 1024 * 1024

/** How often the other tab says what it has read. */
const READ_EVERY = 32

/** Longer than the timers of a hidden tab are put off. */
const SILENT_MS = 180_000

export interface PortOptions {
  readonly holder: string
  readonly channel: CrossTabChannel
  readonly now: () => number
  readonly onFrame: (data: Data) => void
  /** The tab is gone, or was let go. */
  readonly onGone: (code?: number) => void
}

/** Another tab, at the end of the tab that holds the connection. */
export class Port implements HubTab {
  readonly #options: PortOptions
  #isOver = false
  #heardAt: number
  #sent = 0
  #read = 0
  /** The lengths of the frames that were not read. */
  readonly #lengths: number[] = []
  #unreadLength = 0

  constructor(options: PortOptions) {
    this.#options = options
    this.#heardAt = options.now()
    options.channel.onmessage = ({ data }) => {
      const message = data as FromTab
      if (!this.#isOver && message.holder === options.holder) this.#received(message)
    }
    this.#say({ k: 'open' })
  }

  post(raw: RawMessage): void {
    if (this.#isOver) return
    const length = lengthOf(raw)
    this.#lengths.push(length)
    this.#unreadLength += length
    if (++this.#sent - this.#read > MAX_UNREAD || this.#unreadLength > MAX_UNREAD_LENGTH) {
      this.#letGo({ code: 4413, reason: 'the tab does not read' })
      return
    }
    try {
      this.#say({ k: 'frame', raw })
    } catch {
      this.#letGo({ code: 1011, reason: 'what the server sends cannot be passed to another tab' })
    }
  }

  /** The connection is over, for this tab too. */
  close(info: CloseInfo): void {
    if (this.#isOver) return
    this.#say({ k: 'close', info })
    this.#end()
  }

  /** A tab that has crashed says nothing, not even goodbye. */
  checkSilence(): void {
    if (this.#options.now() - this.#heardAt > SILENT_MS)
      this.#letGo({ code: 1006, reason: 'the tab was silent' })
  }

  #received(message: FromTab): void {
    this.#heardAt = this.#options.now()
    switch (message.k) {
      case 'frame':
        this.#options.onFrame(message.data)
        break
      case 'read':
        for (const length of this.#lengths.splice(0, message.count - this.#read)) this.#unreadLength -= length
        this.#read = message.count
        break
      case 'there':
        this.#say({ k: 'here' })
        break
      case 'bye':
        this.#end()
        this.#options.onGone(message.code)
    }
  }

  #letGo(info: CloseInfo): void {
    if (this.#isOver) return
    this.close(info)
    this.#options.onGone()
  }

  #end(): void {
    this.#isOver = true
    this.#options.channel.onmessage = null
    this.#options.channel.close()
  }

  #say(message: Said<FromHolder>): void {
    const { channel, holder } = this.#options
    channel.postMessage({ ...message, holder })
  }
}

export interface LinkOptions {
  readonly channel: CrossTabChannel
  readonly onOpen: () => void
  readonly onFrame: (raw: RawMessage) => void
  readonly onClose: (info: CloseInfo) => void
}

/** The connection, at the end of a tab that has none of its own. */
export class Link {
  readonly #options: LinkOptions
  /** Who has opened it: nobody else is heard. */
  #holder: string | undefined
  #isOver = false
  #count = 0
  /** The holder has said something since `ask`. */
  hasHeard = false

  constructor(options: LinkOptions) {
    this.#options = options
    options.channel.onmessage = ({ data }) => {
      const message = data as FromHolder
      const isOurs = this.#holder === undefined ? message.k === 'open' : message.holder === this.#holder
      if (!this.#isOver && isOurs) this.#received(message)
    }
  }

  get holder(): string | undefined {
    return this.#holder
  }

  send(data: Data): void {
    this.#say({ k: 'frame', data })
  }

  /** Asks whether somebody is there. */
  ask(): void {
    this.hasHeard = false
    this.#say({ k: 'there' })
  }

  close(code?: number): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#say({ k: 'bye', code })
    this.#options.channel.onmessage = null
    this.#options.channel.close()
  }

  #received(message: FromHolder): void {
    this.hasHeard = true
    switch (message.k) {
      case 'open':
        if (this.#holder !== undefined) break
        this.#holder = message.holder
        this.#options.onOpen()
        break
      case 'frame':
        if (++this.#count % READ_EVERY === 0) this.#say({ k: 'read', count: this.#count })
        this.#options.onFrame(message.raw)
        break
      case 'close':
        this.#options.onClose(message.info)
        break
      case 'here':
        break
    }
  }

  #say(message: Said<FromTab>): void {
    // Who has not been heard yet may have opened it all the same: everybody is told the end.
    if (this.#holder !== undefined) this.#options.channel.postMessage({ ...message, holder: this.#holder })
  }
}

/** What cannot be measured cheaply counts as a short frame. */
function lengthOf(raw: RawMessage): number {
  if (typeof raw === 'string') return raw.length
  if (raw instanceof ArrayBuffer || ArrayBuffer.isView(raw)) return raw.byteLength
  return 1_024
}
