import { QueryClient, QueryObserver, type QueryKey, type QueryObserverOptions } from '@tanstack/query-core'
import { RealtimeQueryBridge, type BridgeLimits } from '../../src/bridge.ts'
import type { RealtimeError } from '../../src/core/errors.ts'
import type { EventTable } from '../../src/core/routing/event-table.ts'
import { createPushSource, type PushSource } from './push-source.ts'

export interface LiveClient {
  readonly queryClient: QueryClient
  readonly bridge: RealtimeQueryBridge<EventTable>
  readonly source: PushSource
  readonly errors: RealtimeError[]
  /** Mounts an observer, as `useQuery` does. Returns what unmounts it. */
  observe(options: QueryObserverOptions): () => void
  /** The cached data of a key. */
  data(queryKey: QueryKey): unknown
  end(): void
}

/** A QueryClient with a started bridge over a push source. Frames are timers of 16 ms, so fake timers drive them. */
export function createLiveClient(
  events: EventTable,
  {
    limits,
    queryClient = new QueryClient(),
  }: { limits?: Partial<BridgeLimits>; queryClient?: QueryClient } = {},
): LiveClient {
  const source = createPushSource()
  const errors: RealtimeError[] = []
  const unmounts: (() => void)[] = []
  const bridge = new RealtimeQueryBridge({
    queryClient,
    events,
    transport: source.transport,
    limits,
    random: () => 0.5,
    onError: (error) => errors.push(error),
  })
  queryClient.mount()
  bridge.start()
  return {
    queryClient,
    bridge,
    source,
    errors,
    observe(options) {
      const unmount = new QueryObserver(queryClient, options).subscribe(() => undefined)
      unmounts.push(unmount)
      return unmount
    },
    data: (queryKey) => queryClient.getQueryData(queryKey),
    end() {
      for (const unmount of unmounts) unmount()
      bridge.stop()
      queryClient.unmount()
      queryClient.clear()
    },
  }
}
