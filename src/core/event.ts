/**
 * What is known of a topic: every event up to `offset` of the history named `epoch`. Offsets count from 1 in
 * one epoch, so `offset: 0` is the position before the first event. A new epoch means history was lost.
 */
export interface Position {
  readonly epoch: string
  readonly offset: number
}

/**
 * A fact of the domain, as routing, hooks and handlers see it. `data` is whatever the server sent: the table's
 * schema gives it a type.
 */
export interface RealtimeEvent<TType extends string = string, TData = unknown> {
  readonly type: TType
  readonly data: TData
  /** The stream it belongs to. Absent when a plain backend names none. */
  readonly topic?: string | undefined
  /** Where it stands in its topic. Absent when the backend keeps no positions. */
  readonly position?: Position | undefined
  /** The mutation that caused it: one's own echo carries the id that one's own mutation was sent with. */
  readonly mutationId?: string | undefined
}
