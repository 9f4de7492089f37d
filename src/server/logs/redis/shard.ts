import type { Position } from '../../../core/event.ts'
import type { LogEntry, LogEvent, LogRead, NewLogEvent } from '../../event-log.ts'
import { decodeEvent, decodeName, encodeEvent, encodeName } from './encoding.ts'
import { isPassing, isRefusal, LinkError, type RedisLink } from './link.ts'
import { APPEND, EVICT, HEAD, READ, SYNC, type Script } from './scripts.ts'

export interface ShardBounds {
  readonly maxEventsPerTopic: number
  readonly maxAgeMs: number
  readonly maxTopics: number
  readonly feedMaxEvents: number
  readonly topicTtlMs: number
}

export interface ShardOptions {
  readonly prefix: string
  readonly index: number
  readonly link: RedisLink
  readonly bounds: ShardBounds
  readonly timeoutMs: number
  /** Names this process among all that write to the log. */
  readonly nodeId: string
  readonly newId: () => string
  readonly now: () => number
  /** Resolves after so many milliseconds. */
  readonly wait: (delayMs: number) => Promise<void>
}

/** Where the feed of a shard stands: it counts from 1 in each generation. */
export interface FeedPosition {
  readonly generation: number
  readonly number: number
}

/** What an append has given, and by how many topics the shard is over its bound. */
export interface Appended {
  readonly position: Position
  readonly excess: number
}

type Argument = string | number

/** The head of every reply; what follows depends on the script. */
type Reply<TRest extends unknown[] = unknown[]> = readonly [
  outcome: 'ok' | 'reset' | 'stale' | 'uncertain',
  generation: number,
  number: number,
  ms: number,
  ...rest: TRest,
]

const FAILURES = {
  stale: 'Another try of this node came first.',
  uncertain: 'The connection broke, and what came after it leaves no trace of whether it was appended.',
}

/** How long an append waits before it is tried again on a connection that is there, in ms. */
const RETRY_MS = 50

/** Evicted at a time. */
const MAX_EVICTIONS = 100

/** An append that was tried again finds its first try among events up to this much older than it, by Redis' clock. */
const RETRY_SLACK_MS = 1_000

/** The topics whose keys carry one hash tag: a history of their own. */
export class RedisShard {
  readonly feedKey: string
  readonly #options: ShardOptions
  readonly #shared: readonly string[]
  /** The newest of the history that this node has seen. A Redis that knows less has lost something. */
  #known: FeedPosition = { generation: 0, number: 0 }
  /** What Redis' clock has shown last, in ms. 0 before the first answer. */
  #redisMs = 0
  /** Counts the appends of this node. */
  #appends = 0
  /** Grows when an append may have to be repeated. */
  #fence = 0
  #isEvicting = false

  constructor(options: ShardOptions) {
    this.#options = options
    // The tag is the only pair of braces: Redis Cluster looks for the first one.
    const key = (name: string) => `${options.prefix}:{${options.prefix}.${options.index}}:${name}`
    this.feedKey = key('feed')
    this.#shared = [key('meta'), key('topics'), this.feedKey, key('fences')]
  }

  /** Appends once, however often it must try. Rejects when nobody knows whether it did. */
  async append(topic: string, event: NewLogEvent): Promise<Appended> {
    const { bounds, nodeId } = this.#options
    const data = encodeEvent(event)
    const id = `${nodeId}.${(++this.#appends).toString(36)}`
    let startMs = 0
    let mayHaveRun = false
    const [, , , , epoch, offset, excess] = await this.#try<[string, number, number]>(async (withinMs) => {
      try {
        // The search for an earlier try needs to know when that was.
        if (this.#redisMs === 0) await this.sync(this.#options.link, withinMs)
        startMs ||= this.#redisMs - RETRY_SLACK_MS
        const since = mayHaveRun ? startMs : ''
        return await this.#run(APPEND, {
          name: encodeName(topic),
          args: [
            ...[data, nodeId, this.#fence, id, since, bounds.maxEventsPerTopic],
            ...[bounds.maxAgeMs, bounds.feedMaxEvents, bounds.maxTopics],
          ],
          withinMs,
        })
      } catch (error) {
        if (error instanceof LinkError && error.mayHaveRun) {
          mayHaveRun = true
          // Should it still be on its way, Redis refuses it when it comes after the next try.
          this.#fence++
        }
        throw error
      }
    })
    return { position: { epoch, offset }, excess }
  }

  async head(topic: string): Promise<{ head: Position; quietMs: number }> {
    const name = encodeName(topic)
    const [, , , , epoch, offset, quietMs] = await this.#try<[string, number, number]>((withinMs) =>
      this.#run(HEAD, { name, withinMs }),
    )
    return { head: { epoch, offset }, quietMs }
  }

  async read(topic: string, after: Position, limit: number): Promise<LogRead> {
    const name = encodeName(topic)
    const args = [after.epoch, after.offset, limit]
    const [outcome, , , , epoch, offset, entries] = await this.#try<[string, number, Entry[]]>((withinMs) =>
      this.#run(READ, { name, args, withinMs }),
    )
    const head = { epoch, offset }
    if (outcome === 'reset') return { outcome: 'reset', head }
    return { outcome: 'events', events: entries.map(logEvent), head }
  }

  /** Where the feed stands now, asked over any connection. */
  async sync(link: RedisLink, withinMs?: number): Promise<FeedPosition> {
    const [, generation, number] = await this.#run(SYNC, { link, withinMs })
    return { generation, number }
  }

  /** The feed has shown this much. */
  note(position: FeedPosition): void {
    const { generation, number } = this.#known
    if (
      position.generation > generation ||
      (position.generation === generation && position.number > number)
    ) {
      this.#known = position
    }
  }

  /** Lets those topics go that are longest without an event. One run at a time. */
  async evict(excess: number): Promise<void> {
    if (this.#isEvicting) return
    this.#isEvicting = true
    try {
      const { link, bounds, timeoutMs } = this.#options
      const last = Math.min(excess, MAX_EVICTIONS) - 1
      const topics = this.#shared[1] ?? ''
      const oldest = (await link.call('zrange', [topics, 0, last, 'WITHSCORES'], timeoutMs)) as string[]
      for (let index = 0; index + 1 < oldest.length; index += 2) {
        const [name = '', number = ''] = oldest.slice(index, index + 2)
        await this.#run(EVICT, { name, args: [number, bounds.maxTopics] })
      }
    } finally {
      this.#isEvicting = false
    }
  }

  /** Tries until there is an answer, Redis refuses for good, or it is too late. */
  async #try<TRest extends unknown[]>(run: (withinMs: number) => Promise<Reply>): Promise<Reply<TRest>> {
    const { timeoutMs, now, wait } = this.#options
    const deadline = now() + timeoutMs
    for (;;) {
      let reply: Reply | undefined
      let failure: unknown
      try {
        // A connection that hangs leaves time for another one.
        reply = await run(Math.max(1, Math.min(deadline - now(), timeoutMs / 2)))
      } catch (error) {
        if (!(error instanceof LinkError) && !(isRefusal(error) && isPassing(error))) throw error
        failure = error
      }
      if (reply?.[0] === 'ok' || reply?.[0] === 'reset') return reply as Reply<TRest>
      if (reply) failure = new Error(FAILURES[reply[0]])
      if (reply?.[0] === 'uncertain' || now() + RETRY_MS >= deadline) throw failure
      await wait(RETRY_MS)
    }
  }

  /** `name` as it is stored. */
  async #run(
    script: Script,
    input: { name?: string; args?: readonly Argument[]; withinMs?: number | undefined; link?: RedisLink },
  ): Promise<Reply> {
    const { bounds, link, timeoutMs, newId } = this.#options
    const { name = '', args = [], withinMs = timeoutMs } = input
    const { generation, number } = this.#known
    const keys = [...this.#shared, ...this.#keysOf(name)]
    const common = [generation, number, newId(), bounds.topicTtlMs, name]
    const reply = (await (input.link ?? link).run(
      script,
      { keys, args: [...common, ...args] },
      withinMs,
    )) as Reply
    this.note({ generation: reply[1], number: reply[2] })
    this.#redisMs = reply[3]
    return reply
  }

  #keysOf(name: string): [topic: string, stream: string] {
    const { prefix, index } = this.#options
    const tag = `${prefix}:{${prefix}.${index}}`
    return [`${tag}:t:${name}`, `${tag}:s:${name}`]
  }
}

/** As `XRANGE` and `XREAD` give it. */
type Entry = readonly [id: string, fields: readonly string[]]

function logEvent([id, fields]: Entry): LogEvent {
  return { ...decodeEvent(fields[3] ?? ''), offset: Number.parseInt(id, 10) }
}

export function feedPosition([id]: Entry): FeedPosition {
  const [generation, number] = id.split('-')
  return { generation: Number(generation), number: Number(number) }
}

/** Throws when the entry was not written by `append`. */
export function feedEntry([, fields]: Entry): LogEntry {
  const [, name = '', , epoch = '', , offset = '', , data = ''] = fields
  return { topic: decodeName(name), epoch, event: { ...decodeEvent(data), offset: Number(offset) } }
}
