/** A QueryClient whose bridge reaches a `LiveServer` over real sockets, and what a test needs to watch it. */
import { QueryClient, QueryObserver } from '@tanstack/query-core'
import { expect, onTestFinished, vi } from 'vitest'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { RealtimeQueryBridge, type BridgeLimits } from '../../src/bridge.ts'
import { systemClock, type Clock } from '../../src/core/clock.ts'
import type { RealtimeError } from '../../src/core/errors.ts'
import { remove, update, upsert } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import type { BridgeStatus, WakeSignal, WakeSignals } from '../../src/core/session/session.ts'
import { webSocketTransport, type WebSocketTransportOptions } from '../../src/transports/websocket.ts'
import { LiveServer, topicOf, type LiveServerOptions, type Row } from './live-server.ts'

const Write = z.object({ list: z.string(), seq: z.number() })
const Saved = Write.extend({ row: z.object({ id: z.number(), title: z.string() }) })

const byId = (a: Row, b: Row) => a.id - b.id

/** Not one of these can be applied twice, skipped or swapped without leaving a trace. */
const witnessed = ({ list, seq }: z.infer<typeof Write>) => [
  update<number[]>(['witness', list], (seen) => [...seen, seq]),
  update<number>(['seq', list], (count) => count + 1),
]

const events = defineEvents({
  'row.saved': on(Saved, (data) => [
    ...witnessed(data),
    upsert(['rows', data.list], data.row, { sort: byId }),
  ]),
  'row.removed': on(Write.extend({ id: z.number() }), (data) => [
    ...witnessed(data),
    remove(['rows', data.list], data.id),
  ]),
  marked: on(Write, witnessed),
})

export interface SocketClientOptions extends Partial<WebSocketTransportOptions> {
  /** Where the REST API is. */
  readonly origin: string
  readonly url: string
  readonly limits?: Partial<BridgeLimits> | undefined
  readonly random?: (() => number) | undefined
}

/** The platform's clock, and the timers that are set on it. */
class CountedClock implements Clock {
  pending = 0

  now(): number {
    return systemClock.now()
  }

  after(delayMs: number, callback: () => void): () => void {
    let isPending = true
    const done = () => {
      if (isPending) this.pending--
      isPending = false
    }
    this.pending++
    const cancel = systemClock.after(delayMs, () => {
      done()
      callback()
    })
    return () => {
      done()
      cancel()
    }
  }
}

/** Signals worked by hand. */
class HandSignals implements WakeSignals {
  readonly listeners = new Set<(signal: WakeSignal) => void>()

  isOnline(): boolean {
    return true
  }

  listen(listener: (signal: WakeSignal) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  tell(signal: WakeSignal): void {
    for (const listener of [...this.listeners]) listener(signal)
  }
}

export class SocketClient {
  /** Where the REST API is now. */
  origin: string
  readonly queryClient = new QueryClient({
    defaultOptions: { queries: { staleTime: Infinity, retry: false } },
  })
  readonly bridge: RealtimeQueryBridge<typeof events>
  readonly statuses: BridgeStatus[] = []
  readonly errors: RealtimeError[] = []
  readonly clock = new CountedClock()
  readonly signals = new HandSignals()
  readonly #unmounts: (() => void)[] = []

  constructor({ origin, limits, random = () => 0.5, ...transport }: SocketClientOptions) {
    this.origin = origin
    this.bridge = new RealtimeQueryBridge({
      queryClient: this.queryClient,
      events,
      transport: webSocketTransport({ WebSocket, ...transport }),
      clock: this.clock,
      signals: this.signals,
      random,
      // Without pauses between fetches, whatever is asked for is asked for at once and can be counted.
      limits: { retryBaseMs: 10, retryMaxMs: 40, refetchIntervalMs: 0, ...limits },
      onError: (error) => this.errors.push(error),
    })
    this.bridge.subscribe((status) => this.statuses.push(status))
    this.queryClient.mount()
  }

  /** Puts the rows of a list on screen. Gives what takes them off. */
  showRows(list: string): () => void {
    return this.#show('rows', list)
  }

  /** Puts the number of writes on screen: a count that no event can tell, only add to. */
  showSeq(list: string): () => void {
    return this.#show('seq', list)
  }

  rows(list: string): unknown {
    return this.queryClient.getQueryData(['rows', list])
  }

  shownSeq(list: string): unknown {
    return this.queryClient.getQueryData(['seq', list])
  }

  /** Notes every event of a list in a query that is never fetched, so that nothing but events makes it right. */
  witness(list: string): void {
    this.queryClient.setQueryData(['witness', list], [])
    this.#unmounts.push(this.bridge.holdTopic(topicOf(list)))
  }

  witnessed(list: string): number[] {
    return this.queryClient.getQueryData(['witness', list]) ?? []
  }

  isStale(key: string, list: string): boolean | undefined {
    return this.queryClient.getQueryState([key, list])?.isInvalidated
  }

  /** Waits until it is live and has fetched what is on screen. */
  ready(): Promise<void> {
    return eventually(() => {
      expect(this.bridge.status.status).toBe('live')
      expect(this.queryClient.isFetching()).toBe(0)
    })
  }

  /**
   * The barrier: a last write has arrived, so all before it has, and what that made the client fetch is there.
   *
   * @example
   * await client.hasSeen('a', await server.mark('a'))
   */
  hasSeen(list: string, seq: number): Promise<void> {
    return eventually(() => {
      expect(this.witnessed(list).at(-1)).toBe(seq)
      expect(this.queryClient.isFetching()).toBe(0)
    })
  }

  end(): void {
    for (const unmount of this.#unmounts.splice(0)) unmount()
    this.bridge.stop()
    this.queryClient.unmount()
    this.queryClient.clear()
  }

  #show(what: 'rows' | 'seq', list: string): () => void {
    const unmount = new QueryObserver(this.queryClient, {
      queryKey: [what, list],
      meta: { topics: [topicOf(list)] },
      queryFn: async () => {
        const response = await fetch(`${this.origin}/${list}/${what}`)
        if (!response.ok) throw new Error(await response.text())
        return (await response.json()) as unknown
      },
    }).subscribe(() => undefined)
    this.#unmounts.push(unmount)
    return unmount
  }
}

/** Waits for what must become true. */
export const eventually = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 2 })

/** A server that is gone when the test is. */
export async function startLiveServer(options?: LiveServerOptions): Promise<LiveServer> {
  const server = await LiveServer.start(options)
  onTestFinished(() => server.kill())
  return server
}

/** A client that has started, and is gone when the test is. */
export function startClient(options: SocketClientOptions): SocketClient {
  const client = new SocketClient(options)
  // As the provider does: before the screen's first fetches.
  client.bridge.start()
  onTestFinished(() => {
    client.end()
  })
  return client
}
