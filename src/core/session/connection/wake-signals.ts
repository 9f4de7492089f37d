/**
 * - `online`, `offline`: what the system says of the network.
 * - `woken`: somebody looks at the page again.
 * - `restored`: the page was frozen, or kept in the back/forward cache: timers stood still, sockets may be gone.
 */
export type WakeSignal = 'online' | 'offline' | 'woken' | 'restored'

/** What tells the session to look at the network again. Pass your own where there is no browser (React Native). */
export interface WakeSignals {
  /** Whether there is a network at all, as far as is known. `false` keeps the session from dialling. */
  isOnline(): boolean
  /** Calls `listener` on every signal, until the returned function is called. */
  listen(listener: (signal: WakeSignal) => void): () => void
}

/** The part of `EventTarget` that is used. */
export interface SignalTarget {
  addEventListener(type: string, listener: (event: Event) => void): void
  removeEventListener(type: string, listener: (event: Event) => void): void
}

/** The part of `globalThis` that is used. All of it may be missing: in Node, on a server, in React Native. */
export interface SignalScope extends Partial<SignalTarget> {
  readonly document?: (Partial<SignalTarget> & { readonly visibilityState?: string }) | undefined
  readonly navigator?: { readonly onLine?: boolean } | undefined
}

/** The signals of a browser's window or worker; where there is none, always online and silent. */
export function browserSignals(scope: SignalScope = globalThis): WakeSignals {
  const isOnline = () => scope.navigator?.onLine !== false
  return {
    isOnline,
    listen(listener) {
      const handle = (event: Event) => {
        const { type } = event
        if (type === 'online' || type === 'offline') return listener(type)
        const isVisibility = type === 'visibilitychange'
        // A page that becomes hidden needs nothing; a page that is shown for the first time was not away.
        if (isVisibility ? scope.document?.visibilityState !== 'visible' : isFirstShow(event)) return
        listener(isVisibility ? 'woken' : 'restored')
        // What happened to the network while the page slept was not always told.
        listener(isOnline() ? 'online' : 'offline')
      }
      const each = (method: keyof SignalTarget) => {
        // `window` exists in React Native, its addEventListener does not.
        for (const type of ['online', 'offline', 'pageshow']) scope[method]?.(type, handle)
        for (const type of ['resume', 'visibilitychange']) scope.document?.[method]?.(type, handle)
      }
      each('addEventListener')
      return () => {
        each('removeEventListener')
      }
    },
  }
}

const isFirstShow = (event: Event): boolean => 'persisted' in event && event.persisted === false
