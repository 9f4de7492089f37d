import type { RealtimeQueryBridge } from '../bridge.ts'
import { systemClock, type Clock } from '../core/clock.ts'
import type { Position, RealtimeEvent } from '../core/event.ts'
import type { ClientMessage } from '../core/protocol/messages.ts'
import type { EventTable } from '../core/routing/event-table.ts'
import type { WakeSignals } from '../core/session/session.ts'
import { browserSignals, type WakeSignal } from '../core/session/connection/wake-signals.ts'
import type { CloseInfo, Transport } from '../core/transport.ts'
import type { NewLogEvent } from '../server/event-log.ts'
import type { PublishedEvents, PublishTable } from '../server/publish-event.ts'
import { createRealtimeServer } from '../server/realtime-server.ts'
import type { RealtimeServer, RealtimeServerOptions } from '../server/server-options.ts'
import { later, soon } from './later.ts'
import { MemoryWire } from './memory-wire.ts'
import { outsideOfAct } from './outside-of-act.ts'
import { settled, type SettledOptions } from './settled.ts'
import { createTestLog } from './test-log.ts'

export interface TestServerOptions<TMap extends object> extends Partial<
  Pick<RealtimeServerOptions<string, TMap>, 'authorize' | 'onSend' | 'limits' | 'onError'>
> {
  /** The app's table. `publish` is typed by it, and refuses data that fails its schema. */
  readonly events: PublishTable<TMap>
  /**
   * Who connects, by the token of the client. `null` refuses.
   * @default the token is the user's name; without one it is `test-user`
   */
  readonly authenticate?: RealtimeServerOptions<string, TMap>['authenticate'] | undefined
}

export interface TestPublishOptions {
  /** It gets lost on its way to everybody. The next event of the topic shows the gap. @default false */
  readonly lost?: boolean | undefined
}

export interface TestTransportOptions {
  /** What `authenticate` is given. @default none */
  readonly token?: string | undefined
  /**
   * As a backend without topics and positions: each event comes to everybody who is connected, of whatever topic it was
   * published. What nobody hears is gone. @default false
   */
  readonly plain?: boolean | undefined
}

/** The server kit without a network. What clients see of it is what they see of the real one. */
export interface TestServer<TMap extends object = Record<string, unknown>> extends Pick<
  RealtimeServer<TMap>,
  'position' | 'presence' | 'revoke'
> {
  /**
   * Publishes an event, as the backend would. Resolves with its position when it can be replayed; `settled` tells when
   * it has been applied.
   */
  publish(topic: string, event: PublishedEvents<TMap>, options?: TestPublishOptions): Promise<Position>
  /** A transport to this server, one for each bridge. */
  transport(options?: TestTransportOptions): Transport
  /** For a bridge of one's own: lets it come back at once when the server does. */
  readonly signals: WakeSignals
  /** How many clients are connected. */
  readonly connections: number
  /** The topics that somebody is subscribed to, by name. */
  readonly subscriptions: readonly string[]
  /** What clients have sent, oldest first. The last 1,000 are kept. */
  readonly sent: readonly ClientMessage[]
  /** Every connection ends. Clients may come back at once. @default code 1006 // as when a network drops it */
  drop(info?: Partial<CloseInfo>): void
  /** Every connection ends, and nobody can connect until `comeBack`. Events may be published meanwhile. */
  goDown(): void
  comeBack(): void
  /** The history of a topic is lost (a new epoch), or of all topics: clients have to fetch. */
  reset(topic?: string): void
  /**
   * Resolves when nothing is under way for a bridge: it is connected (or the server is down), what was published is in
   * its cache and on screen, and no query or mutation waits for a response. Timers of the bridge are not waited for.
   * It works with the fake timers of vitest and jest, and outside of `act`.
   *
   * @throws RealtimeError `usage`: when that takes longer than `timeoutMs`; it names what it has waited for.
   */
  settled(bridge: RealtimeQueryBridge<EventTable>, options?: SettledOptions): Promise<void>
  /** Ends every connection and every timer. */
  close(): Promise<void>
}

const MAX_SENT = 1_000

/** The server gathers presence and signals for at most so long, in ms. */
const GATHER_MS = 50

/** What the server gathers for a moment it sends at once. */
const hastyClock: Clock = {
  ...systemClock,
  after: (delayMs, callback) => (delayMs > GATHER_MS ? systemClock.after(delayMs, callback) : soon(callback)),
}

/** An event as a plain backend sends it. */
const plainEvent = ({ type, json, mutationId }: NewLogEvent): RealtimeEvent => ({
  type,
  data: JSON.parse(json) as unknown,
  mutationId,
})

const decode = (raw: unknown) => JSON.parse(String(raw)) as RealtimeEvent

/**
 * Makes a server for tests: the server kit itself, reached without a network.
 *
 * @example
 * const server = createTestServer({ events })
 * const bridge = createAppBridge({ transport: server.transport(), signals: server.signals })
 */
export function createTestServer<TMap extends object>(options: TestServerOptions<TMap>): TestServer<TMap> {
  const { events, authenticate = ({ token }) => token ?? 'test-user', authorize = () => true } = options
  const log = createTestLog()
  const wires = new Set<MemoryWire>()
  const sent: ClientMessage[] = []
  const wakeListeners = new Set<(signal: WakeSignal) => void>()
  const lost = new Set<string>()
  let isLosing = false
  let isDown = false
  let ids = 0

  const nameOf = (topic: string, epoch: string, offset: number) => JSON.stringify([topic, epoch, offset])
  log.subscribe(({ topic, epoch, event }) => {
    if (isLosing) lost.add(nameOf(topic, epoch, event.offset))
    else for (const wire of wires) wire.push(plainEvent(event))
  })
  const server = createRealtimeServer<string, TMap>({
    events,
    authenticate,
    authorize,
    onSend: options.onSend,
    limits: options.limits,
    onError: options.onError,
    log,
    platform: { clock: hastyClock, defer: later, newId: () => `test-${++ids}` },
  })

  const wake = (signal: WakeSignal) => {
    outsideOfAct(() => {
      for (const listener of [...wakeListeners]) listener(signal)
    })
  }
  const drop = (info?: Partial<CloseInfo>) => {
    for (const wire of [...wires]) wire.cut(info)
  }
  /** Of the page, too: tests may tell it that it is offline. */
  const page = browserSignals()

  return {
    position: (topics, tx) => server.position(topics, tx),
    presence: (topic) => server.presence(topic),
    revoke: (filter) => {
      server.revoke(filter)
    },
    publish(topic, event, { lost: isLost = false } = {}) {
      // The log is told within the call.
      isLosing = isLost
      const published = server.publish(topic, event)
      isLosing = false
      return published
    },
    transport: ({ token, plain = false } = {}) => ({
      name: 'test',
      mode: 'dialled',
      ...(plain ? { decode, heartbeat: false } : { token: () => token }),
      connect(handlers) {
        const wire: MemoryWire = new MemoryWire({
          server,
          handlers,
          isDown: () => isDown,
          isPlain: plain,
          isLost: (topic, epoch, { offset }) => lost.has(nameOf(topic, epoch, offset)),
          onSent(message) {
            sent.push(message)
            if (sent.length > MAX_SENT) sent.shift()
          },
          onGone() {
            wires.delete(wire)
          },
        })
        wires.add(wire)
        return wire
      },
    }),
    signals: {
      isOnline: () => page.isOnline(),
      listen(listener) {
        wakeListeners.add(listener)
        const stop = page.listen(listener)
        return () => {
          wakeListeners.delete(listener)
          stop()
        }
      },
    },
    get connections() {
      return [...wires].filter((wire) => wire.isOpen).length
    },
    get subscriptions() {
      return [...new Set([...wires].flatMap((wire) => [...wire.subscribed]))].sort()
    },
    sent,
    drop,
    goDown() {
      isDown = true
      drop()
    },
    comeBack() {
      isDown = false
      wake('woken')
    },
    reset(topic) {
      log.lose(topic)
    },
    settled: (bridge, settledOptions) =>
      settled(bridge, {
        ...settledOptions,
        isDown: () => isDown,
        isAnswering: () => [...wires].some((wire) => wire.asked.size > 0),
      }),
    async close() {
      drop({ code: 1001 })
      await server.close({ graceMs: 0 })
      await log.close()
    },
  }
}
