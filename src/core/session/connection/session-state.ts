/**
 * Where a session may be, what may happen to it, and what it then asks for. The rules are in `transition.ts`.
 *
 *            start            opened               welcomed            resynced
 *   idle ─────────▶ connecting ─────▶ handshaking ─────────▶ resyncing ─────────▶ live
 *                     ▲    │             │    plain backends: opened ────────────▶ │
 *               timer │    └─────────────┴──── closed, timer, failed ───┬──────────┘
 *                     │                                                 ▼
 *                     ├────────────── waiting ◀─────────────────────────┤ retry
 *                     │        online    │ offline                      │
 *                     └──────────────── offline ◀───────────────────────┤ the browser says so
 *                                                                       ▼
 *   closed: `stop` from anywhere, or a final close code. Only `start` leaves it.
 *   `switched` (another user) forgets everything, and begins anew from wherever it was on.
 */
import type { ResyncOutcome } from '../../protocol/messages.ts'
import type { SessionLimits } from '../limits.ts'

/**
 * - `idle`: not started yet.
 * - `connecting`, `handshaking`, `resyncing`: on the way; topics become live one by one in the last.
 * - `live`: connected, and every topic that was wanted when it connected is current or refused.
 * - `waiting`: the next dial is at `retryAt` (a managed source: when it says so).
 * - `offline`: the browser says that there is no network, and nothing that has arrived since proves it wrong.
 * - `closed`: by `stop`, or by the server for good: `reason` tells which. Only `start` leaves it.
 */
export type SessionStatus =
  'idle' | 'connecting' | 'handshaking' | 'resyncing' | 'live' | 'waiting' | 'offline' | 'closed'

/**
 * Why a session is not live: closed by the app (`stopped`); refused for good (`unauthorized`, `forbidden`,
 * `rejected`: the client does something that the server does not take); not reached, or reached and lost.
 */
export type StatusReason = 'stopped' | 'unauthorized' | 'forbidden' | 'rejected' | 'unreachable' | 'lost'

export interface SessionState {
  readonly status: SessionStatus
  readonly reason: StatusReason | undefined
  /** When the status's timer is due, in ms of the clock. Rule 1 of `transition.ts`. */
  readonly timerAt: number | undefined
  /** Dials since the last connection that settled. */
  readonly attempt: number
  /** Doublings of the backoff window. Back to 0 after a connection that settled. */
  readonly step: number
  /** What the browser says of the network. */
  readonly isOnline: boolean
  /** No dial before this time: the server has said so. 0: it has not. */
  readonly notBefore: number
  /** The server's hint for the close that it has announced. */
  readonly retryAfterMs: number | undefined
  /** When the last dial was made. */
  readonly dialedAt: number
  /** When this connection became live. Meaningless unless live. */
  readonly liveAt: number
  /** Pings without an answer. Rule 6 allows a second one. */
  readonly probes: number
  /** The browser has said `offline` of a live connection, and nothing has arrived since. Only while live. */
  readonly isDoubted: boolean
  /** `asked`: the token was too old, and this attempt has a new one. `accepted`: it was live since, not yet settled. */
  readonly refresh: 'none' | 'asked' | 'accepted'
  /** Attempts in a row that were given up while topics were answered: each gives the next one more time. */
  readonly slowness: number
  /** A plain backend's connection has been open before: what comes after a break is a reset. */
  readonly hasOpened: boolean
}

/** What happens to a session. */
export type SessionEvent =
  | { readonly type: 'start'; readonly isOnline: boolean }
  | { readonly type: 'stop' }
  /** Another user: what belongs to the last one is forgotten before the next connection (L10). */
  | { readonly type: 'switched' }
  /** The transport: the connection is open. */
  | { readonly type: 'opened' }
  | { readonly type: 'welcomed' }
  /** Every wanted topic has been answered. */
  | { readonly type: 'resynced' }
  /** Anything at all arrived. */
  | { readonly type: 'message' }
  /** The transport: the connection is gone. */
  | { readonly type: 'closed'; readonly code: number }
  /** This side cannot go on with the connection: no token, a throwing transport, an answer that never came. */
  | { readonly type: 'failed' }
  | { readonly type: 'going-away'; readonly retryAfterMs: number }
  /** The status's timer fired. */
  | { readonly type: 'timer' }
  | { readonly type: 'online' }
  | { readonly type: 'offline' }
  /** The page became visible. */
  | { readonly type: 'woken' }
  /** The page comes from the back/forward cache or was frozen: browsers cut its sockets, some tell only later. */
  | { readonly type: 'restored' }

/** An event, when it happened, and a random number in [0, 1). */
export type SessionInput = SessionEvent & { readonly now: number; readonly random: number }

export type SessionCommand =
  | { readonly type: 'dial' }
  | { readonly type: 'hang-up'; readonly code: number }
  | { readonly type: 'forget' }
  | { readonly type: 'send-hello' }
  /** The connection takes messages: subscribe, and send what waits. */
  | { readonly type: 'send-subscribe'; readonly answerMs: number }
  | { readonly type: 'send-ping' }
  /** Tells that everything which comes over the connection starts, or starts again after a break. */
  | { readonly type: 'announce'; readonly outcome: ResyncOutcome }
  | { readonly type: 'report'; readonly code: 'unauthorized' | 'transport-failed'; readonly message: string }

export interface SessionConfig {
  /** The backend speaks its own messages: no handshake, no topics. */
  readonly isPlain: boolean
  readonly isManaged: boolean
  /** Absent: no ping is possible. */
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number } | undefined
  readonly limits: SessionLimits
}

export const INITIAL_STATE: SessionState = {
  status: 'idle',
  reason: undefined,
  timerAt: undefined,
  attempt: 0,
  step: 0,
  isOnline: true,
  notBefore: 0,
  retryAfterMs: undefined,
  dialedAt: 0,
  liveAt: 0,
  probes: 0,
  isDoubted: false,
  refresh: 'none',
  slowness: 0,
  hasOpened: false,
}
