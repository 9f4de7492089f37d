/**
 * WebSocket close codes of `rqb.v1`, and what a client does after each. Codes in 4400 to 4499 tell the reason;
 * the policy for the standard codes (1000 to 1015) is here too, so that it stands in one table.
 */
export const CloseCode = {
  /** The client has done something the protocol does not allow. */
  BadRequest: 4400,
  /** No credential, or one that is not accepted. */
  Unauthorized: 4401,
  /** The credential was good and is now too old: connect again with a new one. */
  TokenExpired: 4402,
  /** Known, and not allowed here. */
  Forbidden: 4403,
  /** `hello` did not come in time. */
  HelloTimeout: 4408,
  /** The client did not read fast enough; it may connect again and resync. */
  SlowConsumer: 4413,
  /** Too many connections, topics or messages. */
  LimitExceeded: 4429,
  /** The server has a fault of its own. */
  ServerError: 4500,
  /** Sent by the client: nothing came within the heartbeat's deadline. */
  HeartbeatTimeout: 4900,
} as const

/**
 * - `final`: do not connect again until the app says so.
 * - `refresh-token`: connect again at once, asking the token provider for a new token; twice in a row is final.
 * - `retry`: connect again after the usual backoff.
 * - `retry-slow`: connect again after the longest backoff.
 */
export type ClosePolicy = 'final' | 'refresh-token' | 'retry' | 'retry-slow'

const POLICY: ReadonlyMap<number, ClosePolicy> = new Map([
  [CloseCode.BadRequest, 'final'],
  [CloseCode.Unauthorized, 'final'],
  [CloseCode.TokenExpired, 'refresh-token'],
  [CloseCode.Forbidden, 'final'],
  [CloseCode.HelloTimeout, 'retry'],
  [CloseCode.SlowConsumer, 'retry'],
  [CloseCode.LimitExceeded, 'retry-slow'],
  [CloseCode.ServerError, 'retry'],
  [CloseCode.HeartbeatTimeout, 'retry'],
  // RFC 6455, section 7.4.1. What a server refuses in principle will be refused again.
  [1002, 'final'], // protocol error
  [1003, 'final'], // unsupported data
  [1007, 'final'], // invalid payload
  [1008, 'final'], // policy violation
  [1009, 'retry-slow'], // message too big: the same one would be refused again, others would not
  [1010, 'final'], // mandatory extension
  [1013, 'retry-slow'], // try again later
])

/** What to do after a close with `code`. Every code that is not in the table is `retry`: networks fail. */
export function closePolicy(code: number): ClosePolicy {
  return POLICY.get(code) ?? 'retry'
}
