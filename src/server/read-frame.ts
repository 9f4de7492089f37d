import type { Decoded } from '../core/protocol/codec.ts'
import { decodeClientMessage } from '../core/protocol/decode-client-message.ts'
import type { ClientMessage } from '../core/protocol/messages.ts'
import { undecodable } from '../core/protocol/shape.ts'
import { hostilityOf } from './hostile-data.ts'

/** Reads a client's frame, and looks at the data that is handed on. Never throws. */
export function readFrame(raw: unknown, maxNesting: number): Decoded<ClientMessage> {
  const decoded = decodeClientMessage(raw)
  if (!decoded.ok) return decoded
  const { message } = decoded
  const data = 'data' in message ? message.data : 'state' in message ? message.state : undefined
  const problem = hostilityOf(data, maxNesting)
  return problem === undefined ? decoded : undecodable(problem)
}

/** Topics cost too: each of them asks the app and the log, or stands in the answer. So does a credential. */
export function costOf(decoded: Decoded<ClientMessage>, subscriptions: number): number {
  if (!decoded.ok) return 10
  const { message } = decoded
  if (message.t === 'ping') return 1 + subscriptions / 10
  if (message.t === 'auth') return 10
  return 'topics' in message ? 1 + message.topics.length / 10 : 1
}
