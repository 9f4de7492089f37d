import type { Clock } from '../../core/clock.ts'
import { RealtimeError } from '../../core/errors.ts'
import { elapsedClock } from '../elapsed-clock.ts'
import type { EventLog, LogEntry, LogListener } from '../event-log.ts'
import { reporter } from '../reporter.ts'
import { FeedReader } from './redis/feed-reader.ts'
import { RedisLink, type RedisClient } from './redis/link.ts'
import { RedisShard, type Appended } from './redis/shard.ts'

export type { RedisClient } from './redis/link.ts'
export { redisBus } from '../cluster/redis-bus.ts'
export type { RedisBus, RedisBusOptions } from '../cluster/redis-bus.ts'
export { redisIdempotencyStore } from '../sends/redis-idempotency-store.ts'
export type { RedisIdempotencyStore, RedisIdempotencyStoreOptions } from '../sends/redis-idempotency-store.ts'

export interface RedisEventLogOptions {
  /**
   * A `Redis` or `Cluster` of ioredis 5 or 6. The log opens connections of its own with the same options (one to write
   * and read, one to listen) and leaves this one alone: it is yours to use and to close.
   */
  readonly client: RedisClient
  /** Every key begins with it: another app, or another environment, on one Redis needs another one. @default 'rqb' */
  readonly prefix?: string | undefined
  /** How many events of one topic are kept. @default 1_000 */
  readonly maxEventsPerTopic?: number | undefined
  /**
   * How long an event is kept, in ms.
   * @default 300_000 // 5 minutes: longer than a tunnel, a deploy or a short sleep
   */
  readonly maxAgeMs?: number | undefined
  /** Of each shard. The topic that was appended to least recently goes. @default 100_000 */
  readonly maxTopics?: number | undefined
  /**
   * A topic that nothing is appended to for so long is forgotten, in ms, and comes back under a new epoch. At least
   * `maxAgeMs`.
   * @default 86_400_000 // a day
   */
  readonly topicTtlMs?: number | undefined
  /**
   * How many events of all topics are kept for nodes that are slow or cut off: 10,000 are ten seconds at 1,000 events
   * a second. None is kept for longer than a minute. A node that misses more looks each of its topics up.
   * @default 10_000
   */
  readonly feedMaxEvents?: number | undefined
  /**
   * Over how many hash slots of a Redis Cluster the topics are spread. Each costs every node a connection; one is
   * enough for a Redis that is not a cluster. The same on all nodes: to change it, change `prefix` with it.
   * @default 1
   */
  readonly shards?: number | undefined
  /**
   * How long a call waits for Redis before it rejects, in ms: reconnects and repeated tries included. A read right after
   * the first `subscribe` waits for that as long, too.
   * @default 5_000
   */
  readonly timeoutMs?: number | undefined
  /** Hears of outages (once each) and of what else goes wrong in the background. @default console.error */
  readonly onError?: ((error: RealtimeError) => void) | undefined
  /** What the log reads from the platform; tests pass their own. */
  readonly platform?: Partial<RedisLogPlatform> | undefined
}

export interface RedisLogPlatform {
  readonly clock: Clock
  /** From 0 up to 1. */
  readonly random: () => number
  /** Up to 16 letters and digits, never the same twice. */
  readonly newId: () => string
}

/** Calls that wait for Redis at one time. More are rejected, so that an outage does not fill the memory. */
const MAX_PENDING = 10_000

/**
 * An event log in Redis Streams, shared by all nodes that use the same Redis and `prefix`. Needs Redis 6.2 or later.
 *
 * - An append is one step in Redis. One that breaks off is tried again and never appended twice; it rejects when it is
 *   not known whether it was.
 * - History survives a restart of Redis when it keeps an append-only file: `appendfsync always` against a loss of
 *   power, too. A restart without one, FLUSHALL, a failover to a replica and a Redis that has lost events which a node
 *   has seen begin a new epoch: clients reset and fetch again. After loading a backup of the append-only file by hand,
 *   delete the keys `<prefix>:*`.
 * - Use `maxmemory-policy noeviction`. Evicted keys are noticed and cost resets.
 *
 * @example
 * const log = redisEventLog({ client: new Redis(process.env.REDIS_URL) })
 * const realtime = createRealtimeServer({ log, authenticate, authorize })
 */
export function redisEventLog(options: RedisEventLogOptions): EventLog {
  const { client, prefix = 'rqb', shards: shardCount = 1, timeoutMs = 5_000, platform = {} } = options
  const { random = Math.random, newId = randomId } = platform
  const clock = elapsedClock(platform.clock)
  if (typeof (client as Partial<RedisClient> | undefined)?.duplicate !== 'function') {
    throw usage("client must be an ioredis client: redisEventLog({ client: new Redis('redis://…') }).")
  }
  if (prefix === '' || /[{}]/.test(prefix)) {
    throw usage(`prefix must be text without braces, which Redis Cluster reads. Got '${prefix}'.`)
  }
  const maxAgeMs = bound('maxAgeMs', options.maxAgeMs ?? 300_000)
  const bounds = {
    maxAgeMs,
    maxEventsPerTopic: bound('maxEventsPerTopic', options.maxEventsPerTopic ?? 1_000),
    maxTopics: bound('maxTopics', options.maxTopics ?? 100_000),
    feedMaxEvents: bound('feedMaxEvents', options.feedMaxEvents ?? 10_000),
    topicTtlMs: Math.max(maxAgeMs, bound('topicTtlMs', options.topicTtlMs ?? 86_400_000)),
  }
  bound('timeoutMs', timeoutMs)
  bound('shards', shardCount)

  const report = reporter(options.onError)
  const wait = (delayMs: number) => new Promise<void>((resolve) => clock.after(delayMs, resolve))
  const openLink = () => new RedisLink({ client, clock, random, report })
  const link = openLink()
  const nodeId = newId()
  const shards = Array.from(
    { length: shardCount },
    (_, index) =>
      new RedisShard({ prefix, index, link, bounds, timeoutMs, nodeId, newId, now: () => clock.now(), wait }),
  )
  const listeners = new Set<{ listener: LogListener; onMissed: () => void }>()
  /** While there are listeners. */
  let readers: FeedReader[] = []
  let pending = 0
  let isClosed = false

  const shardOf = (topic: string) => shards[hash(topic) % shards.length]!

  function listen(): void {
    readers = shards.map(
      (shard) =>
        new FeedReader({
          ...{ link: openLink(), shard, timeoutMs, wait, report },
          onEntry(entry: LogEntry) {
            for (const { listener } of [...listeners]) listener(entry)
          },
          onMissed() {
            for (const { onMissed } of [...listeners]) onMissed()
          },
        }),
    )
  }

  function stopListening(): void {
    for (const reader of readers) reader.stop()
    readers = []
  }

  /** What is appended after a read must be heard, so a read waits until it would be. */
  async function listening(): Promise<void> {
    if (readers.length === 0) return
    const started = Promise.all(readers.map((reader) => reader.started)).then(() => true)
    let cancel = () => {}
    const late = new Promise<false>((resolve) => {
      cancel = clock.after(timeoutMs, () => {
        resolve(false)
      })
    })
    const isStarted = await Promise.race([started, late])
    cancel()
    if (!isStarted) throw new Error(`Redis has not been reached within ${timeoutMs} ms.`)
  }

  async function ask<T>(what: string, run: () => Promise<T>): Promise<T> {
    if (isClosed) throw usage('The event log is closed. Create a new one.')
    if (pending >= MAX_PENDING) {
      throw new RealtimeError(
        'log-failed',
        `More than ${MAX_PENDING} calls wait for Redis: this one is refused.`,
      )
    }
    pending++
    try {
      return await run()
    } catch (cause) {
      throw new RealtimeError('log-failed', `Redis failed to ${what}.`, { cause })
    } finally {
      pending--
    }
  }

  function evictLater(shard: RedisShard, { excess }: Appended): void {
    if (excess <= 0) return
    shard.evict(excess).catch((cause: unknown) => {
      if (!isClosed)
        report(new RealtimeError('log-failed', 'Topics could not be evicted from Redis.', { cause }))
    })
  }

  return {
    append: (topic, event) =>
      ask('append an event', async () => {
        const shard = shardOf(topic)
        const appended = await shard.append(topic, event)
        evictLater(shard, appended)
        return appended.position
      }),
    read: (topic, after, limit) =>
      ask('read events', async () => {
        await listening()
        return shardOf(topic).read(topic, after, limit)
      }),
    head: (topic) =>
      ask('tell where a topic stands', async () => {
        await listening()
        return (await shardOf(topic).head(topic)).head
      }),
    quietMs: (topic) =>
      ask('tell how quiet a topic is', async () => (await shardOf(topic).head(topic)).quietMs),
    subscribe(listener, onMissed = () => {}) {
      const own = { listener, onMissed }
      listeners.add(own)
      if (readers.length === 0 && !isClosed) listen()
      return () => {
        listeners.delete(own)
        if (listeners.size === 0) stopListening()
      }
    },
    close() {
      isClosed = true
      listeners.clear()
      stopListening()
      link.close()
      return Promise.resolve()
    },
  }
}

const usage = (message: string) => new RealtimeError('usage', message)

function bound(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw usage(`${name} of redisEventLog must be a whole number above 0. Got ${value}.`)
}

/** Names a node, or a history: 48 bits, in 12 characters that a key and an epoch may have. */
function randomId(): string {
  return crypto.randomUUID().replaceAll('-', '').slice(0, 12)
}

/** FNV-1a: the same on every node, and even enough. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  return value >>> 0
}
