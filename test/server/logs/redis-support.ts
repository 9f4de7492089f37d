/** What the tests of `redisEventLog` share. Everything that is opened here is gone when the test is. */
import { Redis } from 'ioredis'
import { onTestFinished, vi } from 'vitest'
import type { RealtimeError } from '../../../src/core/errors.ts'
import type { EventLog, LogEntry, LogRead } from '../../../src/server/event-log.ts'
import { redisEventLog, type RedisEventLogOptions } from '../../../src/server/logs/redis.ts'
import { RedisServer, type RedisServerOptions } from '../../support/redis-server.ts'

export interface OpenedLog extends EventLog {
  readonly errors: RealtimeError[]
}

let prefixes = 0

/** A prefix that no other test has. */
export const newPrefix = () => `test-${++prefixes}`

export async function startRedis(options?: RedisServerOptions): Promise<RedisServer> {
  const redis = await RedisServer.start(options)
  onTestFinished(() => redis.remove())
  return redis
}

/** A client of the app, as `redisEventLog` takes it. */
export function openClient(port: number): Redis {
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 20, maxRetriesPerRequest: null })
  // The log has connections of its own, and tells of their outages.
  client.on('error', () => {})
  onTestFinished(() => {
    client.disconnect()
  })
  return client
}

export function openLog(port: number, options: Partial<RedisEventLogOptions> = {}): OpenedLog {
  const errors: RealtimeError[] = []
  const log = redisEventLog({ client: openClient(port), onError: (error) => errors.push(error), ...options })
  onTestFinished(() => log.close())
  return { ...log, errors }
}

/** Hears everything of a log, from when it resolves. */
export async function listen(log: EventLog) {
  const heard = { entries: [] as LogEntry[], missed: 0 }
  log.subscribe(
    (entry) => heard.entries.push(entry),
    () => heard.missed++,
  )
  await log.head('anything')
  return heard
}

export const numbered = (n: number) => ({ type: 'n', json: String(n) })

export async function appendNumbers(log: EventLog, topic: string, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) await log.append(topic, numbered(n))
}

/** The numbers that a read has given, or 'reset'. */
export const numbersOf = (read: LogRead) =>
  read.outcome === 'reset' ? 'reset' : read.events.map(({ json }) => Number(json))

/** Waits for what must become true. */
export const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: 20_000, interval: 5 })

export const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index)
