/** What crossTab uses of the browser, so that tests can pass their own. */
import { systemClock, type Clock } from '../core/clock.ts'

/** What is used of `navigator.locks`. */
export interface CrossTabLocks {
  request(
    name: string,
    options: { signal?: AbortSignal; steal?: boolean },
    callback: () => void | PromiseLike<void>,
  ): Promise<unknown>
}

/** What is used of a `BroadcastChannel`. */
export interface CrossTabChannel {
  postMessage(message: unknown): void
  close(): void
  onmessage: ((event: { readonly data: unknown }) => unknown) | null
}

export interface CrossTabPlatform {
  readonly locks: CrossTabLocks
  readonly clock: Clock
  /** Numbers in [0, 1). */
  readonly random: () => number
  /** An id that no other tab has. */
  createId(): string
  openChannel(name: string): CrossTabChannel
  /** Calls `listener` when the page is left or frozen, and from now on runs no code, until the returned function is called. */
  onSuspend(listener: () => void): () => void
  /** What tells tokens apart and gives none away. */
  digest(text: string): Promise<string>
}

interface Scope {
  readonly navigator?: { readonly locks?: CrossTabLocks }
  readonly document?: EventTarget
  readonly BroadcastChannel?: new (name: string) => CrossTabChannel
  readonly crypto?: Partial<Crypto>
}

/** `undefined` where tabs cannot share: on a server, in old browsers, on pages without TLS. */
export function browserPlatform(scope: Scope = globalThis as Scope): CrossTabPlatform | undefined {
  const { navigator, document, BroadcastChannel, crypto } = scope
  const locks = navigator?.locks
  // Node has locks and channels, and no tabs.
  if (!locks || !document || !BroadcastChannel || !crypto?.subtle || !crypto.randomUUID) return undefined
  const { subtle } = crypto
  return {
    locks,
    clock: systemClock,
    random: Math.random,
    createId: () => crypto.randomUUID!(),
    openChannel: (name) => new BroadcastChannel(name),
    onSuspend(listener) {
      const page = scope as Partial<EventTarget>
      page.addEventListener?.('pagehide', listener)
      document.addEventListener('freeze', listener)
      return () => {
        page.removeEventListener?.('pagehide', listener)
        document.removeEventListener('freeze', listener)
      }
    },
    async digest(text) {
      const bytes = new Uint8Array(await subtle.digest('SHA-256', new TextEncoder().encode(text)))
      return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    },
  }
}
