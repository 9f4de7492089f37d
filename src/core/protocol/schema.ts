/**
 * The wire as data: every message, its direction and its fields, read off the tables that the decoders use. Tests
 * pin its hash and compare PROTOCOL.md with it. No client or server imports it.
 */
import {
  isEvents,
  isMembers,
  isOffset,
  isOutcome,
  isRefusal,
  isSignals,
  optionalAction,
  optionalEvents,
  optionalHeads,
  PRESENCE_MEMBER,
  SERVER_MESSAGES,
  WIRE_EVENT,
  WIRE_SIGNAL,
} from './codec.ts'
import { CLIENT_MESSAGES, isTopicRequests, TOPIC_REQUEST } from './decode-client-message.ts'
import { isEpoch, isPosition } from './position.ts'
import {
  isAnything,
  isCount,
  isName,
  isNames,
  isString,
  optionalAnything,
  optionalCount,
  optionalName,
  optionalPosition,
  optionalString,
} from './shape.ts'
import { PROTOCOL } from './version.ts'

/** What each check accepts, as PROTOCOL.md calls it. `?`: the field may be absent. */
const TYPE_NAMES = new Map<unknown, string>([
  [isString, 'string'],
  [optionalString, 'string?'],
  [isName, 'name'],
  [optionalName, 'name?'],
  [isCount, 'count'],
  [optionalCount, 'count?'],
  [isOffset, 'offset'],
  [isEpoch, 'epoch'],
  [isAnything, 'any JSON'],
  [optionalAnything, 'any JSON?'],
  [isPosition, 'Position'],
  [optionalPosition, 'Position?'],
  [isOutcome, '`fresh`, `replayed` or `reset`'],
  [isRefusal, '`forbidden`, `limit` or `unavailable`'],
  [isEvents, 'WireEvent[]'],
  [optionalEvents, 'WireEvent[]?'],
  [optionalHeads, '{ topic: Position }?'],
  [optionalAction, '(`subscribe` or `presence`)?'],
  [isMembers, 'PresenceMember[]'],
  [isSignals, 'WireSignal[]'],
  [isTopicRequests, 'TopicRequest[]'],
  [isNames, 'name[]'],
])

export interface MessageSchema {
  readonly type: string
  readonly direction: 'client → server' | 'server → client'
  /** Field to type, as named in PROTOCOL.md. `t` is not among them. */
  readonly fields: Readonly<Record<string, string>>
}

function fieldsOf(checks: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(checks).map(([field, check]) => {
      const name = TYPE_NAMES.get(check)
      if (name === undefined) throw new Error(`The check of "${field}" has no name in TYPE_NAMES.`)
      return [field, name]
    }),
  )
}

const messages = (table: object, direction: MessageSchema['direction']): MessageSchema[] =>
  Object.entries(table).map(([type, checks]) => ({ type, direction, fields: fieldsOf(checks as object) }))

export const WIRE_SCHEMA = Object.freeze({
  protocol: PROTOCOL,
  messages: [
    ...messages(CLIENT_MESSAGES, 'client → server'),
    ...messages(SERVER_MESSAGES, 'server → client'),
  ],
  structures: {
    Position: { epoch: 'epoch', offset: 'count' },
    TopicRequest: fieldsOf(TOPIC_REQUEST),
    WireEvent: fieldsOf(WIRE_EVENT),
    PresenceMember: fieldsOf(PRESENCE_MEMBER),
    WireSignal: fieldsOf(WIRE_SIGNAL),
  },
})
