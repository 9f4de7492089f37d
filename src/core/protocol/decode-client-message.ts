import type { ClientMessage } from './messages.ts'
import {
  decodeWith,
  isArrayOf,
  isName,
  isNames,
  isString,
  optionalAnything,
  optionalName,
  optionalPosition,
  optionalString,
  type Decoded,
  type Fields,
  type Shapes,
} from './shape.ts'

type TopicRequest = Extract<ClientMessage, { t: 'subscribe' }>['topics'][number]

export const TOPIC_REQUEST: Fields<TopicRequest> = { topic: isName, position: optionalPosition }

export const isTopicRequests = (value: unknown): value is readonly TopicRequest[] =>
  isArrayOf(TOPIC_REQUEST, value)

export const CLIENT_MESSAGES: Shapes<ClientMessage> = {
  hello: { token: optionalString, clientId: optionalName },
  auth: { token: isString },
  subscribe: { topics: isTopicRequests },
  unsubscribe: { topics: isNames },
  ping: {},
  send: { id: isName, type: isName, data: optionalAnything, topic: optionalName, after: optionalName },
  'presence-join': { topic: isName, state: optionalAnything },
  'presence-update': { topic: isName, state: optionalAnything },
  'presence-leave': { topic: isName },
  signal: { topic: isName, type: isName, data: optionalAnything },
}

/** Reads a frame that a client sent. Never throws. Only servers need it, so it stands apart from the client's codec. */
export function decodeClientMessage(raw: unknown): Decoded<ClientMessage> {
  return decodeWith(CLIENT_MESSAGES, raw)
}
