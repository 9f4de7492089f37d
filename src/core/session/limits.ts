/** Times and bounds of a session. */
export interface SessionLimits {
  /**
   * How long dial, handshake and resync may take together, in ms. A topic that is subscribed later has as long. When a
   * resync has run out of time, the next one is given twice as much, up to eight times: a long replay takes its time on
   * a slow network.
   * @default 10_000
   */
  readonly connectTimeoutMs: number
  /**
   * The first backoff window, in ms. It doubles with every failure in a row.
   * @default 500
   */
  readonly retryBaseMs: number
  /**
   * The longest backoff window, in ms.
   * @default 20_000
   */
  readonly retryMaxMs: number
  /**
   * How long a connection must have been live to count as a success, in ms. Before that the backoff goes on
   * growing: a server that accepts and drops is not hammered.
   * @default 10_000
   */
  readonly settleMs: number
  /**
   * How long a gap waits for its replay before it asks again, in ms: once this, then twice, then three times.
   * @default 2_000
   */
  readonly gapWaitMs: number
  /**
   * How often a replay is asked for before the topic is reset.
   * @default 3
   */
  readonly gapAttempts: number
  /**
   * Events held behind a gap, per topic. One more resets the topic.
   * @default 1_000
   */
  readonly maxHeldEvents: number
  /**
   * Topics subscribed at once. More are ignored and reported.
   * @default 128 // what the server kit takes
   */
  readonly maxTopics: number
  /**
   * The longest message that is sent, in bytes. What servers do not take would end each connection.
   * @default 60_000 // the server kit takes 65_536 (`maxPayloadBytes`)
   */
  readonly maxMessageBytes: number
  /**
   * Sends without an answer, waiting for a connection included. One more is refused, as `full`.
   * @default 100
   */
  readonly maxQueuedSends: number
  /**
   * Sends on their way at a time. The others wait for an answer to one of them.
   * @default 8 // the server kit takes 16 at a time
   */
  readonly maxUnansweredSends: number
  /**
   * How long a send may wait for a connection and for its answer, in ms.
   * @default 300_000
   */
  readonly maxSendAgeMs: number
}

export const SESSION_LIMITS: SessionLimits = {
  connectTimeoutMs: 10_000,
  retryBaseMs: 500,
  retryMaxMs: 20_000,
  settleMs: 10_000,
  gapWaitMs: 2_000,
  gapAttempts: 3,
  maxHeldEvents: 1_000,
  maxTopics: 128,
  maxMessageBytes: 60_000,
  maxQueuedSends: 100,
  maxUnansweredSends: 8,
  maxSendAgeMs: 300_000,
}
