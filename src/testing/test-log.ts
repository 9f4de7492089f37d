import { elapsedTime } from '../server/elapsed-clock.ts'
import { memoryEventLog } from '../server/logs/memory.ts'
import type { EventLog, LogListener } from '../server/event-log.ts'

/** An event log in memory whose topics can lose their history, one by one. */
export interface TestLog extends EventLog {
  /** The topic begins a new epoch; without a name, every topic does. Everybody who hears it looks again. */
  lose(topic?: string): void
}

/** A new epoch has a name that no other has had. */
let epochs = 0

/** How long a topic seems to have been quiet when the test begins: a first fetch has missed nothing. */
const QUIET_MS = 60_000

export function createTestLog(): TestLog {
  const elapsed = elapsedTime()
  const logs = new Map<string, EventLog>()
  const listeners = new Map<LogListener, (() => void) | undefined>()
  /** All have lost it: also a topic that is named for the first time afterwards. */
  let isLost = false

  const create = (isOld: boolean): EventLog => {
    let quietMs = isOld ? QUIET_MS : 0
    const log = memoryEventLog({
      epoch: `test-${++epochs}`,
      // Asked for the first time when the log is made.
      now: () => {
        const at = elapsed() - quietMs
        quietMs = 0
        return at
      },
    })
    log.subscribe((entry) => {
      for (const listener of listeners.keys()) listener(entry)
    })
    return log
  }
  const logOf = (topic: string) => {
    let log = logs.get(topic)
    if (!log) logs.set(topic, (log = create(!isLost)))
    return log
  }

  return {
    append: (topic, event) => logOf(topic).append(topic, event),
    read: (topic, after, limit) => logOf(topic).read(topic, after, limit),
    head: (topic) => logOf(topic).head(topic),
    quietMs: async (topic) => (await logOf(topic).quietMs?.(topic)) ?? 0,
    subscribe(listener, onMissed) {
      listeners.set(listener, onMissed)
      return () => {
        listeners.delete(listener)
      }
    },
    lose(topic) {
      if (topic === undefined) {
        isLost = true
        logs.clear()
      } else logs.set(topic, create(false))
      for (const onMissed of listeners.values()) onMissed?.()
    },
    close() {
      listeners.clear()
      return Promise.resolve()
    },
  }
}
