import { vi } from 'vitest'
import type { RealtimeError } from '../../src/core/errors.ts'
import type { RealtimeEvent } from '../../src/core/event.ts'
import type { ServerMessage, WireEvent } from '../../src/core/protocol/messages.ts'
import { Outbox } from '../../src/core/session/extensions/outbox.ts'
import { Presence } from '../../src/core/session/extensions/presence.ts'
import { Reporter } from '../../src/core/session/reporter.ts'
import { Signals } from '../../src/core/session/extensions/signals.ts'
import {
  Session,
  type BridgeStatus,
  type SessionHandlers,
  type SessionOptions,
} from '../../src/core/session/session.ts'
import type { WakeSignal, WakeSignals } from '../../src/core/session/connection/wake-signals.ts'
import {
  createFakeTransport,
  type FakeConnection,
  type FakeTransport,
} from '../../src/testing/fake-transport.ts'
import type { Transport } from '../../src/core/transport.ts'

/** Signals worked by hand. */
export class FakeSignals implements WakeSignals {
  isUp = true
  readonly listeners = new Set<(signal: WakeSignal) => void>()

  isOnline(): boolean {
    return this.isUp
  }

  listen(listener: (signal: WakeSignal) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  tell(signal: WakeSignal): void {
    for (const listener of this.listeners) listener(signal)
  }
}

export type RigOptions = Partial<Transport> & Pick<SessionOptions, 'limits'>

/** A session between a fake transport and a notebook. Random numbers are 0.5. */
export class Rig {
  readonly transport: FakeTransport
  readonly signals = new FakeSignals()
  readonly session: Session
  /** Everything that was told, in order, in short. */
  readonly told: string[] = []
  readonly errors: RealtimeError[] = []
  readonly statuses: BridgeStatus[] = []
  /** Ids that were made. The first one names the client. */
  ids = 0
  /** Called after the note is taken. */
  readonly on: Partial<Record<keyof SessionHandlers | 'onError', () => void>> = {}

  constructor({ limits, connect, ...options }: RigOptions = {}) {
    this.transport = createFakeTransport(options)
    if (connect) this.transport.connect = connect
    this.session = new Session({
      transport: this.transport,
      signals: this.signals,
      random: () => 0.5,
      createId: () => `id${++this.ids}`,
      limits,
      handlers: {
        onEvents: (events, isReplay) => {
          this.told.push(events.map(({ data }) => data).join(' ') + (isReplay ? ' (replay)' : ''))
          this.on.onEvents?.()
        },
        onResync: ({ topic, outcome, position }) => {
          this.told.push(`${outcome} ${topic ?? '*'} ${position ? position.epoch + position.offset : '-'}`)
          this.on.onResync?.()
        },
        onStatus: (status) => {
          this.statuses.push(status)
          this.told.push(status.status)
          this.on.onStatus?.()
        },
      },
      reporter: new Reporter((error) => {
        this.errors.push(error)
        this.on.onError?.()
      }),
    })
  }

  get outbox(): Outbox {
    return this.session.use(Outbox)
  }

  get presence(): Presence {
    return this.session.use(Presence)
  }

  get talk(): Signals {
    return this.session.use(Signals)
  }

  get server(): FakeConnection {
    return this.transport.connection
  }

  get codes(): string[] {
    return this.errors.map(({ code }) => code)
  }

  /** The dial succeeds, and the server takes the hello. */
  async welcome(): Promise<this> {
    this.server.open()
    await settled()
    this.server.deliver({ t: 'welcome', connectionId: '1' })
    return this
  }

  /** Live, with the topic `t` at a5, and a clean notebook. */
  async live(): Promise<this> {
    this.session.setTopics(['t'])
    this.session.start()
    await this.welcome()
    this.server.deliver(fresh('t', 5))
    return this.clean()
  }

  /** Live over a backend that is no `rqb.v1`, with a clean notebook. */
  livePlain(): this {
    this.session.start()
    this.server.open()
    return this.clean()
  }

  clean(): this {
    this.told.length = this.errors.length = this.statuses.length = this.server.sent.length = 0
    return this
  }
}

/** Lets promises settle; no timer fires. */
export const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

export const wire = (offset: number): WireEvent => ({ type: 'e', data: offset, offset })

export const events = (topic: string, ...offsets: number[]): ServerMessage => ({
  t: 'events',
  topic,
  epoch: 'a',
  events: offsets.map(wire),
})

export const fresh = (topic: string, offset: number): ServerMessage => ({
  t: 'subscribed',
  topic,
  outcome: 'fresh',
  position: { epoch: 'a', offset },
})

export const reset = (topic: string, offset: number): ServerMessage => ({
  t: 'subscribed',
  topic,
  outcome: 'reset',
  position: { epoch: 'b', offset },
})

export const replayed = (topic: string, offset: number, ...offsets: number[]): ServerMessage => ({
  t: 'subscribed',
  topic,
  outcome: 'replayed',
  position: { epoch: 'a', offset },
  events: offsets.map(wire),
})

/** A backend that sends events as JSON and nothing else. */
export const PLAIN = {
  decode: (raw: unknown) => JSON.parse(raw as string) as RealtimeEvent | RealtimeEvent[] | null,
} satisfies Partial<Transport>
