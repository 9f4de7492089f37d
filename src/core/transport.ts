/**
 * The transport port: types only. A transport carries frames; it knows nothing of events, topics or queries.
 *
 * - A **dialled** transport opens one connection when it is told to and never by itself: the session owns when.
 * - A **managed** transport (an app's existing Socket.IO socket, a vendor's SDK) reconnects by itself: it is
 *   connected once, and tells of every `onOpen` and `onClose` that follows.
 */
import type { RealtimeEvent } from './event.ts'

/** A frame as a transport hands it over: text, bytes, or an object that the transport has already decoded. */
export type RawMessage = unknown

/** Why a connection ended. `code` follows WebSocket close codes; 1006 where the transport has none. */
export interface CloseInfo {
  readonly code: number
  readonly reason: string
}

/** What the session hands to a transport. After `onClose` of a dialled connection nothing else is called. */
export interface TransportHandlers {
  /** The connection can carry frames now. */
  onOpen(): void
  onMessage(raw: RawMessage): void
  onClose(info: CloseInfo): void
  /** Something failed that the app should hear of; `onClose` still follows when the connection is gone. */
  onError(error: unknown): void
  /**
   * Asks the app for a token, where it is needed to dial. Who asks while an answer is awaited, with an earlier dial say,
   * waits for that one. Absent: outside of a session.
   */
  askToken?(): Promise<string | undefined>
}

/** One connection, or (managed) the source. */
export interface TransportConnection {
  /** Sends one frame. Called only between `onOpen` and `onClose`. */
  send(data: string | Uint8Array<ArrayBuffer>): void
  /**
   * Ends it, now: a dial that is under way is given up and every timer and listener released. No handler is
   * called after `close` returns.
   */
  close(code?: number, reason?: string): void
}

/**
 * Turns a frame of a plain backend into events. `null` or `undefined`: not for us (a welcome, a pong). What it
 * throws is reported as `undecodable` and the frame is skipped.
 */
export type DecodeMessage = (raw: RawMessage) => RealtimeEvent | readonly RealtimeEvent[] | null | undefined

/** The port. See `webSocketTransport` for an implementation. */
export interface Transport {
  /** For status, errors and devtools. */
  readonly name: string
  readonly mode: 'dialled' | 'managed'
  /** Where it connects to, when that is fixed: what shares connections tells them apart by it. */
  readonly address?: string | undefined
  /** Present: the backend speaks its own messages. Absent: it speaks `rqb.v1`. */
  readonly decode?: DecodeMessage | undefined
  /** Asked on every connect; what it gives goes into `hello`, never into the URL. Only with `rqb.v1`. */
  readonly token?: (() => string | null | undefined | Promise<string | null | undefined>) | undefined
  /**
   * How the session proves the connection alive. `false`: no heartbeat of ours (a plain backend that answers
   * no ping, or a source with its own). Absent: `rqb.v1` ping and pong with the default times.
   */
  readonly heartbeat?: HeartbeatOptions | false | undefined
  /** The session was stopped, or another user has come: what is kept from one connection to the next is the last one's. */
  forget?(): void
  /** Starts connecting. Calls no handler before it has returned. */
  connect(handlers: TransportHandlers): TransportConnection
}

export interface HeartbeatOptions {
  /**
   * How often a ping is sent, in ms, also while messages come.
   * @default 25_000 // the usual idle limit of proxies is 30 to 60 s
   */
  readonly intervalMs?: number | undefined
  /**
   * How long after the ping anything at all must arrive, in ms.
   * @default 5_000
   */
  readonly timeoutMs?: number | undefined
  /** The ping of a plain backend, and only then: a frame that makes the server answer with any frame. */
  readonly ping?: (() => string) | undefined
}
