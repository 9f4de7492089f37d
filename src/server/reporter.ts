import type { RealtimeError } from '../core/errors.ts'

/** What went wrong goes to the app, and nothing that it throws comes back. */
export function reporter(
  onError: ((error: RealtimeError) => void) | undefined,
): (error: RealtimeError) => void {
  // eslint-disable-next-line no-console -- the default of onError: nothing is swallowed
  const toConsole = (error: unknown) => console.error(error)
  if (!onError) return toConsole
  return (error) => {
    try {
      onError(error)
    } catch (failure) {
      toConsole(error)
      toConsole(failure)
    }
  }
}
