import { RealtimeError } from '../../../core/errors.ts'
import type { PostgresEventLogSettings } from './settings.ts'
import type { PostgresStatements } from './statements.ts'
import type { PostgresTail } from './tail.ts'
import { toSqlText } from './text.ts'

interface RetentionOptions {
  readonly settings: PostgresEventLogSettings
  readonly statements: PostgresStatements
  readonly query: <TRow>(text: string, params: unknown[]) => Promise<TRow[]>
  /** What is not deleted now is deleted later. */
  readonly onFailed: (error: RealtimeError) => void
}

const FORGET_EVERY_MS = 3_600_000
const MAX_DELETES = 5_000

/** Deletes what is not kept: when it is told to, and now and then while a node listens. */
export class Retention {
  readonly #options: RetentionOptions
  #cancel = () => {}
  #tail: PostgresTail | undefined
  #forgottenAt: number

  constructor(options: RetentionOptions) {
    this.#options = options
    this.#forgottenAt = options.settings.clock.now()
  }

  /** From now on by itself. `tail` knows which topics are busy. */
  begin(tail: PostgresTail): void {
    this.#tail = tail
    this.#trimLater(tail)
  }

  end(): void {
    this.#tail = undefined
    this.#cancel()
  }

  /** Without `topics`: of all. A topic that another node is at will be busy again, or its events grow old. */
  async trim(topics?: readonly string[]): Promise<number> {
    const { settings, statements, query } = this.#options
    const { clock, maxEventsPerTopic, maxAgeMs, forgetTopicsAfterMs } = settings
    const params = [
      topics ? JSON.stringify(topics.map(toSqlText)) : null,
      maxEventsPerTopic,
      maxAgeMs,
      MAX_DELETES,
    ]
    let total = 0
    for (;;) {
      const [row] = await query<{ deleted: number }>(statements.trim, params)
      const deleted = Number(row?.deleted ?? 0)
      if (deleted <= 0) break
      total += deleted
    }
    if (clock.now() - this.#forgottenAt >= FORGET_EVERY_MS) {
      this.#forgottenAt = clock.now()
      await query(statements.forget, [forgetTopicsAfterMs, MAX_DELETES])
    }
    return total
  }

  #trimLater(tail: PostgresTail): void {
    const { settings, onFailed } = this.#options
    if (settings.trimEveryMs === 0) return
    this.#cancel = settings.clock.after(settings.trimEveryMs, () => {
      this.trim(tail.takeBusy(settings.maxEventsPerTopic))
        .catch((cause: unknown) => {
          onFailed(new RealtimeError('log-failed', 'Old events were not deleted.', { cause }))
        })
        .finally(() => {
          if (this.#tail === tail) this.#trimLater(tail)
        })
    })
  }
}
