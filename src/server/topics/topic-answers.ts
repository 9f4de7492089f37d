import { RealtimeError } from '../../core/errors.ts'
import type { RefusalCode, ServerMessage, TopicAction } from '../../core/protocol/messages.ts'
import type { ServerContext } from '../server-context.ts'

/** The connection whose client is told. */
interface ToldConnection {
  readonly id: string
  readonly context: ServerContext
  sendMessage(message: ServerMessage): void
}

/** What a client is told, for people. It says nothing of why. */
const REFUSED: Record<RefusalCode, string> = {
  forbidden: 'This topic is not allowed for you.',
  limit:
    'A limit of the server is reached: too many topics or members, too long a name, or too large a state.',
  unavailable: 'The server could not open this topic now.',
}

const REVOKED = 'This topic is not allowed for you any more.'

/** Tells a client that it does not get into a topic. `cause` is for the app only. */
export function tellRefused(
  connection: ToldConnection,
  { topic, code, action, cause }: { topic: string; code: RefusalCode; action: TopicAction; cause?: unknown },
): void {
  const { id: connectionId, context } = connection
  if (cause instanceof RealtimeError && cause.code === 'callback-failed') {
    context.report(cause)
  } else if (cause !== undefined) {
    const message = 'The event log failed; the topic is refused.'
    context.report(new RealtimeError('log-failed', message, { cause, details: { connectionId } }))
  }
  context.counters.refused++
  context.note('debug', 'topic refused', { connectionId, topic, code, action })
  connection.sendMessage({ t: 'refused', topic, code, message: REFUSED[code], ...actionField(action) })
}

/** Tells a client that it was in a topic and is not any more. */
export function tellRevoked(connection: ToldConnection, topic: string, action: TopicAction): void {
  const { id: connectionId, context } = connection
  context.counters.revoked++
  context.note('warn', 'topic revoked', { connectionId, topic, action })
  connection.sendMessage({ t: 'revoked', topic, message: REVOKED, ...actionField(action) })
}

/** Left out where it is `subscribe`. */
const actionField = (action: TopicAction) => (action === 'subscribe' ? undefined : { action })
