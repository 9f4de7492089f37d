/** Calls a function of the app for whose answer nobody waits: it may throw, and what it promises may be rejected. */
export function callSafely(call: () => unknown, onFailed: (cause: unknown) => void): void {
  try {
    const answer = call()
    if (answer instanceof Promise) answer.catch(onFailed)
  } catch (cause) {
    onFailed(cause)
  }
}
