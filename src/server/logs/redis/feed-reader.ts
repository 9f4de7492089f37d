import { RealtimeError } from '../../../core/errors.ts'
import type { LogEntry } from '../../event-log.ts'
import { LinkError, type RedisLink } from './link.ts'
import { feedEntry, feedPosition, type FeedPosition, type RedisShard } from './shard.ts'

export interface FeedReaderOptions {
  /** A connection of its own: it is blocked most of the time. Closed with the reader. */
  readonly link: RedisLink
  readonly shard: RedisShard
  readonly timeoutMs: number
  readonly wait: (delayMs: number) => Promise<void>
  readonly onEntry: (entry: LogEntry) => void
  readonly onMissed: () => void
  readonly report: (error: RealtimeError) => void
}

type RawEntry = Parameters<typeof feedEntry>[0]

/** A read waits this long for events; then it is checked that none was missed. */
const BLOCK_MS = 2_000

/** Events are taken in portions of this size, so that a backlog does not fill the memory. */
const MAX_ENTRIES = 200

/** After an error that is not the connection's: that one waits by itself. */
const RETRY_MS = 250

/**
 * Reads the feed of a shard from a position that it carries itself, so that nothing falls between two reads. The
 * numbers of the feed have no hole: where one is seen, or the history is another one, the node has missed something.
 */
export class FeedReader {
  /** Settled once it is known from where on everything is heard. Never rejects. */
  readonly started: Promise<void>
  readonly #options: FeedReaderOptions
  #setStarted = () => {}
  /** The last entry that was told of. `undefined` before the start. */
  #at: FeedPosition | undefined
  #isStopped = false

  constructor(options: FeedReaderOptions) {
    this.#options = options
    this.started = new Promise((resolve) => {
      this.#setStarted = resolve
    })
    void this.#run()
  }

  stop(): void {
    this.#isStopped = true
    this.#options.link.close()
    this.#setStarted()
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { wait, report } = this.#options
    while (!this.#isStopped) {
      try {
        let at = await this.#align()
        while (!this.#isStopped) at = this.#take(await this.#next(at)) ?? (await this.#align())
      } catch (cause) {
        if (this.#hasStopped()) return
        // The link tells of its outages itself.
        if (!(cause instanceof LinkError)) {
          report(
            new RealtimeError('log-failed', 'Events could not be read from Redis; it is tried again.', {
              cause,
            }),
          )
        }
        await wait(RETRY_MS)
      }
    }
  }

  /** May have changed during a wait, which the compiler does not see. */
  #hasStopped(): boolean {
    return this.#isStopped
  }

  /** Waits for what follows. */
  async #next(at: FeedPosition): Promise<RawEntry[]> {
    const { link, shard, timeoutMs } = this.#options
    const args = ['COUNT', MAX_ENTRIES, 'BLOCK', BLOCK_MS, 'STREAMS', shard.feedKey, idOf(at)]
    const reply = (await link.call('xread', args, BLOCK_MS + timeoutMs)) as [string, RawEntry[]][] | null
    return reply?.[0]?.[1] ?? []
  }

  /** Holds one's own position against the shard's. Gives the one to read on from. */
  async #align(): Promise<FeedPosition> {
    const { link, shard, timeoutMs } = this.#options
    const now = await shard.sync(link)
    if (!this.#at) {
      this.#at = now
      this.#setStarted()
      return now
    }
    const hasBegunAnew = now.generation !== this.#at.generation || now.number < this.#at.number
    if (hasBegunAnew) this.#skipTo({ generation: now.generation, number: 0 })
    if (now.number === this.#at.number) return this.#at
    const args = [shard.feedKey, `(${idOf(this.#at)}`, '+', 'COUNT', MAX_ENTRIES]
    const end = this.#take((await link.call('xrange', args, timeoutMs)) as RawEntry[])
    return end ?? this.#skipTo(now)
  }

  /** Tells of entries. Gives the position after them, or `undefined` when there are none. */
  #take(raw: readonly RawEntry[]): FeedPosition | undefined {
    const { shard, onMissed } = this.#options
    for (const entry of raw) {
      if (this.#isStopped) break
      const position = feedPosition(entry)
      const isWhole = isNext(position, this.#at)
      this.#at = position
      shard.note(position)
      if (!isWhole) onMissed()
      this.#tell(entry)
    }
    return raw.length > 0 ? this.#at : undefined
  }

  #skipTo(position: FeedPosition): FeedPosition {
    this.#options.onMissed()
    return (this.#at = position)
  }

  #tell(entry: RawEntry): void {
    const { onEntry, onMissed, report } = this.#options
    let decoded: LogEntry
    try {
      decoded = feedEntry(entry)
    } catch (cause) {
      const message = 'An entry of the feed is none of ours. Give each app a prefix of its own.'
      report(new RealtimeError('log-failed', message, { cause }))
      onMissed()
      return
    }
    onEntry(decoded)
  }
}

const idOf = ({ generation, number }: FeedPosition) => `${generation}-${number}`

const isNext = (position: FeedPosition, at: FeedPosition | undefined) =>
  position.generation === at?.generation && position.number === at.number + 1
