import { RealtimeError } from '../core/errors.ts'

/** What one connection may ask of the server. Beyond a limit it is refused, reset or closed, as each one says. */
export interface ServerLimits {
  /** Size of a message from a client; beyond it the connection is closed (1009). @default 65_536 // 64 KiB */
  readonly maxPayloadBytes: number
  /** Connections at a time; the next one is closed (4429). @default 10_000 */
  readonly maxConnections: number
  /** Connections of one address; the next one is closed (4429). Behind a proxy, see `clientAddress`. @default Infinity */
  readonly maxConnectionsPerAddress: number
  /**
   * Connections of one user (`userId`); the next one is closed (4429). Guests that share an identity share it.
   * @default Infinity
   */
  readonly maxConnectionsPerUser: number
  /** Topics of one connection, and as many whose presence it is in; the next one is refused (`limit`). @default 128 */
  readonly maxTopicsPerConnection: number
  /** Characters of a topic's name; a longer one is refused (`limit`), and cannot be published to. @default 255 */
  readonly maxTopicLength: number
  /**
   * Messages of one connection, with bursts of twice as many; beyond it the connection is closed (4429). A
   * message costs 1, each topic in it 0.1, every 4,096 characters 1, and one that cannot be decoded 10. Where
   * `maxTopicsPerConnection` or `maxPayloadBytes` are above their defaults, so are bursts, by what that may cost.
   * @default 100
   */
  readonly maxMessagesPerSecond: number
  /**
   * Topics that one connection may subscribe to or join, a second, with bursts of twice as many, or of twice
   * `maxTopicsPerConnection`: each asks the app and the log. Beyond it the connection is closed (4429).
   * @default 20
   */
  readonly maxJoinsPerSecond: number
  /** How deep objects and arrays of a message may lie in each other; a deeper one is a bad message. @default 32 */
  readonly maxNesting: number
  /** Sends of one connection that wait for the handler; the next one is answered with `limit`. @default 16 */
  readonly maxPendingSends: number
  /** How long the handler of sends may take; then the send is answered with `unavailable`. @default 30_000 // 30 s */
  readonly sendTimeoutMs: number
  /** Members that a topic may have; the next one is refused (`limit`), and may watch. @default 200 */
  readonly maxPresenceMembers: number
  /** Size of a member's state; a larger one is refused (`limit`). @default 4_096 // 4 KiB */
  readonly maxPresenceBytes: number
  /** Size of a signal's data; a larger one is answered with an error (`limit`). @default 4_096 // 4 KiB */
  readonly maxSignalBytes: number
  /** How long `authorize` may take, its turn included; then the topic is refused (`unavailable`). @default 10_000 // 10 s */
  readonly authorizeTimeoutMs: number
  /** From the opening of a connection to its `welcome`; later it is closed (4408). @default 10_000 // 10 s */
  readonly helloTimeoutMs: number
  /**
   * How often `authenticate` is asked at a time, over all connections. The others wait for their turn, and for no longer
   * than `helloTimeoutMs`.
   * @default 64
   */
  readonly maxConcurrentAuthentications: number
  /** The same for `authorize`, and `authorizeTimeoutMs`. @default 64 */
  readonly maxConcurrentAuthorizations: number
  /**
   * Bytes waiting to be sent on one connection. Beyond it events are held back until the client has read; then
   * it is brought up to date from the log.
   * @default 1_048_576 // 1 MiB
   */
  readonly maxBufferedBytes: number
  /** How long events may be held back before the connection is closed (4413). @default 5_000 // 5 s */
  readonly slowConsumerMs: number
  /** Events that are replayed on a topic; a client that has missed more is reset. @default 500 */
  readonly maxReplayEvents: number
  /** Size of a replay, at most `maxBufferedBytes`; a larger one becomes a reset. @default 524_288 // 512 KiB */
  readonly maxReplayBytes: number
  /** Size of a published event's data; a larger one is not published. @default 262_144 // 256 KiB */
  readonly maxEventBytes: number
}

/** Reading and checking so many characters costs as much as handling a small message. */
export const LENGTH_OF_ONE = 4_096

/** A topic asks the app and the log, or stands in the answer. */
export const COST_OF_TOPIC = 0.1

const DEFAULTS: ServerLimits = {
  maxPayloadBytes: 65_536,
  maxConnections: 10_000,
  maxConnectionsPerAddress: Infinity,
  maxConnectionsPerUser: Infinity,
  maxTopicsPerConnection: 128,
  maxTopicLength: 255,
  maxMessagesPerSecond: 100,
  maxJoinsPerSecond: 20,
  maxNesting: 32,
  maxPendingSends: 16,
  sendTimeoutMs: 30_000,
  maxPresenceMembers: 200,
  maxPresenceBytes: 4_096,
  maxSignalBytes: 4_096,
  authorizeTimeoutMs: 10_000,
  helloTimeoutMs: 10_000,
  maxConcurrentAuthentications: 64,
  maxConcurrentAuthorizations: 64,
  maxBufferedBytes: 1_048_576,
  slowConsumerMs: 5_000,
  maxReplayEvents: 500,
  maxReplayBytes: 524_288,
  maxEventBytes: 262_144,
}

/** What messages may cost together in a burst. Two that are as dear as larger limits allow are no flood. */
export function messageBurst({
  maxMessagesPerSecond,
  maxTopicsPerConnection,
  maxPayloadBytes,
}: ServerLimits): number {
  const more =
    Math.max(0, maxTopicsPerConnection - DEFAULTS.maxTopicsPerConnection) * COST_OF_TOPIC +
    Math.max(0, maxPayloadBytes - DEFAULTS.maxPayloadBytes) / LENGTH_OF_ONE
  return 2 * (maxMessagesPerSecond + more)
}

/** Fills in the defaults. Throws `usage` for a limit that is not a number from 0, or from 1. */
export function resolveLimits(given: Partial<ServerLimits> = {}): ServerLimits {
  const limits: Record<string, number> = { ...DEFAULTS }
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    if (!Object.hasOwn(DEFAULTS, name)) throw new RealtimeError('usage', `There is no limit named ${name}.`)
    // With none at a time, nobody would ever be let in.
    const least = name.startsWith('maxConcurrent') ? 1 : 0
    if (!(value >= least))
      throw new RealtimeError('usage', `The limit ${name} must be a number from ${least}. Got ${value}.`)
    limits[name] = value
  }
  const resolved = limits as unknown as ServerLimits
  return { ...resolved, maxReplayBytes: Math.min(resolved.maxReplayBytes, resolved.maxBufferedBytes) }
}
