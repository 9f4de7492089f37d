/**
 * WebSocket close codes of `rqb.v1`, and what a client does after each. Codes in 4400 to 4499 tell the reason;
 * the policy for the standard codes (1000 to 1015) is here too, so that it stands in one table.
 */

/** The codes that a client names are constants of their own, so that its bundle carries no other name. */
export const UNAUTHORIZED = 4401
export const FORBIDDEN = 4403
export const HEARTBEAT_TIMEOUT = 4900

export const CloseCode = {
  /** The client has done something the protocol does not allow. */
  BadRequest: 4400,
  /** No credential, or one that is not accepted. */
  Unauthorized: UNAUTHORIZED,
  /** The credential was good and is now too old: connect again with a new one. */
  TokenExpired: 4402,
  /** Known, and not allowed here. */
  Forbidden: FORBIDDEN,
  /** `hello` did not come in time. */
  HelloTimeout: 4408,
  /** The client did not read fast enough; it may connect again and resync. */
  SlowConsumer: 4413,
  /** Too many connections, topics or messages. */
  LimitExceeded: 4429,
  /** The server has a fault of its own. */
  ServerError: 4500,
  /** Sent by the client: nothing came within the heartbeat's deadline. */
  HeartbeatTimeout: HEARTBEAT_TIMEOUT,
} as const

/**
 * - `final`: do not connect again until the app says so.
 * - `refresh-token`: connect again at once, asking the token provider for a new token; twice in a row is final.
 * - `retry`: connect again after the usual backoff.
 * - `retry-slow`: connect again after the longest backoff.
 */
export type ClosePolicy = 'final' | 'refresh-token' | 'retry' | 'retry-slow'

/** What to do after a close with `code`. Every code that is not named is `retry`: networks fail. */
export function closePolicy(code: number): ClosePolicy {
  switch (code) {
    case 4400: // bad request
    case UNAUTHORIZED:
    case FORBIDDEN:
    case 1002: // protocol error, and so on: RFC 6455, section 7.4.1. What is refused in principle stays refused
    case 1003: // unsupported data
    case 1007: // invalid payload
    case 1008: // policy violation
    case 1010: // mandatory extension
      return 'final'
    case 4402: // token expired
      return 'refresh-token'
    case 4429: // limit exceeded
    case 1009: // message too big: the same one would be refused again, others would not
    case 1013: // try again later
      return 'retry-slow'
    default:
      return 'retry'
  }
}
