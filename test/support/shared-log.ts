/** The log that the nodes of a test share. */
import type { EventLog } from '../../src/server/event-log.ts'

export interface SharedLogAddress {
  readonly kind: 'redis' | 'postgres'
  readonly port: number
  /** How long a call waits for it, in ms. */
  readonly timeoutMs?: number | undefined
  readonly maxEventsPerTopic?: number | undefined
}

/** Loads only what is needed: one kind of log runs without the other's packages. */
export async function openSharedLog({ kind, port, ...options }: SharedLogAddress): Promise<EventLog> {
  return kind === 'redis' ? openRedis(port, options) : openPostgres(port, options)
}

type Options = Omit<SharedLogAddress, 'kind' | 'port'>

async function openRedis(port: number, options: Options): Promise<EventLog> {
  const { Redis } = await import('ioredis')
  const { redisEventLog } = await import('../../src/server/logs/redis.ts')
  const client = new Redis({ port, host: '127.0.0.1', lazyConnect: true })
  return redisEventLog({ client, ...options, onError: () => {} })
}

/** The schema must be there. */
async function openPostgres(port: number, options: Options): Promise<EventLog> {
  const { openPool } = await import('./postgres-pool.ts')
  const { postgresEventLog } = await import('../../src/server/logs/postgres.ts')
  const { timeoutMs = 5_000 } = options
  const db = openPool({
    ...{ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' },
    ...{ connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs },
  })
  return postgresEventLog({ db, pollMs: 200, ...options, onError: () => {} })
}
