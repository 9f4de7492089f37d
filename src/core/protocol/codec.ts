import { needsDecode } from '../errors.ts'
import type { Position } from '../event.ts'
import type {
  ClientMessage,
  PresenceMember,
  RefusalCode,
  ResyncOutcome,
  ServerMessage,
  TopicAction,
  WireEvent,
  WireSignal,
} from './messages.ts'
import { isEpoch, isPosition } from './position.ts'
import {
  decodeWith,
  isArrayOf,
  isCount,
  isName,
  isAnything,
  isString,
  isNames,
  optionalAnything,
  optionalCount,
  optionalName,
  undecodable,
  type Decoded,
  type Fields,
  type Shapes,
} from './shape.ts'

export type { Decoded } from './shape.ts'

/** Offsets count from 1. */
export const isOffset = (value: unknown): value is number => isCount(value) && value > 0

export const WIRE_EVENT: Fields<WireEvent> = {
  type: isName,
  data: isAnything,
  offset: isOffset,
  prev: optionalCount,
  mutationId: optionalName,
}

export const PRESENCE_MEMBER: Fields<PresenceMember> = { id: isName, user: optionalName, state: isAnything }

export const WIRE_SIGNAL: Fields<WireSignal> = {
  type: isName,
  data: optionalAnything,
  from: isName,
  user: optionalName,
}

export const isOutcome = (value: unknown): value is ResyncOutcome =>
  value === 'fresh' || value === 'replayed' || value === 'reset'

export const isRefusal = (value: unknown): value is RefusalCode =>
  value === 'forbidden' || value === 'limit' || value === 'unavailable'

export const optionalAction = (value: unknown): value is TopicAction | undefined =>
  value === undefined || value === 'subscribe' || value === 'presence'

export const isMembers = (value: unknown): value is readonly PresenceMember[] =>
  isArrayOf(PRESENCE_MEMBER, value)

export const isSignals = (value: unknown): value is readonly WireSignal[] => isArrayOf(WIRE_SIGNAL, value)

export const isEvents = (value: unknown): value is readonly WireEvent[] => isArrayOf(WIRE_EVENT, value)

export const optionalEvents = (value: unknown): value is readonly WireEvent[] | undefined =>
  value === undefined || isEvents(value)

export const optionalHeads = (value: unknown): value is Readonly<Record<string, Position>> | undefined =>
  value === undefined ||
  (typeof value === 'object' && value !== null && Object.values(value).every(isPosition))

export const SERVER_MESSAGES: Shapes<ServerMessage> = {
  welcome: { connectionId: isName },
  authed: {},
  'token-expires': { inMs: isCount },
  subscribed: {
    topic: isName,
    outcome: isOutcome,
    position: isPosition,
    events: optionalEvents,
    quietMs: optionalCount,
  },
  refused: { topic: isName, code: isRefusal, message: isString, action: optionalAction },
  revoked: { topic: isName, message: isString, action: optionalAction },
  events: { topic: isName, epoch: isEpoch, events: isEvents },
  pong: { heads: optionalHeads },
  'going-away': { retryAfterMs: isCount },
  'presence-state': { topic: isName, members: isMembers, self: optionalName },
  'presence-diff': { topic: isName, set: isMembers, left: isNames },
  signals: { topic: isName, signals: isSignals },
  ack: { id: isName, data: optionalAnything },
  error: {
    code: isName,
    message: isString,
    topic: optionalName,
    id: optionalName,
    retryAfterMs: optionalCount,
  },
}

/** Gives the frame of a message. Throws what `JSON.stringify` throws when `data` is not JSON. */
export function encodeMessage(message: ClientMessage | ServerMessage): string {
  return JSON.stringify(message)
}

/** Reads a frame that a server sent. Never throws. `heads` of a `pong` has no prototype: any topic is safe to look up. */
export function decodeServerMessage(raw: unknown): Decoded<ServerMessage> {
  const decoded = decodeWith(SERVER_MESSAGES, raw, needsDecode())
  if (!decoded.ok) return decoded
  const { message } = decoded
  if (message.t === 'subscribed' && message.outcome === 'replayed' && !message.events) {
    return undecodable('replayed without "events"')
  }
  if (message.t !== 'pong' || !message.heads) return decoded
  const heads = Object.assign(Object.create(null), message.heads) as Record<string, Position>
  return { ok: true, message: { t: 'pong', heads } }
}
