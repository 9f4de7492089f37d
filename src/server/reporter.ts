import type { RealtimeError } from '../core/errors.ts'
import { callSafely } from './call-safely.ts'

/** What went wrong goes to the app, and nothing that it throws, or rejects with, comes back. */
export function reporter(
  onError: ((error: RealtimeError) => void) | undefined,
): (error: RealtimeError) => void {
  // eslint-disable-next-line no-console -- the default of onError: nothing is swallowed
  const toConsole = (error: unknown) => console.error(error)
  if (!onError) return toConsole
  return (error) => {
    callSafely(
      () => onError(error),
      (failure) => {
        toConsole(error)
        toConsole(failure)
      },
    )
  }
}
