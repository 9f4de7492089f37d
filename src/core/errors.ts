/** What went wrong, as a stable word that an app can switch on. */
export type RealtimeErrorCode =
  /** A programmer's mistake: thrown at once, the message tells the remedy. */
  | 'usage'
  /** A message could not be decoded, or is not a message of the protocol. Skipped. */
  | 'undecodable'
  /** An event whose type is not in the table. Skipped. */
  | 'unknown-event'
  /** An event whose data fails its schema. Skipped. */
  | 'invalid-data'
  /** A handler of the table threw, or returned something that is not an effect. The event is skipped. */
  | 'handler-failed'
  /** An effect could not be applied to a query's data. The query is refetched instead. */
  | 'effect-failed'
  /** A listener of the app threw. The others still ran. */
  | 'listener-failed'
  /** Events of a topic were missed and could not be replayed: the topic was reset. */
  | 'history-lost'
  /** The server refused a topic. */
  | 'topic-refused'
  /** The server reported an error of its own. */
  | 'server-error'
  /** The transport failed: a dial, a send, a token or URL provider. The session retries. */
  | 'transport-failed'
  /** A send was refused, gave up waiting, or has no known end. `details.fate` tells which. */
  | 'send-failed'
  /** The server, or a missing credential, ended the session for good. */
  | 'unauthorized'
  /** A mutation was not sent, because one that makes what it mentions was refused. */
  | 'dependency-failed'
  /** A mutation was discarded while it was under way, or the user has changed: it is not sent again. */
  | 'discarded'
  /** A pending mutation could not be stored, or the store could not be read. It runs all the same. */
  | 'persist-failed'
  /** A stored mutation is not going to be sent. `details.reason` tells why. */
  | 'given-up'
  /** On the server: `authenticate` or `authorize` threw or rejected. The connection, or the topic, is refused. */
  | 'callback-failed'
  /** On the server: a page of another origin was refused. Told once for each; the message tells how to allow it. */
  | 'origin-refused'
  /** On the server: the event log failed. What was published is not certain to be kept, or a topic is refused. */
  | 'log-failed'
  /** On the server: the bus between nodes failed. Others may not have heard of presence, signals or a revocation. */
  | 'bus-failed'

/**
 * What to do about a mistake, as one more sentence of its error. In production there is none: minifiers see that nothing
 * comes of the call, and leave the text out.
 */
export function remedy(text: string): string | undefined {
  return process.env['NODE_ENV'] !== 'production' ? text : undefined
}

/** What to do when a backend does not speak the protocol. */
export const needsDecode = (): string | undefined =>
  remedy('A backend with messages of its own needs `decode` in the transport.')

/**
 * The one error class of the library. Programmer's mistakes are thrown; everything that comes from the wire
 * is passed to `onError` and never thrown.
 */
export class RealtimeError extends Error {
  override readonly name = 'RealtimeError'
  readonly code: RealtimeErrorCode
  /** What the error is about (an event, a topic, a query key…), for logs and devtools. Never a token. */
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(
    code: RealtimeErrorCode,
    message: string,
    {
      cause,
      details,
      remedy,
    }: {
      cause?: unknown
      details?: Readonly<Record<string, unknown>> | undefined
      remedy?: string | undefined
    } = {},
  ) {
    const text = remedy === undefined ? message : `${message} ${remedy}`
    super(`[realtime-query-bridge] ${text}`, cause === undefined ? undefined : { cause })
    this.code = code
    this.details = details
  }
}
