/**
 * The tabs of one browser over one store. Each holds a lock of its own name for as long as it lives; who gets hold of
 * it knows that the tab is gone. One more lock lets one of them at a time into the store.
 */
import type { Clock } from '../core/clock.ts'

/** What is used of the browser's `navigator.locks`. */
export interface TabLocks {
  request<TResult>(
    name: string,
    options: {
      mode?: 'exclusive' | 'shared'
      ifAvailable?: boolean
      signal?: AbortSignal
    },
    callback: (lock: object | null) => TResult | PromiseLike<TResult>,
  ): Promise<TResult>
}

/** What is used of a `BroadcastChannel`. */
export interface TabChannel {
  postMessage(message: unknown): void
  close(): void
  onmessage: ((event: never) => unknown) | null
}

export interface TabsOptions {
  /** The same in the tabs that share a store. */
  readonly name: string
  readonly id: string
  /** Without locks there is no other tab. */
  readonly locks: TabLocks | undefined
  readonly channel: TabChannel | undefined
  readonly clock: Clock
  /** A tab has died, or says that there is something to see in the store. */
  onNews(): void
}

/** How long a page that was reloaded waits for what is left of itself, in ms. */
const RELOAD_WAIT_MS = 1_000

export class Tabs {
  readonly #options: TabsOptions
  #locks: TabLocks | undefined
  readonly #left = new AbortController()
  readonly #watched = new Set<string>()

  constructor(options: TabsOptions) {
    this.#options = options
    this.#locks = options.locks
    const { channel } = options
    if (channel) {
      channel.onmessage = () => {
        options.onNews()
      }
    }
  }

  /** Says that this tab lives. Resolves when the others can see it. */
  async join(): Promise<void> {
    const { id } = this.#options
    const previous = sessionId(`${this.#options.name}:tab`, id)
    try {
      await this.#hold(this.#lockOf(id))
    } catch {
      this.#locks = undefined // Locks are refused to this page: it is alone.
    }
    if (previous !== undefined) await this.#waitFor(previous)
  }

  /** Runs a step in which no other tab is in the store. */
  alone<TResult>(step: () => Promise<TResult>): Promise<TResult> {
    return this.#locks ? this.#locks.request(`${this.#options.name}:store`, {}, step) : step()
  }

  /** Whether a tab is gone. One that lives is watched: `onNews` tells when it dies. */
  async isDead(tab: string): Promise<boolean> {
    if (this.#locks === undefined) return true
    const isFree = await this.#locks.request(
      this.#lockOf(tab),
      { mode: 'shared', ifAvailable: true },
      (lock) => lock !== null,
    )
    if (!isFree) this.#watch(tab)
    return isFree
  }

  /** Tells the other tabs to look into the store. */
  tell(): void {
    this.#options.channel?.postMessage('look')
  }

  /** This tab is gone for the others. */
  leave(): void {
    this.#left.abort()
    this.#options.channel?.close()
  }

  #lockOf(tab: string): string {
    return `${this.#options.name}:tab:${tab}`
  }

  /** Holds a lock until this tab leaves. */
  async #hold(name: string): Promise<void> {
    const { signal } = this.#left
    await new Promise<void>((resolve, reject) => {
      if (this.#locks === undefined || signal.aborted) return resolve()
      const untilLeft = () => {
        resolve()
        return new Promise<void>((release) => {
          signal.addEventListener('abort', () => {
            release()
          })
        })
      }
      this.#locks.request(name, { signal }, untilLeft).catch(reject)
    })
  }

  #watch(tab: string): void {
    if (this.#watched.has(tab)) return
    this.#watched.add(tab)
    const { signal } = this.#left
    const onDeath = () => {
      this.#watched.delete(tab)
      this.#options.onNews()
    }
    // Shared: all that watch are told, and none is in the way of another.
    this.#locks?.request(this.#lockOf(tab), { mode: 'shared', signal }, onDeath).catch(() => undefined)
  }

  /** The page that this one replaces gives up its lock a moment after this one has begun. */
  async #waitFor(tab: string): Promise<void> {
    const waiting = new AbortController()
    const stop = this.#options.clock.after(RELOAD_WAIT_MS, () => {
      waiting.abort() // It lives: this tab is a copy of it.
    })
    const { signal } = waiting
    await this.#locks
      ?.request(this.#lockOf(tab), { mode: 'shared', signal }, () => undefined)
      .catch(() => undefined)
    stop()
  }
}

/** The id that a tab went by before it was reloaded; remembers its id of now. */
function sessionId(key: string, id: string): string | undefined {
  try {
    const storage = globalThis.sessionStorage as Storage | undefined
    const previous = storage?.getItem(key) ?? undefined
    storage?.setItem(key, id)
    return previous
  } catch {
    return undefined // The page may have no storage.
  }
}

export function browserLocks(): TabLocks | undefined {
  return (globalThis as { navigator?: { locks?: TabLocks } }).navigator?.locks
}

export function browserChannel(name: string): TabChannel | undefined {
  return typeof BroadcastChannel === 'function' ? new BroadcastChannel(name) : undefined
}
