import type { Position } from '../event.ts'
import type { ClientMessage, RefusalCode, ResyncOutcome, ServerMessage, WireEvent } from './messages.ts'
import { isEpoch, isPosition } from './position.ts'
import {
  decodeWith,
  isArrayOf,
  isCount,
  isName,
  isString,
  optionalCount,
  optionalName,
  undecodable,
  type Decoded,
  type Fields,
  type Shapes,
} from './shape.ts'

export type { Decoded } from './shape.ts'

export const isAnything = (_value: unknown): _value is unknown => true

/** Offsets count from 1. */
export const isOffset = (value: unknown): value is number => isCount(value) && value > 0

export const WIRE_EVENT: Fields<WireEvent> = {
  type: isName,
  data: isAnything,
  offset: isOffset,
  prev: optionalCount,
  mutationId: optionalName,
}

export const isOutcome = (value: unknown): value is ResyncOutcome =>
  value === 'fresh' || value === 'replayed' || value === 'reset'

export const isRefusal = (value: unknown): value is RefusalCode =>
  value === 'forbidden' || value === 'limit' || value === 'unavailable'

export const isEvents = (value: unknown): value is readonly WireEvent[] => isArrayOf(WIRE_EVENT, value)

export const optionalEvents = (value: unknown): value is readonly WireEvent[] | undefined =>
  value === undefined || isEvents(value)

export const optionalHeads = (value: unknown): value is Readonly<Record<string, Position>> | undefined =>
  value === undefined ||
  (typeof value === 'object' && value !== null && Object.values(value).every(isPosition))

export const SERVER_MESSAGES: Shapes<ServerMessage> = {
  welcome: { connectionId: isName },
  subscribed: {
    topic: isName,
    outcome: isOutcome,
    position: isPosition,
    events: optionalEvents,
    quietMs: optionalCount,
  },
  refused: { topic: isName, code: isRefusal, message: isString },
  events: { topic: isName, epoch: isEpoch, events: isEvents },
  pong: { heads: optionalHeads },
  'going-away': { retryAfterMs: isCount },
  error: { code: isName, message: isString, topic: optionalName },
}

/** Gives the frame of a message. Throws what `JSON.stringify` throws when `data` is not JSON. */
export function encodeMessage(message: ClientMessage | ServerMessage): string {
  return JSON.stringify(message)
}

/** Reads a frame that a server sent. Never throws. `heads` of a `pong` has no prototype: any topic is safe to look up. */
export function decodeServerMessage(raw: unknown): Decoded<ServerMessage> {
  const decoded = decodeWith(SERVER_MESSAGES, raw)
  if (!decoded.ok) return decoded
  const { message } = decoded
  if (message.t === 'subscribed' && message.outcome === 'replayed' && !message.events) {
    return undecodable('replayed without "events"')
  }
  if (message.t !== 'pong' || !message.heads) return decoded
  const heads = Object.assign(Object.create(null), message.heads) as Record<string, Position>
  return { ok: true, message: { t: 'pong', heads } }
}
