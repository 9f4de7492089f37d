/** An id that nothing else has, for a server to know a client, or what it sends, by. Not a secret. */
export function randomId(random: () => number): string {
  // It is there only where the page came over https, and not in React Native.
  const own = (globalThis as { crypto?: Partial<Crypto> }).crypto
  if (own?.randomUUID) return own.randomUUID()
  const digits = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16))
  return digits.join('')
}
