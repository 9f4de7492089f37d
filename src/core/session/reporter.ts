import { RealtimeError, type RealtimeErrorCode } from '../errors.ts'

/** Tells the app what went wrong, and runs its code so that nothing it throws gets further. */
export class Reporter {
  /** How many errors there were, by code. */
  readonly errors: Partial<Record<RealtimeErrorCode, number>> = {}
  readonly #onError: ((error: RealtimeError) => void) | undefined
  /** Looks on, whether or not the app does; for devtools. It must not throw. */
  tap: ((error: RealtimeError) => void) | undefined

  constructor(onError: ((error: RealtimeError) => void) | undefined) {
    this.#onError = onError
  }

  report(code: RealtimeErrorCode, message: string, cause?: unknown): void {
    // An error of the library says more itself: what a transport needs that is not there.
    this.error(cause instanceof RealtimeError ? cause : new RealtimeError(code, message, { cause }))
  }

  error(error: RealtimeError): void {
    this.errors[error.code] = (this.errors[error.code] ?? 0) + 1
    this.tap?.(error)
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

  /** Runs code that is not ours: what it throws is reported, and the caller goes on. */
  tell(call: () => void): void {
    try {
      call()
    } catch (cause) {
      this.report('listener-failed', 'A listener threw. Catch what it throws.', cause)
    }
  }
}
