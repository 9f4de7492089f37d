/** The whole client for a benchmark: a bridge over a source in memory, and frames that end when told to. */
import { QueryClient } from '@tanstack/query-core'
import { RealtimeQueryBridge, type EventTable, type RealtimeEvent, type Transport } from '../src/index.ts'

export interface LiveClient {
  readonly queryClient: QueryClient
  /** A message arrives, as text. */
  receive(message: string): void
  /** The browser's frame ends: what waits for it is written. */
  endFrame(): void
}

export async function connect(events: EventTable, queryClient: QueryClient): Promise<LiveClient> {
  let receive: ((raw: unknown) => void) | undefined
  let frame: (() => void) | undefined
  const transport: Transport = {
    name: 'memory',
    mode: 'managed',
    heartbeat: false,
    decode: (raw) => JSON.parse(raw as string) as RealtimeEvent,
    connect: (handlers) => {
      receive = (raw) => {
        handlers.onMessage(raw)
      }
      queueMicrotask(() => {
        handlers.onOpen()
      })
      return { send: () => undefined, close: () => undefined }
    },
  }
  const bridge = new RealtimeQueryBridge({
    queryClient,
    events,
    transport,
    onError: (error) => {
      throw error
    },
    requestFrame: (callback) => {
      frame = callback
      return () => {
        frame = undefined
      }
    },
  })
  bridge.start()
  while (bridge.status.status !== 'live') await new Promise((resolve) => setImmediate(resolve))
  return {
    queryClient,
    receive: (message) => receive?.(message),
    endFrame: () => {
      const ending = frame
      frame = undefined
      ending?.()
    },
  }
}

/** A client whose queries never go stale nor are collected, so that nothing but the benchmark does anything. */
export function quietClient(): QueryClient {
  return new QueryClient({
    defaultOptions: { queries: { staleTime: Infinity, gcTime: Infinity, retry: false } },
  })
}
