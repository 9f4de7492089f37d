import type { Clock } from '../core/clock.ts'
import { CloseCode } from '../core/protocol/close-codes.ts'
import type { Connection } from './connection.ts'
import type { EventLog } from './event-log.ts'
import { inTime } from './access/in-time.ts'
import type { ServerContext } from './server-context.ts'

/** What has happened since the server began. */
export interface ServerCounters {
  /** Events that `publish` has put into the log. */
  published: number
  /** Messages that clients have sent, and frames of theirs that were none. */
  messages: number
  badMessages: number
  /** Messages for the app's handler, and how many of them were answered with an error. */
  sends: number
  sendErrors: number
  /** Signals that clients have sent, and frames of signals that a slow client has missed. */
  signals: number
  droppedSignals: number
  /** Topics that were refused, and taken away again. */
  refused: number
  revoked: number
  /** Topics that were brought up to date: by nothing, by what was missed, or by fetching all again. */
  fresh: number
  replayed: number
  reset: number
  /** Connections that have come, those that were refused included. */
  opened: number
  /** Connections that this side has closed, by close code. */
  closed: Record<number, number>
  /** Connections that the client has closed, or that were lost (1006). Codes that apps have made up count as 4000. */
  left: Record<number, number>
}

/** Now, and since the server began: for a metrics endpoint. */
export interface ServerStats extends Readonly<Omit<ServerCounters, 'closed' | 'left'>> {
  readonly closed: Readonly<Record<number, number>>
  readonly left: Readonly<Record<number, number>>
  readonly connections: number
  /** Users and addresses that have a connection. */
  readonly users: number
  readonly addresses: number
  readonly subscriptions: number
  /** Connections in the presence of a topic, each topic for itself. */
  readonly presences: number
  /** Bytes that were sent and have not left yet, of all connections and of the one that has most. */
  readonly bufferedBytes: number
  readonly maxBufferedBytes: number
  /** Connections that events are held back from, and how long the longest of them has waited, in ms. */
  readonly heldBack: number
  readonly lagMs: number
  /** Questions that wait for a turn: see `maxConcurrentAuthentications` and `maxConcurrentAuthorizations`. */
  readonly waitingAuthentications: number
  readonly waitingAuthorizations: number
}

export interface ServerHealth {
  /** `failing`: the log does not answer. A load balancer should send clients elsewhere unless it is `ok`. */
  readonly status: 'ok' | 'draining' | 'failing'
  readonly connections: number
  /** How long the log has taken to answer, in ms. `undefined`: it has not. */
  readonly logMs: number | undefined
}

export const noCounts = (): ServerCounters => ({
  published: 0,
  messages: 0,
  badMessages: 0,
  sends: 0,
  sendErrors: 0,
  signals: 0,
  droppedSignals: 0,
  refused: 0,
  revoked: 0,
  fresh: 0,
  replayed: 0,
  reset: 0,
  opened: 0,
  closed: {},
  left: {},
})

/** One more connection that this side has not closed. The code is the client's word, and there are 4,000 of them. */
export function countLeft({ left }: ServerCounters, code: number): void {
  const known = code < 3_000 || code === CloseCode.HeartbeatTimeout ? code : 4_000
  left[known] = (left[known] ?? 0) + 1
}

const HEALTH_TIMEOUT_MS = 2_000

/** Walks over all connections. */
export function statsOf(connections: ReadonlySet<Connection>, context: ServerContext): ServerStats {
  const { counters, users, addresses, presence } = context
  const all = [...connections]
  const buffered = all.map(({ unsentBytes }) => unsentBytes)
  const lags = all.flatMap(({ heldBackSince }) => (heldBackSince === undefined ? [] : [heldBackSince]))
  const now = context.clock.now()
  return {
    ...counters,
    closed: { ...counters.closed },
    left: { ...counters.left },
    connections: all.length,
    users: users.size,
    addresses: addresses.size,
    subscriptions: all.reduce((sum, { subscriptions }) => sum + subscriptions.size, 0),
    presences: presence.seatCount,
    bufferedBytes: buffered.reduce((sum, bytes) => sum + bytes, 0),
    maxBufferedBytes: buffered.reduce((most, bytes) => Math.max(most, bytes), 0),
    heldBack: lags.length,
    lagMs: lags.reduce((longest, since) => Math.max(longest, now - since), 0),
    waitingAuthentications: context.authentications.waiting,
    waitingAuthorizations: context.authorizations.waiting,
  }
}

/** How long the log takes to answer, in ms. `undefined`: it does not. Never rejects. */
export async function logTime(log: EventLog, clock: Clock): Promise<number | undefined> {
  const startedAt = clock.now()
  try {
    const message = 'The event log does not answer.'
    await inTime(log.head('health'), { clock, limitMs: HEALTH_TIMEOUT_MS, message })
    return Math.max(0, clock.now() - startedAt)
  } catch {
    return undefined
  }
}
