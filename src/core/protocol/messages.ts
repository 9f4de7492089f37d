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

/** One who is present in a topic: a client, and not a connection or a person. A person with two tabs is there twice. */
export interface PresenceMember {
  /** The same for as long as the client stays, across its connections. */
  readonly id: string
  /** Who it is, as the server knows it. `undefined`: the server does not say. */
  readonly user?: string | undefined
  /** What the client says of itself: nobody has checked it. */
  readonly state: unknown
}

/** A passing word of another client: never stored, and lost when somebody is slow. */
export interface WireSignal {
  readonly type: string
  readonly data?: unknown
  /** The sender, by the id that it has as a `PresenceMember`. */
  readonly from: string
  /** Who it is, as the server knows it. `undefined`: the server does not say. */
  readonly user?: string | undefined
}

/** What a client is allowed, or not, to take from a topic. */
export type TopicAction = 'subscribe' | 'presence'

/** Direction: client → server. */
export type ClientMessage =
  /**
   * First message of a connection. The server answers `welcome`, or closes with a 44xx code. `clientId` names this
   * client across its connections, so that a short drop is not a leave: a new random one for each page and user.
   */
  | { readonly t: 'hello'; readonly token?: string | undefined; readonly clientId?: string | undefined }
  /** A new credential of the same user, on the open connection. The server answers `authed`, or closes. */
  | { readonly t: 'auth'; readonly token: string }
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
  /**
   * A message for the app's own handler. The server answers `ack` or `error`, by `id`. One that is sent again after
   * a drop keeps its id.
   */
  | {
      readonly t: 'send'
      readonly id: string
      readonly type: string
      readonly data?: unknown
      readonly topic?: string | undefined
      /** The `send` before it that has no answer yet: one that is put off by a limit takes this one along. */
      readonly after?: string | undefined
    }
  /**
   * Asks who is present in a topic, and from now on hears of it: the server answers `presence-state` or `refused`.
   * With a `state` the client is present itself; without one it watches. Once for each connection and topic.
   */
  | { readonly t: 'presence-join'; readonly topic: string; readonly state?: unknown }
  /** Replaces the client's state; nothing is answered. Without a state it watches from now on. */
  | { readonly t: 'presence-update'; readonly topic: string; readonly state?: unknown }
  | { readonly t: 'presence-leave'; readonly topic: string }
  /** A passing word to everybody else who is subscribed to the topic or present in it. Nothing is answered. */
  | { readonly t: 'signal'; readonly topic: string; readonly type: string; readonly data?: unknown }

/** Direction: server → client. */
export type ServerMessage =
  /** Answer to `hello`: the connection may subscribe now. */
  | { readonly t: 'welcome'; readonly connectionId: string }
  /** Answer to `auth`: the new credential is in force. */
  | { readonly t: 'authed' }
  /** The credential ends soon: send a new one (`auth`), or the connection is closed (4402) when it has ended. */
  | { readonly t: 'token-expires'; readonly inMs: number }
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
  /** Answer to `subscribe`, or (`action`) to `presence-join` and `presence-update`. */
  | {
      readonly t: 'refused'
      readonly topic: string
      readonly code: RefusalCode
      readonly message: string
      /** Absent: `subscribe`. */
      readonly action?: TopicAction | undefined
    }
  /** What was allowed is not any more: the topic has ended for this connection. */
  | {
      readonly t: 'revoked'
      readonly topic: string
      readonly message: string
      /** Absent: `subscribe`. */
      readonly action?: TopicAction | undefined
    }
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
  /** Everybody who is present in a topic. `self`: the id of this client, one of them or not. */
  | {
      readonly t: 'presence-state'
      readonly topic: string
      readonly members: readonly PresenceMember[]
      readonly self?: string | undefined
    }
  /** What has changed since: members that came or have a new state, and ids of those that left. */
  | {
      readonly t: 'presence-diff'
      readonly topic: string
      readonly set: readonly PresenceMember[]
      readonly left: readonly string[]
    }
  /** Signals of others. Of one sender and type only the last one within a turn of the server is told. */
  | { readonly t: 'signals'; readonly topic: string; readonly signals: readonly WireSignal[] }
  /** The `send` of this id is done; `data` is what the app's handler gave. */
  | { readonly t: 'ack'; readonly id: string; readonly data?: unknown }
  | {
      readonly t: 'error'
      readonly code: string
      readonly message: string
      readonly topic?: string | undefined
      /** The `send` that has failed: it gets no `ack`. */
      readonly id?: string | undefined
      /** When it may be tried again. Absent: trying again would fail again, or the server does not know. */
      readonly retryAfterMs?: number | undefined
    }

/** `forbidden` is final until the app asks again; `limit` and `unavailable` are asked again a while later. */
export type RefusalCode = 'forbidden' | 'limit' | 'unavailable'
