import { RealtimeError, type RealtimeErrorCode } from './core/errors.ts'

/** What a bridge tells the app: what went wrong, and what its listeners wait for. Nothing that they throw gets further. */
export class Announcer {
  /** How many errors there were, by code. */
  readonly errors: Partial<Record<RealtimeErrorCode, number>> = {}
  readonly #onError: ((error: RealtimeError) => void) | undefined

  constructor(onError: ((error: RealtimeError) => void) | undefined) {
    this.#onError = onError
  }

  report(error: RealtimeError): void {
    this.errors[error.code] = (this.errors[error.code] ?? 0) + 1
    if (!this.#onError) {
      if (process.env['NODE_ENV'] !== 'production') console.warn(error)
      return
    }
    try {
      this.#onError(error)
    } catch (cause) {
      console.warn(cause) // Its own failure cannot be reported to itself.
    }
  }

  /** Runs code of the app: what one throws is reported, and the others still run. */
  call<TArgs extends unknown[]>(
    listeners: ReadonlySet<(...args: TArgs) => void> | undefined,
    ...args: TArgs
  ): void {
    for (const listener of [...(listeners ?? [])]) {
      try {
        listener(...args)
      } catch (cause) {
        this.report(
          new RealtimeError('listener-failed', 'A listener threw. Catch what it throws.', { cause }),
        )
      }
    }
  }
}

/** Adds a listener. Gives what takes it out again. */
export function join<TListener>(listeners: Set<TListener>, listener: TListener): () => void {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}
