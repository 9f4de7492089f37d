import { RealtimeError } from '../../core/errors.ts'
import { elapsedTime } from '../elapsed-clock.ts'
import type { IdempotencyStore } from './idempotency.ts'

export interface MemoryIdempotencyStoreOptions {
  /** Answers that are kept; the oldest goes first. @default 10_000 */
  readonly maxEntries?: number | undefined
  /** How long an answer is kept, in ms: longer than clients repeat requests. @default 86_400_000 // a day */
  readonly maxAgeMs?: number | undefined
  /** All answers together, in characters of JSON; the oldest goes first. @default 16_777_216 */
  readonly maxCharacters?: number | undefined
  /** @default a clock in ms that nobody sets */
  readonly now?: (() => number) | undefined
}

interface Entry {
  readonly fingerprint: string
  /** `undefined` while it is running. */
  answer: string | undefined
  at: number
  readonly settled: Promise<void>
  readonly settle: () => void
}

/**
 * Keeps answers in the memory of this process. What is running is always kept: it is as bounded as the requests that
 * the process serves at a time.
 */
export function memoryIdempotencyStore(options: MemoryIdempotencyStoreOptions = {}): IdempotencyStore {
  const {
    maxEntries = 10_000,
    maxAgeMs = 86_400_000,
    maxCharacters = 16_777_216,
    now = elapsedTime(),
  } = options
  for (const [name, value] of Object.entries({ maxEntries, maxAgeMs, maxCharacters })) {
    if (!(value >= 0)) throw new RealtimeError('usage', `${name} must be a number from 0. Got ${value}.`)
  }
  const running = new Map<string, Entry>()
  /** In the order in which they were completed. */
  const done = new Map<string, Entry>()
  let characters = 0

  function forget(id: string, { answer = '' }: Entry): void {
    done.delete(id)
    characters -= answer.length
  }

  function trim(): void {
    for (const [id, entry] of done) {
      const isKept = done.size <= maxEntries && characters <= maxCharacters && now() - entry.at < maxAgeMs
      if (isKept) return
      forget(id, entry)
    }
  }

  return {
    claim(id, fingerprint) {
      trim()
      const known = running.get(id) ?? done.get(id)
      if (!known) {
        let settle!: () => void
        const settled = new Promise<void>((resolve) => (settle = resolve))
        running.set(id, { fingerprint, answer: undefined, at: now(), settled, settle })
        return Promise.resolve({ state: 'claimed' })
      }
      const { answer, settled } = known
      return Promise.resolve(
        answer === undefined
          ? { state: 'busy', fingerprint: known.fingerprint, settled }
          : { state: 'done', fingerprint: known.fingerprint, answer },
      )
    },
    complete(id, answer) {
      const entry = running.get(id)
      if (entry) {
        running.delete(id)
        entry.answer = answer
        entry.at = now()
        done.set(id, entry)
        characters += answer.length
        trim()
        entry.settle()
      }
      return Promise.resolve()
    },
    release(id) {
      running.get(id)?.settle()
      running.delete(id)
      return Promise.resolve()
    },
  }
}
