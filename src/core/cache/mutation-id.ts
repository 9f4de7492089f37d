/** A mutation's id, for the server to know it by. `crypto.randomUUID` is there only where the page came over https. */
export function mutationId(random: () => number): string {
  const own = (globalThis as { crypto?: Partial<Crypto> }).crypto
  if (own?.randomUUID) return own.randomUUID()
  const digits = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16))
  return digits.join('')
}
