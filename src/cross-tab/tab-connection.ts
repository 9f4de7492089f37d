/**
 * One connection of one tab. Whoever has the lock holds the real one, for as long as that lasts; all others wait for the
 * lock, and meanwhile have a link to the holder.
 *
 *   electing ──lock──▶ holding                    ends with the real connection
 *       │
 *       ├──open──▶ linked                         ends with the holder: its word, or its lock
 *       │
 *       └──nothing can be shared──▶ alone         a connection of its own
 *
 * - A tab that is closed, crashes or reloads loses its lock, so whoever gets a lock that it has waited for knows that the
 *   holder is gone. It gives the lock on at once; its session, and those of the others, dial anew, and the first one holds.
 * - A page that is frozen or left ends its connection before.
 * - A holder that says nothing within `PATIENCE_MS` has its lock stolen: it runs no code, or not enough. When it runs again
 *   it learns that, and ends its connection. Until then there may be two; no session ever hears both.
 */
import { RealtimeError } from '../core/errors.ts'
import { closePolicy } from '../core/protocol/close-codes.ts'
import { encodeMessage } from '../core/protocol/codec.ts'
import type {
  CloseInfo,
  RawMessage,
  Transport,
  TransportConnection,
  TransportHandlers,
} from '../core/transport.ts'
import { enterGroup, linkOf, SAME_NAME, type Call } from './group.ts'
import { PlainHub, type Hub, type HubTab } from './hub.ts'
import { Link, Port } from './link.ts'
import type { CrossTabChannel, CrossTabPlatform } from './platform.ts'
import { ProtocolHub } from './protocol-hub.ts'

type Data = string | Uint8Array<ArrayBuffer>

/** How long nobody may answer, in ms, and how much longer some tabs wait than others. */
const PATIENCE_MS = 3_000
const SPREAD_MS = 2_000

/** A tab that hears nobody is perhaps deaf itself: it steals once in so many ms, and else connects by itself. */
const STEAL_EVERY_MS = 60_000

/** How often a linked tab asks whether the holder is there, and how long the answer may take, in ms. */
const ASK_EVERY_MS = 20_000
const ANSWER_MS = 5_000

/** How long a holder that is gone is listened to, in ms: how the server has closed decides when it is dialled again. */
const LAST_WORD_MS = 100

/** How often it is looked for tabs that have crashed, in ms. */
const CHECK_EVERY_MS = 30_000

const GONE: CloseInfo = { code: 1006, reason: 'the tab that held the connection is gone' }

/** What the connections of one transport share. */
export interface TabMemory {
  stolenAt: number
}

export interface TabConnectionOptions {
  readonly transport: Transport
  readonly handlers: TransportHandlers
  readonly platform: CrossTabPlatform
  readonly memory: TabMemory
  readonly maxTabs: number
  /** The tabs that share, by name; `undefined`: none. */
  readonly group: () => Promise<string | undefined>
}

export class TabConnection implements TransportConnection {
  readonly #options: TabConnectionOptions
  readonly #id: string
  #state: 'electing' | 'holding' | 'linked' | 'alone' | 'over' = 'electing'
  #group = ''
  /** The connection of this tab: the real one, when it is holding or alone. */
  #inner: TransportConnection | undefined
  #isOpen = false
  #link: Link | undefined
  #hub: Hub | undefined
  readonly #ports = new Map<string, Port>()
  #calls: CrossTabChannel | undefined
  #waiting = new AbortController()
  #releaseLock: (() => void) | undefined
  #stopTimer = () => {}
  #stopListening = () => {}
  #leaveGroup = () => {}
  #checkedAt = 0
  /** Who has the lock, as far as this tab has heard. */
  #holder: string | undefined

  constructor(options: TabConnectionOptions) {
    this.#options = options
    this.#id = options.platform.createId()
    void this.#begin()
  }

  send(data: Data): void {
    if (this.#state === 'linked') this.#link?.send(this.#options.transport.decode ? data : tokenless(data))
    else if (this.#state === 'holding') this.#hub?.received(this.#own, data)
    else this.#inner?.send(data)
  }

  close(code?: number, reason?: string): void {
    if (this.#state === 'over') return
    this.#release({ code: 1001, reason: 'the tab has closed the connection' }, code)
    this.#inner?.close(code, reason)
  }

  /** Never rejects. */
  async #begin(): Promise<void> {
    const { handlers } = this.#options
    let group: string | undefined
    try {
      // Not before `connect` has returned.
      group = await this.#options.group()
    } catch (error) {
      if (this.#isOver) return
      handlers.onError(error)
      this.#end({ code: 1006, reason: String(error) })
      return
    }
    if (this.#isOver) return
    if (group === undefined) {
      this.#goAlone()
      return
    }
    const leave = enterGroup(this.#options.platform.locks, group)
    if (!leave) {
      handlers.onError(new RealtimeError('usage', SAME_NAME))
      this.#goAlone()
      return
    }
    this.#group = group
    this.#leaveGroup = leave
    try {
      this.#elect()
    } catch {
      this.#goAlone() // Locks or channels are refused to this page.
    }
  }

  #elect(): void {
    const { platform } = this.#options
    this.#calls = platform.openChannel(this.#group)
    this.#calls.onmessage = ({ data }) => {
      this.#called(data as Call)
    }
    this.#stopListening = platform.onSuspend(() => {
      this.#end(GONE)
    })
    this.#wait()
    this.#attach()
    this.#stopTimer = platform.clock.after(PATIENCE_MS + platform.random() * SPREAD_MS, () => {
      this.#impatient()
    })
  }

  // The lock

  #wait(options: { signal?: AbortSignal; steal?: boolean } = { signal: this.#waiting.signal }): void {
    const { locks } = this.#options.platform
    locks
      .request(this.#group, options, () => {
        if (this.#state === 'linked') this.#orphaned()
        if (this.#state !== 'electing') return
        return new Promise<void>((resolve) => {
          this.#releaseLock = resolve
          this.#hold()
        })
      })
      .catch((error: unknown) => {
        if (this.#state === 'holding') this.#end({ code: 1006, reason: 'another tab has taken over' })
        if (this.#state !== 'electing' || options.signal?.aborted) return
        // It was stolen before this page ran again. Or locks are refused to it.
        if ((error as Partial<Error> | undefined)?.name === 'AbortError') this.#wait()
        else this.#goAlone()
      })
  }

  /** The holder is gone. If it has said why, that is on its way. */
  #orphaned(): void {
    this.#stopTimer()
    this.#stopTimer = this.#options.platform.clock.after(LAST_WORD_MS, () => {
      this.#end(GONE)
    })
  }

  /** Nobody has answered. */
  #impatient(): void {
    const { memory, platform } = this.#options
    if (this.#state !== 'electing') return
    const now = platform.clock.now()
    if (Math.abs(now - memory.stolenAt) < STEAL_EVERY_MS) {
      this.#goAlone()
      return
    }
    memory.stolenAt = now
    this.#waiting.abort()
    this.#waiting = new AbortController()
    this.#wait({ steal: true })
  }

  // The tab that has the lock

  readonly #own: HubTab = {
    post: (raw) => {
      this.#options.handlers.onMessage(raw)
    },
  }

  #hold(): void {
    const { transport, platform } = this.#options
    this.#state = 'holding'
    this.#stopTimer()
    this.#link?.close()
    const Hub = transport.decode ? PlainHub : ProtocolHub
    const { clock } = platform
    const hub = (this.#hub = new Hub({
      own: this.#own,
      send: (data) => {
        this.#inner?.send(data)
      },
      drop: (info) => {
        this.#end(info)
      },
      onReady: () => {
        this.#announce()
      },
      now: () => clock.elapsed?.() ?? clock.now(),
    }))
    this.#announce()
    this.#dial({
      onOpen: () => {
        this.#options.handlers.onOpen()
        if (hub.isReady) this.#announce()
      },
      onMessage: (raw) => {
        hub.message(raw)
        this.#check()
      },
    })
  }

  #announce(): void {
    this.#call({ k: 'holder', id: this.#id, isReady: this.#isOpen && this.#hub?.isReady === true })
  }

  #admit(id: string): void {
    const { platform, maxTabs } = this.#options
    const hub = this.#hub
    if (!hub || this.#ports.has(id)) return
    this.#check()
    if (!this.#isOpen || !hub.isReady) return this.#call({ k: 'wait', link: id })
    if (this.#ports.size + 1 >= maxTabs) return this.#call({ k: 'full', link: id })
    const { clock } = platform
    const port: Port = new Port({
      holder: this.#id,
      channel: platform.openChannel(linkOf(this.#group, id)),
      now: () => clock.elapsed?.() ?? clock.now(),
      onFrame: (data) => {
        hub.received(port, data)
      },
      onGone: (code) => {
        this.#ports.delete(id)
        hub.leave(port, code)
      },
    })
    this.#ports.set(id, port)
    hub.join(port)
  }

  /** Lets tabs go that have crashed. */
  #check(): void {
    const now = this.#options.platform.clock.now()
    if (Math.abs(now - this.#checkedAt) < CHECK_EVERY_MS) return
    this.#checkedAt = now
    for (const port of this.#ports.values()) port.checkSilence()
  }

  // A tab that has none

  #attach(): void {
    const { platform } = this.#options
    this.#link ??= new Link({
      channel: platform.openChannel(linkOf(this.#group, this.#id)),
      onOpen: () => {
        this.#linked()
      },
      onFrame: (raw) => {
        this.#options.handlers.onMessage(raw)
      },
      onClose: (info) => {
        this.#end(info)
      },
    })
    this.#call({ k: 'attach', link: this.#id })
  }

  #linked(): void {
    const { transport, handlers } = this.#options
    if (this.#state !== 'electing') return
    this.#state = 'linked'
    this.#holder = this.#link?.holder
    // What it remembers of its own last connection is older than what comes now.
    transport.forget?.()
    this.#askOn()
    handlers.onOpen()
  }

  /** A holder that is there and runs no code does not lose its lock. */
  #askOn(): void {
    const { clock } = this.#options.platform
    this.#stopTimer()
    this.#stopTimer = clock.after(ASK_EVERY_MS, () => {
      this.#link?.ask()
      this.#stopTimer = clock.after(ANSWER_MS, () => {
        if (this.#link?.hasHeard) this.#askOn()
        else this.#end({ code: 1006, reason: 'the tab that holds the connection does not answer' })
      })
    })
  }

  // What all say

  #called(call: Call): void {
    if (this.#state === 'holding' && call.k === 'attach') this.#admit(call.link)
    else if (this.#state === 'linked' && call.k === 'holder' && call.id !== this.#holder) this.#end(GONE)
    else if (this.#state === 'electing' && call.k !== 'attach') {
      if (call.k === 'holder') {
        this.#holder = call.id
        this.#stopTimer()
        if (call.isReady) this.#attach()
      } else if (call.link === this.#id) {
        if (call.k === 'full') this.#goAlone()
        else this.#stopTimer()
      }
    }
  }

  #call(call: Call): void {
    this.#calls?.postMessage(call)
  }

  // The end

  #goAlone(): void {
    this.#release(GONE)
    this.#state = 'alone'
    this.#dial(this.#options.handlers)
  }

  #dial({ onOpen, onMessage }: Pick<TransportHandlers, 'onOpen' | 'onMessage'>): void {
    const { transport, handlers } = this.#options
    const ifOpen =
      <TArgs extends unknown[]>(handle: (...args: TArgs) => void) =>
      (...args: TArgs) => {
        if (!this.#isOver) handle(...args)
      }
    try {
      this.#inner = transport.connect({
        ...(handlers.askToken && { askToken: async () => handlers.askToken?.() }),
        onOpen: ifOpen(() => {
          this.#isOpen = true
          onOpen()
        }),
        onMessage: ifOpen((raw: RawMessage) => {
          onMessage(raw)
        }),
        onClose: ifOpen((info: CloseInfo) => {
          this.#inner = undefined
          this.#end(info)
        }),
        onError: ifOpen((error: unknown) => {
          handlers.onError(error)
        }),
      })
    } catch (error) {
      handlers.onError(error)
      this.#end({ code: 1006, reason: String(error) })
    }
  }

  get #isOver(): boolean {
    return this.#state === 'over'
  }

  /** Ends it from this side, or tells how it has ended. */
  #end(info: CloseInfo): void {
    if (this.#isOver) return
    // What the server refuses to this tab it may grant to another, which asks for itself.
    const policy = closePolicy(info.code)
    this.#release(policy === 'retry' || policy === 'retry-slow' ? info : GONE)
    this.#inner?.close()
    this.#options.handlers.onClose(info)
  }

  /** Nothing of this connection is left to other tabs. `code`: how the session of this one has closed. */
  #release(info: CloseInfo, code?: number): void {
    this.#state = 'over'
    this.#stopTimer()
    this.#stopListening()
    this.#leaveGroup()
    this.#waiting.abort()
    for (const port of this.#ports.values()) port.close(info)
    this.#ports.clear()
    this.#link?.close(code)
    if (this.#calls) {
      this.#calls.onmessage = null
      this.#calls.close()
    }
    this.#calls = undefined
    this.#releaseLock?.()
  }
}

/** A hello without the token: the server has that of the tab that has dialled, and other scripts may listen. */
function tokenless(data: Data): Data {
  return typeof data === 'string' && data.startsWith('{"t":"hello"') ? encodeMessage({ t: 'hello' }) : data
}
