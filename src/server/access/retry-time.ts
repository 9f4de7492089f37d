/** A time that clients can read: a whole number of ms. `undefined` for what is none. */
export function retryTime(ms: unknown): number | undefined {
  return typeof ms === 'number' && ms >= 0 && ms < 2 ** 31 ? Math.ceil(ms) : undefined
}
