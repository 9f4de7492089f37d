/**
 * Ranks are fractions written as base-62 digits after an imagined point, compared as plain strings. There is
 * always room between two of them, so moving a task changes one row.
 */
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** A rank between two others. `null` means that there is none on that side. `before` must sort below `after`. */
export function rankBetween(before: string | null, after: string | null): string {
  // At the ends of a column, step by one digit: halving would use the digits up after a few moves.
  const between = (low: number, high: number) =>
    before !== null && after === null
      ? low + 1
      : before === null && after !== null
        ? high - 1
        : (low + high) >> 1
  let rank = ''
  // Once the digits of `before` and `after` have parted, `after` no longer limits what follows.
  let bounded = after !== null
  for (let i = 0; ; i++) {
    const low = before !== null && i < before.length ? DIGITS.indexOf(before[i]!) : 0
    const high = bounded && i < after!.length ? DIGITS.indexOf(after![i]!) : DIGITS.length
    if (high - low > 1) return rank + DIGITS[between(low, high)]!
    rank += DIGITS[low]!
    if (high > low) bounded = false
  }
}

/** `count` ranks in order, with room on every side. */
export function evenRanks(count: number): string[] {
  const width = DIGITS.length ** 2
  return Array.from({ length: count }, (_, i) => {
    const value = Math.floor(((i + 1) * width) / (count + 1))
    return DIGITS[Math.floor(value / DIGITS.length)]! + DIGITS[value % DIGITS.length]! + 'V'
  })
}
