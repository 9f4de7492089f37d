/** The numbers of a realtime server for Prometheus. */
import { collectDefaultMetrics, Counter, Gauge, type Registry } from 'prom-client'
import type { RealtimeServer } from 'realtime-query-bridge/server'

/** How things are now. */
const GAUGES = {
  connections: 'Connections',
  users: 'Users that have a connection',
  subscriptions: 'Topics, of all connections',
  bufferedBytes: 'Bytes that were sent and have not left yet',
  maxBufferedBytes: 'The same, of the connection that has most',
  heldBack: 'Connections that events are held back from',
  lagMs: 'How long the slowest of them has waited',
  waitingAuthentications: 'Connections that wait to be authenticated',
  waitingAuthorizations: 'Topics that wait to be authorized',
} as const

/** What has happened since the process began. */
const COUNTERS = {
  published: 'Events that were published',
  messages: 'Messages of clients',
  opened: 'Connections that have come',
  refused: 'Topics that were refused',
  replayed: 'Topics whose client was sent what it had missed',
  reset: 'Topics whose client had to fetch again',
} as const

const labelNames = ['by', 'code'] as const

/**
 * Registers them, besides those of the process (the lag of the event loop among them), and gives what Prometheus
 * scrapes. `stats()` walks over all connections, so it is asked once for each scrape and not for each number.
 */
export function realtimeMetrics(realtime: Pick<RealtimeServer, 'stats'>, registry: Registry) {
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const nameOf = (name: string) =>
    `realtime_${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`
  const gauges = entries(GAUGES).map(
    ([name, help]) => [name, new Gauge({ name: nameOf(name), help, registers })] as const,
  )
  const counters = entries(COUNTERS).map(
    ([name, help]) => [name, new Counter({ name: `${nameOf(name)}_total`, help, registers })] as const,
  )
  const ends = new Counter({
    name: 'realtime_closed_total',
    help: 'Connections that have ended, by who has closed them and the close code',
    labelNames,
    registers,
  })

  return async (): Promise<string> => {
    const stats = realtime.stats()
    for (const [name, gauge] of gauges) gauge.set(stats[name])
    // A counter of prom-client can only be added to.
    for (const [name, counter] of counters) {
      counter.reset()
      counter.inc(stats[name])
    }
    ends.reset()
    for (const [code, count] of Object.entries(stats.closed)) ends.inc({ by: 'server', code }, count)
    for (const [code, count] of Object.entries(stats.left)) ends.inc({ by: 'client', code }, count)
    return registry.metrics()
  }
}

const entries = <TKey extends string>(table: Readonly<Record<TKey, string>>) =>
  Object.entries(table) as [TKey, string][]
