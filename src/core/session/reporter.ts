import { RealtimeError, type RealtimeErrorCode } from '../errors.ts'

/** Tells the app what went wrong, and runs its code so that nothing it throws gets further. */
export class Reporter {
  readonly #onError: (error: RealtimeError) => void

  constructor(onError: (error: RealtimeError) => void) {
    this.#onError = onError
  }

  report(code: RealtimeErrorCode, message: string, cause?: unknown): void {
    // An error of the library says more itself: what a transport needs that is not there.
    this.error(cause instanceof RealtimeError ? cause : new RealtimeError(code, message, { cause }))
  }

  error(error: RealtimeError): void {
    try {
      this.#onError(error)
    } catch (cause) {
      // Its own failure cannot be reported to itself: it becomes an uncaught error.
      queueMicrotask(() => {
        throw cause
      })
    }
  }

  /** Runs code that is not ours: what it throws is reported, and the session goes on. */
  tell(call: () => void): void {
    try {
      call()
    } catch (cause) {
      this.report('listener-failed', 'A handler of the session threw.', cause)
    }
  }
}
