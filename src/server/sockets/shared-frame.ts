import { Buffer } from 'node:buffer'

type Encode<T> = (text: string) => T

/**
 * A frame that goes to many sockets. Its text is written when the first one needs it, and each encoding of the text
 * (a WebSocket frame, MessagePack, compressed bytes) is made once, whatever the audience.
 */
export class SharedFrame {
  /** This frame and no other, for all who are sent nothing else. */
  readonly alone: SharedFrames = new SharedFrames([this])
  readonly #write: () => string
  #text: string | undefined
  readonly #encoded = new Made<Encode<unknown>, unknown>()

  constructor(write: () => string) {
    this.#write = write
  }

  get text(): string {
    return (this.#text ??= this.#write())
  }

  /** What `encode` makes of the text: asked once, and remembered for as long as this frame is on its way. */
  as<T>(encode: Encode<T>): T {
    const encoded = this.#encoded
    // No closure for each of thousands of sockets.
    if (encoded.isLast(encode)) return encoded.last as T
    return encoded.add(encode, encoded.known(encode) ?? encode(this.text)) as T
  }
}

/** Frames that are sent one after the other. Sockets that are sent the same ones have the same list. */
export class SharedFrames {
  readonly list: readonly SharedFrame[]
  readonly #joined = new Made<Encode<Uint8Array>, Uint8Array>()
  #characters: number | undefined
  /** What was added last, which is what is added next: a fan-out brings one frame to everybody, then the next one. */
  #longer: { readonly frame: SharedFrame; readonly frames: SharedFrames } | undefined

  constructor(list: readonly SharedFrame[]) {
    this.list = list
  }

  /** The length of their texts together. */
  get characters(): number {
    return (this.#characters ??= this.list.reduce((sum, { text }) => sum + text.length, 0))
  }

  /** This list with one more. */
  and(frame: SharedFrame): SharedFrames {
    if (this.#longer?.frame !== frame) {
      this.#longer = { frame, frames: new SharedFrames([...this.list, frame]) }
    }
    return this.#longer.frames
  }

  /** The bytes of all of them behind each other: put together for the first socket, and the same for the others. */
  joined(encode: Encode<Uint8Array>): Uint8Array {
    if (this.list.length === 1) return this.list[0]!.as(encode)
    const joined = this.#joined
    if (joined.isLast(encode)) return joined.last!
    return joined.add(
      encode,
      joined.known(encode) ?? Buffer.concat(this.list.map((frame) => frame.as(encode))),
    )
  }
}

/** What functions have made of one thing. Few: one for each format that the audience speaks. */
class Made<K extends object, T> {
  /** What was asked for last, which is what is asked for next. */
  #lastKey: K | undefined
  #last: T | undefined
  #all: Map<K, T> | undefined

  get last(): T | undefined {
    return this.#last
  }

  isLast(key: K): boolean {
    return key === this.#lastKey
  }

  known(key: K): T | undefined {
    return this.#all?.get(key)
  }

  add(key: K, made: T): T {
    ;(this.#all ??= new Map<K, T>()).set(key, made)
    this.#lastKey = key
    this.#last = made
    return made
  }
}
