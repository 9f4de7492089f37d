import type { RealtimeEvent } from '../../src/core/event.ts'
import type { Transport, TransportHandlers } from '../../src/core/transport.ts'

/** A source that hands over events as they are pushed: no wire, no protocol, connected at once. */
export interface PushSource {
  readonly transport: Transport
  push(...events: RealtimeEvent[]): void
  /** Loses the connection; `open` brings it back. */
  drop(): void
  open(): void
}

export function createPushSource(): PushSource {
  let handlers: TransportHandlers | undefined
  return {
    transport: {
      name: 'push-source',
      mode: 'managed',
      heartbeat: false,
      decode: (raw) => raw as readonly RealtimeEvent[],
      connect(given) {
        handlers = given
        queueMicrotask(() => handlers?.onOpen())
        return {
          send: () => undefined,
          close: () => {
            handlers = undefined
          },
        }
      },
    },
    push: (...events) => handlers?.onMessage(events),
    drop: () => handlers?.onClose({ code: 1006, reason: '' }),
    open: () => handlers?.onOpen(),
  }
}
