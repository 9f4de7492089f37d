import type { Decoded } from '../../core/protocol/codec.ts'
import { decodeClientMessage } from '../../core/protocol/decode-client-message.ts'
import type { ClientMessage } from '../../core/protocol/messages.ts'
import { undecodable } from '../../core/protocol/shape.ts'
import { hostilityOf } from '../access/hostile-data.ts'
import { COST_OF_TOPIC, LENGTH_OF_ONE } from '../limits.ts'

/** Reads a client's frame, and looks at the data that is handed on. Never throws. */
export function readFrame(raw: unknown, maxNesting: number): Decoded<ClientMessage> {
  const decoded = decodeClientMessage(raw)
  if (!decoded.ok) return decoded
  const { message } = decoded
  const data = 'data' in message ? message.data : 'state' in message ? message.state : undefined
  const problem = hostilityOf(data, maxNesting)
  return problem === undefined ? decoded : undecodable(problem)
}

/** Topics cost too: each of them asks the app and the log, or stands in the answer. So do a credential, and size. */
export function costOf(
  decoded: Decoded<ClientMessage>,
  { length, subscriptions }: { length: number; subscriptions: number },
): number {
  const cost = 1 + Math.floor(length / LENGTH_OF_ONE)
  if (!decoded.ok) return cost + 9
  const { message } = decoded
  if (message.t === 'ping') return cost + subscriptions * COST_OF_TOPIC
  if (message.t === 'auth') return cost + 9
  return 'topics' in message ? cost + message.topics.length * COST_OF_TOPIC : cost
}
