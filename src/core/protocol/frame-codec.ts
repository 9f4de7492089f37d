/**
 * Writes frames of `rqb.v1` in another form than JSON text. Both ends must know it: a client offers the subprotocol
 * `rqb.v1+<name>` before `rqb.v1`, and a server that knows the name takes it. See `msgpackCodec`.
 */
export interface FrameCodec {
  /** What follows `rqb.v1+` in the subprotocol: letters, digits and `-`. */
  readonly name: string
  /** Throws for JSON text that this form cannot hold: such a frame goes as text. */
  encode(json: string): Uint8Array<ArrayBuffer>
  /**
   * Gives what `JSON.parse` would give: strings, finite numbers, booleans, `null`, arrays and plain objects. Throws
   * for everything else, since `bytes` may come from anybody.
   */
  decode(bytes: Uint8Array): unknown
}
