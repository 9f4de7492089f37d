import type { Position } from '../event.ts'

/** One event inside an `events` or `subscribed` message. Topic and epoch stand once, on the message. */
export interface WireEvent {
  readonly type: string
  readonly data: unknown
  /** Its place in the topic, from 1. */
  readonly offset: number
  /**
   * The offset of the event before it that this connection may see. Absent: `offset - 1`. Present on streams
   * that are filtered per connection, where offsets have holes.
   */
  readonly prev?: number | undefined
  readonly mutationId?: string | undefined
}

/**
 * How a topic became current again:
 * - `fresh`: the client gave no position, so there is nothing to catch up with;
 * - `replayed`: every event after the client's position is in this message;
 * - `reset`: the history between the client's position and now is lost; state must be fetched again.
 */
export type ResyncOutcome = 'fresh' | 'replayed' | 'reset'

/** Direction: client → server. */
export type ClientMessage =
  /** First message of a connection. The server answers `welcome`, or closes with a 44xx code. */
  | { readonly t: 'hello'; readonly token?: string | undefined }
  /**
   * Subscribes to topics, or asks for what was missed on topics already subscribed (a gap). The server answers
   * each topic with `subscribed` or `refused`, in any order.
   */
  | {
      readonly t: 'subscribe'
      readonly topics: readonly { readonly topic: string; readonly position?: Position | undefined }[]
    }
  | { readonly t: 'unsubscribe'; readonly topics: readonly string[] }
  /** Asks for `pong`. Sent by the client only: the server's liveness check is the WebSocket's own ping. */
  | { readonly t: 'ping' }

/** Direction: server → client. */
export type ServerMessage =
  /** Answer to `hello`: the connection may subscribe now. */
  | { readonly t: 'welcome'; readonly connectionId: string }
  /** `position` is the topic's position after `events`. `events` is present when `outcome` is `replayed`. */
  | {
      readonly t: 'subscribed'
      readonly topic: string
      readonly outcome: ResyncOutcome
      readonly position: Position
      readonly events?: readonly WireEvent[] | undefined
      /**
       * With `fresh`: for how long nothing has happened in the topic, in ms, at the least. State whose reading began
       * within that time has missed nothing. Absent: not known.
       */
      readonly quietMs?: number | undefined
    }
  | { readonly t: 'refused'; readonly topic: string; readonly code: RefusalCode; readonly message: string }
  /** Events of one topic, in order. */
  | {
      readonly t: 'events'
      readonly topic: string
      readonly epoch: string
      readonly events: readonly WireEvent[]
    }
  /** `heads`: the last offset that was sent on each subscribed topic, so that a lost tail is noticed. */
  | { readonly t: 'pong'; readonly heads?: Readonly<Record<string, Position>> | undefined }
  /** The server is about to close this connection; reconnect after about `retryAfterMs`. */
  | { readonly t: 'going-away'; readonly retryAfterMs: number }
  | {
      readonly t: 'error'
      readonly code: string
      readonly message: string
      readonly topic?: string | undefined
    }

/** `forbidden` is final until the app asks again; `unavailable` may be asked again on the next connection. */
export type RefusalCode = 'forbidden' | 'limit' | 'unavailable'
