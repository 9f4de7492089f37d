import { QueryClient } from '@tanstack/query-core'
import { RealtimeQueryBridge, type RealtimeQueryBridgeOptions } from '../bridge.ts'
import { systemClock, type Clock } from '../core/clock.ts'
import type { EventMap, EventTable } from '../core/routing/event-table.ts'
import { soon } from './later.ts'
import { outsideOfAct } from './outside-of-act.ts'
import type { SettledOptions } from './settled.ts'
import { createTestServer, type TestServer, type TestTransportOptions } from './test-server.ts'

export interface TestBridgeOptions<TTable extends EventTable>
  extends Omit<RealtimeQueryBridgeOptions<TTable>, 'queryClient' | 'transport'>, TestTransportOptions {
  /** @default a new one: queries are not retried, and mutations at once */
  readonly queryClient?: QueryClient | undefined
  /** One that other bridges use as well, or that was made with rights of its own. @default a new one */
  readonly server?: TestServer<EventMap<TTable>> | undefined
}

export interface TestBridge<TTable extends EventTable> {
  /** Not started yet: `RealtimeQueryProvider` does it, or `bridge.start()`. */
  readonly bridge: RealtimeQueryBridge<TTable>
  readonly queryClient: QueryClient
  readonly server: TestServer<EventMap<TTable>>
  /** `server.settled` of this bridge. */
  settled(options?: SettledOptions): Promise<void>
}

/**
 * Makes a bridge for tests, connected to a server in this process: the app's table, a real QueryClient and the real
 * server kit. Only waits are short: it reconnects at once, and fetches at once what events ask for.
 *
 * @example
 * const { bridge, server, settled } = createTestBridge({ events })
 * render(<RealtimeQueryProvider bridge={bridge}><TaskList /></RealtimeQueryProvider>)
 * await settled()
 * await server.publish('tasks', { type: 'task.created', data: { id: '1', title: 'New' } })
 * await settled()
 */
export function createTestBridge<TTable extends EventTable>(
  options: TestBridgeOptions<TTable>,
): TestBridge<TTable> {
  const { queryClient = createQueryClient(), token, plain, limits, server: given, ...others } = options
  const server = given ?? createTestServer<EventMap<TTable>>({ events: options.events })
  const bridge = new RealtimeQueryBridge<TTable>({
    signals: server.signals,
    clock,
    random: () => 0.5,
    requestFrame: soon, // A frame ends with this turn.
    ...others,
    queryClient,
    transport: server.transport({ token, plain }),
    limits: { retryBaseMs: 1, settleMs: 0, refetchIntervalMs: 0, resetSpreadMs: 0, ...limits },
  })
  return { bridge, queryClient, server, settled: (settledOptions) => server.settled(bridge, settledOptions) }
}

/** Queries fail at once, mutations are sent again at once, and no timer of the cache outlives the test. */
const createQueryClient = () =>
  new QueryClient({
    defaultOptions: {
      queries: { retry: false, gcTime: Infinity },
      mutations: { retryDelay: 1, gcTime: Infinity },
    },
  })

/** What a timer of the bridge does comes outside of `act`. */
const clock: Clock = {
  ...systemClock,
  after: (delayMs, callback) =>
    systemClock.after(delayMs, () => {
      outsideOfAct(callback)
    }),
}
