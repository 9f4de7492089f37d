/**
 * A frame that goes to many sockets. Its text is written when the first one needs it, and each encoding of the text
 * (a WebSocket frame, MessagePack, compressed bytes) is made once, whatever the audience.
 */
export class SharedFrame {
  readonly #write: () => string
  #text: string | undefined
  /** Few: one for each format that the audience speaks. */
  #encoded: Map<(text: string) => unknown, unknown> | undefined

  constructor(write: () => string) {
    this.#write = write
  }

  get text(): string {
    return (this.#text ??= this.#write())
  }

  /** What `encode` makes of the text: asked once, and remembered for as long as this frame is on its way. */
  as<T>(encode: (text: string) => T): T {
    const encoded = (this.#encoded ??= new Map<(text: string) => unknown, unknown>())
    const known = encoded.get(encode)
    if (known !== undefined) return known as T
    const made = encode(this.text)
    encoded.set(encode, made)
    return made
  }
}
