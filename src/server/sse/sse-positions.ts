import type { Position } from '../../core/event.ts'
import { formatPositions } from '../../core/protocol/position.ts'

/** The topic of a frame, and where the topic stands after it. */
export interface FramePosition {
  readonly topic: string
  readonly position?: Position | undefined
}

/**
 * Where a client stands that has read a stream up to here, in all of its topics. A client that reconnects by itself
 * (`EventSource`) sends the id of the last event back and nothing else, so each id says all of it.
 */
export class TrackedPositions {
  readonly #positions = new Map<string, Position>()

  /** Takes what a frame says that is about to be sent, and gives its id. */
  follow({ topic, position }: FramePosition): string {
    if (position) this.#positions.set(topic, position)
    else this.#positions.delete(topic)
    return formatPositions(Object.fromEntries(this.#positions))
  }
}

/** Reads a frame that the server has written. */
export function readFrame(frame: string): FramePosition {
  const { topic, position, epoch, events } = JSON.parse(frame) as {
    topic: string
    position?: Position
    epoch?: string
    events?: { offset: number }[]
  }
  const offset = events?.at(-1)?.offset
  if (position || epoch === undefined || offset === undefined) return { topic, position }
  return { topic, position: { epoch, offset } }
}
