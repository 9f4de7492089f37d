import { createHash } from 'node:crypto'
import { systemClock } from '../../core/clock.ts'
import { RealtimeError } from '../../core/errors.ts'
import { claimingStore } from './claiming-store.ts'
import type { IdempotencyStore } from './idempotency.ts'
import { RedisLink, type RedisClient } from '../logs/redis/link.ts'
import type { Script } from '../logs/redis/scripts.ts'
import { reporter } from '../reporter.ts'

export interface RedisIdempotencyStoreOptions {
  /**
   * A `Redis` or `Cluster` of ioredis 5 or 6. The store opens a connection of its own with the same options, and leaves
   * this one alone.
   */
  readonly client: RedisClient
  /** Every key begins with it. @default 'rqb' */
  readonly prefix?: string | undefined
  /** How long an answer is kept, in ms: longer than clients repeat requests. @default 86_400_000 // a day */
  readonly maxAgeMs?: number | undefined
  /**
   * How long the claim of a node that has died holds, in ms. While its node lives, a claim is renewed.
   * @default 30_000
   */
  readonly claimMs?: number | undefined
  /** How long a call waits for Redis before it rejects, in ms. @default 5_000 */
  readonly timeoutMs?: number | undefined
  /** Hears of outages, once each. @default console.error */
  readonly onError?: ((error: RealtimeError) => void) | undefined
}

export interface RedisIdempotencyStore extends IdempotencyStore {
  /** Ends its connection. Claims that are held lapse. */
  close(): void
}

const script = (source: string): Script => ({
  source,
  sha: createHash('sha1').update(source).digest('hex'),
})

/** Each key is a hash: the fingerprint, and the name of the claim or the answer. */
const CLAIM = script(`
local known = redis.call('HMGET', KEYS[1], 'fingerprint', 'answer')
if known[1] then return known end
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'claim', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {}`)

const RENEW = script(`
if redis.call('HGET', KEYS[1], 'claim') == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end`)

/** A claim that has lapsed and that nobody has taken since is still good. */
const COMPLETE = script(`
local known = redis.call('HMGET', KEYS[1], 'fingerprint', 'claim')
if known[1] and known[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'answer', ARGV[3])
redis.call('HDEL', KEYS[1], 'claim')
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1`)

const RELEASE = script(`
if redis.call('HGET', KEYS[1], 'claim') == ARGV[1] then redis.call('DEL', KEYS[1]) end`)

/**
 * Keeps answers in Redis, for all nodes that use the same Redis and `prefix`. Two requests with one key run once,
 * whichever nodes they reach. Redis and the app's database do not commit together: when a node dies after its write was
 * committed and before the answer was kept, the write runs again after `claimMs`. Make it repeatable (let the row have
 * the key for its id), or keep answers in the transaction of the write: `postgresIdempotencyStore`.
 *
 * @example
 * const answers = redisIdempotencyStore({ client: redis })
 */
export function redisIdempotencyStore(options: RedisIdempotencyStoreOptions): RedisIdempotencyStore {
  const { client, prefix = 'rqb', maxAgeMs = 86_400_000, claimMs = 30_000, timeoutMs = 5_000 } = options
  for (const [name, value] of Object.entries({ maxAgeMs, claimMs, timeoutMs })) {
    if (Number.isSafeInteger(value) && value > 0) continue
    const message = `${name} of redisIdempotencyStore must be a whole number above 0. Got ${value}.`
    throw new RealtimeError('usage', message)
  }
  const report = reporter(options.onError)
  const link = new RedisLink({ client, clock: systemClock, random: Math.random, report })
  const run = (one: Script, id: string, args: readonly (string | number)[]) =>
    link.run(one, { keys: [`${prefix}:answer:${id}`], args }, timeoutMs)
  const store = claimingStore(
    {
      async claim(id, { fingerprint, name }) {
        const [known, answer] = (await run(CLAIM, id, [fingerprint, name, claimMs])) as [string?, string?]
        return known === undefined ? 'claimed' : { fingerprint: known, answer: answer ?? undefined }
      },
      renew: (id, name) => run(RENEW, id, [name, claimMs]),
      complete: async (id, { fingerprint, name }, answer) =>
        (await run(COMPLETE, id, [fingerprint, name, answer, maxAgeMs])) === 1,
      release: (id, name) => run(RELEASE, id, [name]),
    },
    { clock: systemClock, claimMs, newId: () => crypto.randomUUID() },
  )
  return {
    ...store,
    close() {
      store.close()
      link.close()
    },
  }
}
