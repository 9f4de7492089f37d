/**
 * A frame that goes to many sockets. Its text is written when the first one needs it, and each encoding of the text
 * (a WebSocket frame, MessagePack, compressed bytes) is made once, whatever the audience.
 */
export class SharedFrame {
  readonly #write: () => string
  #text: string | undefined
  /** This frame and no other: one list for all who are sent nothing else. */
  readonly alone: readonly SharedFrame[] = [this]
  /** What was asked for last, which is what is asked for next. */
  #lastEncode: ((text: string) => unknown) | undefined
  #lastEncoded: unknown
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
    if (encode === this.#lastEncode) return this.#lastEncoded as T
    const encoded = (this.#encoded ??= new Map<(text: string) => unknown, unknown>())
    const made = (encoded.get(encode) as T | undefined) ?? encode(this.text)
    encoded.set(encode, made)
    this.#lastEncode = encode
    this.#lastEncoded = made
    return made
  }
}
