import { RealtimeError } from '../core/errors.ts'
import type { EventLog, NewLogEvent } from './event-log.ts'
import type { ServerLimits } from './limits.ts'
import { toLogEvent, type PublishedEvents, type PublishTable } from './publish-event.ts'
import type { RealtimeServer } from './server-options.ts'
import type { ServerCounters } from './server-stats.ts'
import { usage } from './valid-options.ts'

interface PublisherOptions<TMap extends object> {
  readonly log: EventLog
  readonly limits: ServerLimits
  readonly table: PublishTable<TMap> | undefined
  readonly counters: ServerCounters
  readonly isClosed: () => boolean
}

/** What the app does with topics: it puts events into the log, and asks where they stand. */
export function publisher<TMap extends object>({
  log,
  limits,
  table,
  counters,
  isClosed,
}: PublisherOptions<TMap>): Pick<RealtimeServer<TMap>, 'publish' | 'publishIn' | 'position'> {
  async function append<T>(
    topic: string,
    event: PublishedEvents<TMap>,
    write: (logEvent: NewLogEvent) => Promise<T>,
  ): Promise<T> {
    const { type }: { readonly type: string } = event
    if (isClosed()) {
      throw usage(`The server is closed, so '${type}' was not published. Close it after the last publish.`)
    }
    const logEvent = toLogEvent(topic, event, { limits, table })
    try {
      const written = await write(logEvent)
      counters.published++
      return written
    } catch (cause) {
      throw new RealtimeError('log-failed', `'${type}' may not be published: the event log failed.`, {
        cause,
      })
    }
  }

  return {
    publish: (topic, event) => append(topic, event, (logEvent) => log.append(topic, logEvent)),
    async publishIn(tx, topic, event) {
      requireTransactions(log.appendIn !== undefined)
      await append(topic, event, async (logEvent) => log.appendIn?.(tx, topic, logEvent))
    },
    async position(topics, tx) {
      if (log.position) return log.position(topics, tx)
      if (tx !== undefined) requireTransactions(false)
      return Object.fromEntries(
        await Promise.all(topics.map(async (topic) => [topic, await log.head(topic)] as const)),
      )
    },
  }
}

function requireTransactions(areThere: boolean): void {
  if (areThere) return
  throw usage(
    'This event log knows no transactions of the app. Use postgresEventLog, or publish after the commit.',
  )
}
