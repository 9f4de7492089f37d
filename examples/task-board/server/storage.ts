/**
 * Where the rows and the events are kept, by one variable:
 *
 *   REALTIME_LOG=memory        rows in PGlite, events in this process: gone when it ends (the default)
 *   REALTIME_LOG=pglite        both in PGlite: a row and its event commit together
 *   REALTIME_LOG=postgres://…  both in PostgreSQL, for any number of servers
 *   REALTIME_LOG=redis://…     rows in PGlite, events in Redis
 */
import { join } from 'node:path'
import { memoryEventLog, type EventLog, type ServerBus } from 'realtime-query-bridge/server'
import {
  postgresBus,
  postgresEventLog,
  postgresIdempotencyStore,
  type PostgresIdempotencyStore,
} from 'realtime-query-bridge/server/postgres'
import { lockDataFolder } from './data-lock.ts'
import { openEmbedded, openPostgres, type Database } from './database.ts'

export interface Storage {
  readonly db: Database
  readonly log: EventLog
  /** Between servers, where there can be several. */
  readonly bus?: ServerBus | undefined
  /** Answers of writes, kept in the database of the rows: they commit together. */
  readonly answers: PostgresIdempotencyStore
  close(): Promise<void>
}

type LogAndRows = Omit<Storage, 'answers'>

export async function openStorage(kind: string, dataFolder: string): Promise<Storage> {
  const storage = await openLogAndRows(kind, dataFolder)
  const answers = postgresIdempotencyStore({ db: storage.db.driver })
  await answers.migrate()
  return { ...storage, answers }
}

async function openLogAndRows(kind: string, dataFolder: string): Promise<LogAndRows> {
  if (/^postgres(ql)?:\/\//.test(kind)) return withBus(await withLogInside(await openPostgres(kind)))
  if (!/^(memory|pglite|rediss?:\/\/.+)$/.test(kind)) {
    throw new Error('REALTIME_LOG is memory, pglite, postgres://… or redis://….')
  }
  const unlock = await lockDataFolder(dataFolder, 5_000)
  const db = await openEmbedded(join(dataFolder, 'postgres'))
  const storage = kind === 'pglite' ? await withLogInside(db) : await withLog(db, kind)
  return {
    ...storage,
    async close() {
      await storage.close()
      unlock()
    },
  }
}

async function withLogInside(db: Database): Promise<LogAndRows> {
  const log = postgresEventLog({ db: db.driver })
  await log.migrate()
  return {
    db,
    log,
    async close() {
      await log.close()
      await db.close()
    },
  }
}

function withBus(storage: LogAndRows): LogAndRows {
  const bus = postgresBus({ db: storage.db.driver })
  return {
    ...storage,
    bus,
    async close() {
      await bus.close()
      await storage.close()
    },
  }
}

async function withLog(db: Database, kind: string): Promise<LogAndRows> {
  const { log, bus, disconnect } = kind === 'memory' ? inMemory() : await inRedis(kind)
  return {
    db,
    log,
    bus,
    async close() {
      await log.close()
      disconnect()
      await db.close()
    },
  }
}

const inMemory = () => ({ log: memoryEventLog(), bus: undefined, disconnect: () => undefined })

async function inRedis(url: string) {
  const { Redis } = await import('ioredis')
  const { redisBus, redisEventLog } = await import('realtime-query-bridge/server/redis')
  const client = new Redis(url)
  client.on('error', (error: Error) => console.error('Redis:', error.message))
  const bus = redisBus({ client, prefix: 'task-board' })
  return {
    log: redisEventLog({ client, prefix: 'task-board' }),
    bus,
    disconnect: () => {
      bus.close()
      client.disconnect()
    },
  }
}
