/** Soon, and in order. A promise, because test runners may replace every other way. */
export const later = (run: () => void): void => void Promise.resolve().then(run)

/** The same, for what may be cancelled. */
export function soon(callback: () => void): () => void {
  let isCancelled = false
  later(() => {
    if (!isCancelled) callback()
  })
  return () => {
    isCancelled = true
  }
}
