import { createRealtimeServer, type EventLog } from 'realtime-query-bridge/server'
import { isMember } from './boards.ts'
import type { Sql } from './database.ts'
import { readDemoToken } from './demo-session.ts'

/** Topics: `board:<id>` for what happens on a board, and `boards` for the boards and their counts. */
export function createRealtime(db: Sql, log: EventLog, sessionSecret: string) {
  return createRealtimeServer<{ userId: string }>({
    log,
    authenticate({ token }) {
      const userId = token === undefined ? null : readDemoToken(token, sessionSecret)
      return userId === null ? null : { userId }
    },
    async authorize({ identity, topic }) {
      if (topic === 'boards') return true
      return topic.startsWith('board:') && isMember(db, topic.slice('board:'.length), identity.userId)
    },
  })
}
