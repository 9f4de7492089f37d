import { onTestFinished } from 'vitest'
import type { RealtimeError } from '../../src/core/errors.ts'
import type { RealtimeEvent } from '../../src/core/event.ts'
import {
  Session,
  type BridgeStatus,
  type SessionLimits,
  type TopicResync,
} from '../../src/core/session/session.ts'
import { Reporter } from '../../src/core/session/reporter.ts'
import type { Transport } from '../../src/core/transport.ts'

/** A session whose handlers can be waited for. It dials again at once. Stopped when the test is. */
export class SessionClient {
  readonly session: Session
  readonly events: RealtimeEvent[] = []
  readonly resyncs: TopicResync[] = []
  readonly errors: RealtimeError[] = []
  readonly statuses: BridgeStatus['status'][] = []
  readonly #waiting = new Set<() => void>()

  constructor(transport: Transport, limits?: Partial<SessionLimits>) {
    const changed = () => {
      for (const check of this.#waiting) check()
    }
    this.session = new Session({
      transport,
      random: () => 0,
      limits: { retryBaseMs: 1, ...limits },
      handlers: {
        onEvents: (events) => {
          this.events.push(...events)
          changed()
        },
        onResync: (resync) => {
          this.resyncs.push(resync)
          changed()
        },
        onStatus: ({ status }) => {
          this.statuses.push(status)
          changed()
        },
      },
      reporter: new Reporter((error) => {
        this.errors.push(error)
        changed()
      }),
    })
    onTestFinished(() => {
      this.session.stop()
    })
  }

  start(...topics: string[]): this {
    this.session.setTopics(topics)
    this.session.start()
    return this
  }

  get data(): unknown[] {
    return this.events.map(({ data }) => data)
  }

  /** Resolves as soon as something that was told makes it true. */
  until(isTrue: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!isTrue()) return
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
      check()
    })
  }

  untilStatus(status: BridgeStatus['status']): Promise<void> {
    return this.until(() => this.session.status.status === status)
  }
}
