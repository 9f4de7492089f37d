import type { EventLog, LogEntry } from '../../../src/server/event-log.ts'
import type { SqlClient } from '../../../src/server/logs/postgres.ts'

export const numbered = (n: number) => ({ type: 'n', json: String(n) })

/** Notes what a log tells, and waits for a number of entries. */
export function listen(log: EventLog) {
  const entries: LogEntry[] = []
  let missed = 0
  let check = () => {}
  const stop = log.subscribe(
    (entry) => {
      entries.push(entry)
      check()
    },
    () => {
      missed++
      check()
    },
  )
  const until = (isReached: () => boolean) =>
    new Promise<void>((resolve) => {
      check = () => {
        if (isReached()) resolve()
      }
      check()
    })
  return {
    entries,
    stop,
    get missed() {
      return missed
    },
    until,
    untilHeard: (count: number) => until(() => entries.length >= count),
    untilMissed: () => until(() => missed > 0),
    offsets: (topic: string) =>
      entries.filter((entry) => entry.topic === topic).map(({ event }) => event.offset),
    values: (topic: string) =>
      entries.filter((entry) => entry.topic === topic).map(({ event }) => Number(event.json)),
  }
}

/** Everything of a topic that is kept. */
export async function readAll(log: EventLog, topic: string): Promise<readonly number[]> {
  const { epoch } = await log.head(topic)
  const read = await log.read(topic, { epoch, offset: 0 }, 100_000)
  if (read.outcome === 'reset') throw new Error(`The beginning of ${topic} is gone.`)
  return read.events.map(({ json }) => Number(json))
}

export async function rowsOf<TRow>(db: SqlClient, text: string, params: unknown[] = []): Promise<TRow[]> {
  return (await db.query(text, params)).rows as TRow[]
}
