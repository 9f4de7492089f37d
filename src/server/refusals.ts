import type { RefusalCode } from '../core/protocol/messages.ts'

/** What a client is told, for people. It says nothing of why. */
export const REFUSED: Record<RefusalCode, string> = {
  forbidden: 'This topic is not allowed for you.',
  limit:
    'A limit of the server is reached: too many topics or members, too long a name, or too large a state.',
  unavailable: 'The server could not open this topic now.',
}

export const REVOKED = 'This topic is not allowed for you any more.'
