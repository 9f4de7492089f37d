import { Buffer } from 'node:buffer'
import { constants, deflateRawSync } from 'node:zlib'
import type { FrameCodec } from '../../core/protocol/frame-codec.ts'
import { PROTOCOL } from '../../core/protocol/version.ts'

/** RFC 6455, section 5.2. */
const FINAL = 0x80
const COMPRESSED = 0x40
const TEXT = 0x1
const BINARY = 0x2

/** What a flush adds and RFC 7692, section 7.2.1 leaves out. */
const FLUSH_BYTES = 4

/** Between 1 (fast) and 9 (small): the event loop waits for it, once per publish. */
const COMPRESSION_LEVEL = 3

/**
 * What the sockets of one subprotocol speak: JSON text, or what a codec makes of it. Its functions are made once per
 * server, since a `SharedFrame` remembers what each of them has made.
 */
export class WireFormat {
  /** The subprotocol. */
  readonly protocol: string
  readonly #codec: FrameCodec | undefined
  readonly #thresholdBytes: number

  constructor(codec: FrameCodec | undefined, thresholdBytes: number) {
    this.protocol = codec ? `${PROTOCOL}+${codec.name}` : PROTOCOL
    this.#codec = codec
    this.#thresholdBytes = thresholdBytes
  }

  /** Events stand in the log as JSON text, and answers are put together around it, so text is where all begins. */
  readonly payload = (text: string): string | Uint8Array => {
    try {
      return this.#codec?.encode(text) ?? text
    } catch {
      // Not everything can be said in every form; text is understood on every connection.
      return text
    }
  }

  /** A whole WebSocket frame, as a server sends it: unmasked. */
  readonly frame = (text: string): Buffer => {
    const payload = this.payload(text)
    return typeof payload === 'string' ? frameOf(Buffer.from(payload), TEXT) : frameOf(payload, BINARY)
  }

  /** The same, compressed without looking back at other messages, so that it fits every connection. */
  readonly compressedFrame = (text: string): Buffer => {
    const payload = this.payload(text)
    const isText = typeof payload === 'string'
    const bytes = isText ? Buffer.from(payload) : payload
    const opcode = isText ? TEXT : BINARY
    if (bytes.byteLength < this.#thresholdBytes) return frameOf(bytes, opcode)
    const deflated = deflateRawSync(bytes, {
      level: COMPRESSION_LEVEL,
      finishFlush: constants.Z_SYNC_FLUSH,
    })
    return frameOf(deflated.subarray(0, -FLUSH_BYTES), opcode | COMPRESSED)
  }

  /** What the connection takes: text, or the message. What the codec refuses stays bytes, and is told to the client. */
  read(bytes: Buffer, isBinary: boolean): unknown {
    if (!isBinary) return bytes.toString()
    if (!this.#codec) return bytes
    try {
      return this.#codec.decode(bytes)
    } catch {
      return bytes
    }
  }
}

/** One buffer, so that a socket needs one write for it. */
function frameOf(payload: Uint8Array, opcode: number): Buffer {
  const { byteLength } = payload
  const headLength = byteLength < 126 ? 2 : byteLength < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(headLength + byteLength)
  frame[0] = FINAL | opcode
  if (headLength === 2) {
    frame[1] = byteLength
  } else if (headLength === 4) {
    frame[1] = 126
    frame.writeUInt16BE(byteLength, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(byteLength), 2)
  }
  frame.set(payload, headLength)
  return frame
}
