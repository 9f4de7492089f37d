import { RealtimeError } from '../../core/errors.ts'
import { elapsedTime } from '../elapsed-clock.ts'
import type { EventLog, LogEntry, LogListener } from '../event-log.ts'
import { MemoryHistory } from './memory-history.ts'

export interface MemoryEventLogOptions {
  /** How many events of one topic are kept. @default 1_000 */
  readonly maxEventsPerTopic?: number | undefined
  /**
   * How long an event is kept, in ms.
   * @default 300_000 // 5 minutes: longer than a tunnel, a deploy or a short sleep
   */
  readonly maxAgeMs?: number | undefined
  /**
   * The size of all events together, estimated from their text.
   * @default 67_108_864 // 64 MiB
   */
  readonly maxBytes?: number | undefined
  /** @default 10_000 */
  readonly maxTopics?: number | undefined
  /** The name of this history, 1 to 48 characters; never use one twice. @default a random one */
  readonly epoch?: string | undefined
  /** @default a clock in ms that nobody sets */
  readonly now?: (() => number) | undefined
}

/**
 * The event log of a single process. Every bound only shortens the history: a client whose position is not
 * covered any more is reset and fetches again.
 *
 * - `maxEventsPerTopic`, `maxAgeMs`, `maxBytes`: the oldest events go. `maxBytes` is shared by all topics, so the
 *   oldest of the whole log go first; an event larger than all of it is delivered and not kept.
 * - `maxTopics`: the topic that was appended to least recently goes with its head, so it comes back under a new
 *   epoch.
 *
 * Nothing survives the process: the next one has another epoch, and every client resets once.
 */
export function memoryEventLog(options: MemoryEventLogOptions = {}): EventLog {
  const { epoch = crypto.randomUUID(), now = elapsedTime() } = options
  if (epoch.length < 1 || epoch.length > 48) {
    throw new RealtimeError('usage', 'The epoch of memoryEventLog must have 1 to 48 characters.')
  }
  const history = new MemoryHistory(
    epoch,
    {
      maxEventsPerTopic: bound('maxEventsPerTopic', options.maxEventsPerTopic ?? 1_000),
      maxAgeMs: bound('maxAgeMs', options.maxAgeMs ?? 300_000),
      maxBytes: bound('maxBytes', options.maxBytes ?? 64 * 1024 * 1024),
      maxTopics: bound('maxTopics', options.maxTopics ?? 10_000),
    },
    now(),
  )
  const listeners = new Set<LogListener>()
  /** Entries that are not told yet: an append by a listener waits for its turn, so that all hear the same order. */
  const untold: LogEntry[] = []
  let telling = false
  let closed = false

  const tell = (entry: LogEntry) => {
    untold.push(entry)
    if (telling) return
    telling = true
    try {
      for (let next = untold.shift(); next; next = untold.shift()) {
        for (const listener of [...listeners]) listener(next)
      }
    } finally {
      telling = false
    }
  }

  const whileOpen = <T>(run: () => T): Promise<T> =>
    new Promise((resolve) => {
      if (closed) throw new RealtimeError('usage', 'The event log is closed. Create a new one.')
      resolve(run())
    })

  return {
    append: (topic, event) =>
      whileOpen(() => {
        const entry = history.append(topic, event, now())
        tell(entry)
        return { epoch: entry.epoch, offset: entry.event.offset }
      }),
    read: (topic, after, limit) => whileOpen(() => history.read(topic, after, { limit, at: now() })),
    head: (topic) => whileOpen(() => history.head(topic)),
    quietMs: (topic) => whileOpen(() => Math.max(0, Math.floor(now() - history.quietSince(topic)))),
    subscribe(listener) {
      // A function of its own, so that one listener can subscribe twice.
      const own: LogListener = (entry) => {
        listener(entry)
      }
      listeners.add(own)
      return () => {
        listeners.delete(own)
      }
    },
    close() {
      closed = true
      listeners.clear()
      return Promise.resolve()
    },
  }
}

function bound(name: string, value: number): number {
  if (value > 0) return value
  throw new RealtimeError('usage', `${name} of memoryEventLog must be above 0. Got ${value}.`)
}
