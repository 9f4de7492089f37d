import { systemClock } from '../../core/clock.ts'
import { RealtimeError } from '../../core/errors.ts'
import { RedisLink, type RedisClient } from '../logs/redis/link.ts'
import { reporter } from '../reporter.ts'
import type { ServerBus } from './server-bus.ts'

export interface RedisBusOptions {
  /**
   * A `Redis` or `Cluster` of ioredis 5 or 6. The bus opens two connections of its own with the same options, and leaves
   * this one alone: it is yours to use and to close.
   */
  readonly client: RedisClient
  /** Nodes hear each other when they share a Redis and a prefix. @default 'rqb' */
  readonly prefix?: string | undefined
  /** How long a message waits for Redis before it is lost, in ms. @default 1_000 */
  readonly timeoutMs?: number | undefined
  /** Hears of outages, once each. @default console.error */
  readonly onError?: ((error: RealtimeError) => void) | undefined
}

export interface RedisBus extends ServerBus {
  /** Ends both connections. Nothing is said or heard afterwards. */
  close(): void
}

/** What is used of the connection that listens. */
interface Listening {
  on(event: 'message', listener: (channel: string, message: string) => void): unknown
  on(event: 'error' | 'close' | 'ready', listener: (error?: unknown) => void): unknown
  subscribe(channel: string): Promise<unknown>
  disconnect(): void
}

/** Messages that wait for Redis at one time. What comes during an outage is worth nothing after it. */
const MAX_PENDING = 1_000

const RETRY_MAX_MS = 2_000

/**
 * Brings presence, signals and revocations to the other nodes by Redis' PUBLISH. Nothing is stored; what is said during
 * an outage is lost, and presence heals by itself when Redis is back. A revocation that is lost is made up for by the
 * lease.
 *
 * @example
 * const redis = new Redis(process.env.REDIS_URL)
 * const realtime = createRealtimeServer({
 *   log: redisEventLog({ client: redis }),
 *   bus: redisBus({ client: redis }),
 *   authenticate,
 *   authorize,
 * })
 */
export function redisBus(options: RedisBusOptions): RedisBus {
  const { client, prefix = 'rqb', timeoutMs = 1_000 } = options
  const channel = `${prefix}:bus`
  const report = reporter(options.onError)
  const listeners = new Set<(message: string) => void>()
  const link = new RedisLink({
    client,
    clock: systemClock,
    random: Math.random,
    // The connection that listens goes down with it, and tells.
    report: () => {},
  })
  let pending = 0
  let isDown = false
  let isClosed = false

  const retryDelay = (attempt: number) => Math.min(RETRY_MAX_MS, 50 * 2 ** Math.min(attempt, 6))
  // It subscribes again by itself when it is back.
  const manners = {
    lazyConnect: false,
    enableOfflineQueue: true,
    autoResubscribe: true,
    maxRetriesPerRequest: null,
  }
  const make = client.duplicate as (...args: unknown[]) => unknown
  const listening = (
    client.isCluster
      ? make.call(client, [], { clusterRetryStrategy: retryDelay })
      : make.call(client, { ...manners, retryStrategy: retryDelay })
  ) as Listening
  listening.on('message', (_channel, message) => {
    for (const listener of [...listeners]) listener(message)
  })
  listening.on('ready', () => {
    isDown = false
  })
  const down = (cause?: unknown) => {
    if (isDown || isClosed) return
    isDown = true
    const message = 'The bus has lost Redis; it is tried again until it is back.'
    report(new RealtimeError('bus-failed', message, { cause }))
  }
  listening.on('error', down)
  listening.on('close', down)
  listening.subscribe(channel).catch(down)

  return {
    async publish(message) {
      if (pending >= MAX_PENDING) throw new Error('Too many messages wait for Redis.')
      pending++
      try {
        await link.call('publish', [channel, message], timeoutMs)
      } finally {
        pending--
      }
    },
    subscribe(listener) {
      // A function of its own, so that one listener can subscribe twice.
      const own = (message: string) => {
        listener(message)
      }
      listeners.add(own)
      return () => {
        listeners.delete(own)
      }
    },
    close() {
      isClosed = true
      listeners.clear()
      link.close()
      listening.disconnect()
    },
  }
}
