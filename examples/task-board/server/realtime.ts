import { createRealtimeServer } from 'realtime-query-bridge/server'
import { isMember } from './boards.ts'
import { readDemoToken } from './demo-session.ts'
import type { Storage } from './storage.ts'

/** Topics: `board:<id>` for what happens on a board, and `boards` for the boards and their counts. */
export function createRealtime({ db, log, bus }: Storage, sessionSecret: string) {
  return createRealtimeServer<{ userId: string }>({
    log,
    bus,
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
