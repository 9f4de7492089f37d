/**
 * Several ways to one server, best first: where a proxy lets no WebSocket through, Server-Sent Events get there. Each dial
 * of the session takes one way. A way is left when dials fail before the server has said anything over it; what the server
 * says, the browser's "offline" and a token that does not come are no fault of a way.
 */
import { systemClock, type Clock } from '../core/clock.ts'
import { RealtimeError } from '../core/errors.ts'
import { HEARTBEAT_TIMEOUT } from '../core/protocol/close-codes.ts'
import type { CloseInfo, Transport, TransportConnection } from '../core/transport.ts'

export interface FallbackOptions {
  /**
   * Dials in a row that end before the server has said a word, until the next way is tried. One that is not even refused
   * (the session gives it up after `limits.connectTimeoutMs`) is enough.
   * @default 2
   */
  readonly attempts?: number | undefined
  /**
   * For how long the way that has worked is taken first, also by the next page of this tab, in ms. After that the dials
   * begin with the best one again. A connection that is open is not given up for it.
   * @default 600_000
   */
  readonly rememberMs?: number | undefined
  /**
   * Where it is remembered; `null`: nowhere but in this page.
   * @default globalThis.sessionStorage
   */
  readonly storage?: FallbackStorage | null | undefined
  /** For tests. @default the platform's */
  readonly clock?: Pick<Clock, 'now'> | undefined
}

/** What is used of the browser's `sessionStorage`. */
export interface FallbackStorage {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

/** The connection broke, or never was. */
const LOST = 1006

/** What the session gives up sooner than this, it does not give up for its silence. */
const SILENT_MS = 2_000

/**
 * Takes the first of several transports that gets through to the server, and goes on with it. They lead to one backend:
 * all of them speak `rqb.v1`, or all have `decode`. Whoever listens to `onError` is told what was left for what.
 *
 * @throws RealtimeError `usage`: there is none, one is managed, or only some have `decode`.
 * @example
 * fallback([webSocketTransport({ url: '/realtime', token }), sseTransport({ url: '/realtime/events', token })])
 */
export function fallback(transports: readonly Transport[], options: FallbackOptions = {}): Transport {
  const [first] = transports
  if (!first || transports.some(({ mode }) => mode === 'managed')) {
    throw new RealtimeError(
      'usage',
      'fallback() takes transports that are dialled, one at least. One that connects by itself falls back by itself.',
    )
  }
  const isPlain = !!first.decode
  if (transports.some(({ decode }) => !!decode !== isPlain)) {
    throw new RealtimeError(
      'usage',
      'The transports of fallback() lead to one backend: give all of them `decode`, or none.',
    )
  }
  const { attempts = 2, clock = systemClock } = options
  const memory = new Memory(transports, options)
  let current = memory.recall()
  /** Dials in a row that this way has failed. */
  let failures = 0
  /** The way has brought something since it was taken. */
  let hasWorked = memory.isFresh
  const way = () => transports[current]!

  /** What has not been told: whoever hangs up is deaf, so the next dial tells it. */
  let news: RealtimeError | undefined

  const failed = (weight: number) => {
    failures += weight
    if (failures < attempts || transports.length < 2) return
    const { name } = way()
    current = (current + 1) % transports.length
    failures = 0
    hasWorked = false
    news = new RealtimeError(
      'transport-failed',
      `The ${name} transport does not get through. Going on with ${way().name}.`,
    )
  }

  return {
    /** The way that is taken now. */
    get name() {
      return way().name
    },
    mode: 'dialled',
    address: transports.every(({ address }) => address)
      ? transports.map(({ address }) => address).join(' ')
      : undefined,
    decode: isPlain ? (raw) => way().decode!(raw) : undefined,
    token: transports.some(({ token }) => token) ? () => way().token?.() : undefined,
    // A ping that not every backend answers would end good connections.
    heartbeat:
      isPlain && transports.some(({ heartbeat }) => !heartbeat || !heartbeat.ping) ? false : first.heartbeat,
    forget() {
      for (const transport of transports) transport.forget?.()
    },
    connect(handlers) {
      if (hasWorked && current > 0 && !memory.isFresh) {
        current = failures = 0 // What was in the way may be gone.
        hasWorked = false
      }
      const dialledAt = clock.now()
      let isOver = false
      let isOpen = false
      let isThrough = false
      let isWaitingForToken = false
      const through = () => {
        if (isThrough) return
        isThrough = hasWorked = true
        failures = 0
        memory.keep(current)
      }
      const end = (isFault: boolean, weight = 1) => {
        if (isOver) return
        isOver = true
        const isOffline = (globalThis as { navigator?: { onLine?: boolean } }).navigator?.onLine === false
        if (isFault && !isThrough && !isOffline && !isWaitingForToken) failed(weight)
      }
      // No handler is called before this has returned.
      queueMicrotask(() => {
        if (news && !isOver) handlers.onError(news)
        if (!isOver) news = undefined
      })
      let connection: TransportConnection
      try {
        connection = way().connect({
          onOpen() {
            isOpen = true
            if (isPlain) through()
            handlers.onOpen()
          },
          onMessage(raw) {
            through()
            handlers.onMessage(raw)
          },
          onClose(info: CloseInfo) {
            // Any other code comes from the server.
            end(info.code === LOST || info.code === HEARTBEAT_TIMEOUT)
            handlers.onClose(info)
          },
          onError(error) {
            handlers.onError(error)
          },
          ...(handlers.askToken && {
            askToken: async () => {
              isWaitingForToken = true
              const token = await handlers.askToken?.()
              isWaitingForToken = false
              return token
            },
          }),
        })
      } catch (error) {
        end(true, attempts)
        throw error
      }
      return {
        send(data) {
          connection.send(data)
        },
        close(code, reason) {
          // The session gives up what has not answered in time.
          const isSilent = code === HEARTBEAT_TIMEOUT && clock.now() - dialledAt >= SILENT_MS
          end(isSilent, isOpen ? 1 : attempts)
          connection.close(code, reason)
        },
      }
    },
  }
}

interface Kept {
  readonly name: string
  readonly at: number
}

/** Which way has worked, and until when that counts. */
class Memory {
  readonly #key: string
  readonly #transports: readonly Transport[]
  readonly #rememberMs: number
  readonly #now: () => number
  readonly #storage: () => FallbackStorage | null | undefined
  #kept: Kept | undefined

  constructor(transports: readonly Transport[], options: FallbackOptions) {
    const { rememberMs = 600_000, clock = systemClock, storage } = options
    this.#transports = transports
    this.#rememberMs = rememberMs
    this.#now = () => clock.now()
    this.#storage = () =>
      storage === undefined ? (globalThis as { sessionStorage?: FallbackStorage }).sessionStorage : storage
    this.#key = `realtime-query-bridge:way:${transports.map(({ name }) => name).join(':')}`
  }

  /** What was kept is not too old, and not from the future: clocks are set. */
  get isFresh(): boolean {
    const age = this.#now() - (this.#kept?.at ?? -Infinity)
    return age >= 0 && age < this.#rememberMs
  }

  /** The place of the way that has worked last; the first one when that is not known. */
  recall(): number {
    try {
      const kept = JSON.parse(this.#storage()?.getItem(this.#key) ?? 'null') as Kept | null
      if (typeof kept?.at === 'number') this.#kept = kept
    } catch {
      // The page may have no storage, or somebody else's text in it.
    }
    if (!this.isFresh) this.#kept = undefined
    const place = this.#transports.findIndex(({ name }) => name === this.#kept?.name)
    if (place < 0) this.#kept = undefined
    return Math.max(0, place)
  }

  keep(place: number): void {
    const { name } = this.#transports[place]!
    // For as long as it was first said: otherwise a connection that drops often would never try the best one again.
    if (this.isFresh && this.#kept?.name === name) return
    this.#kept = { name, at: this.#now() }
    try {
      this.#storage()?.setItem(this.#key, JSON.stringify(this.#kept))
    } catch {
      // Full, or not allowed: then it is remembered in this page alone.
    }
  }
}
