/** An id that no other client has. Not a secret. */
export function randomId(): string {
  const { crypto } = globalThis as { crypto?: Crypto }
  // `randomUUID` is missing on pages without TLS, and all of it in React Native.
  const words = crypto
    ? [...crypto.getRandomValues(new Uint32Array(4))]
    : Array.from({ length: 4 }, () => Math.floor(Math.random() * 2 ** 32))
  return words.map((word) => word.toString(36)).join('')
}
