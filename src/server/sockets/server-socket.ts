import type { SharedFrames } from './shared-frame.ts'

/** The socket as the server needs it. Any library's socket fits behind it. */
export interface ServerSocket {
  /** Sends a text frame. Called only until `close`. */
  send(text: string): void
  /**
   * Sends frames that other sockets are sent as well, in one write if it can: `frames.joined(encode)` gives the bytes
   * that were made for the first of them. Left out, the `text` of each in `frames.list` goes to `send`.
   */
  sendShared?(frames: SharedFrames): void
  /** Ends the connection after what was sent before. Called once at most. */
  close(code: number, reason: string): void
  /** Bytes that were sent and have not left yet. Without it, slow consumers are not noticed. */
  readonly bufferedAmount?: number | undefined
}

/** The request that opened a connection, as far as `authenticate` may want it. */
export interface ConnectionRequest {
  readonly url?: string | undefined
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly remoteAddress?: string | undefined
}

/** `authenticate` gives it for a credential that was good and is too old: the client fetches a new one and comes back. */
export const tokenExpired: unique symbol = Symbol('realtime-query-bridge.tokenExpired')
