import type { Position } from '../core/event.ts'
import { formatPositions } from '../core/protocol/position.ts'

/**
 * Where a client stands that has read a stream up to here, in all of its topics. A client that reconnects by itself
 * (`EventSource`) sends the id of the last event back and nothing else, so each id says all of it.
 */
export class TrackedPositions {
  readonly #positions = new Map<string, Position>()
  readonly #read: FrameReader

  constructor(read: FrameReader) {
    this.#read = read
  }

  /** Takes a frame that is about to be sent, and gives its id, when it moves a position. */
  follow(kind: string | undefined, frame: string): string | undefined {
    if (kind !== 'events' && kind !== 'subscribed' && kind !== 'refused') return undefined
    const { topic, position } = this.#read(frame)
    if (position) this.#positions.set(topic, position)
    else this.#positions.delete(topic)
    return formatPositions(Object.fromEntries(this.#positions))
  }
}

/** The topic of a frame, and where the topic stands after it. */
export type FrameReader = (frame: string) => {
  readonly topic: string
  readonly position?: Position | undefined
}

/** Reads frames that the server has written. The last one is kept: a publish brings the same frame to every stream. */
export function frameReader(): FrameReader {
  let last = ''
  let result: ReturnType<FrameReader> = { topic: '' }
  return (frame) => {
    if (frame === last) return result
    const message = JSON.parse(frame) as {
      topic: string
      position?: Position
      epoch?: string
      events?: { offset: number }[]
    }
    const { topic, position, epoch, events } = message
    const offset = events?.at(-1)?.offset
    last = frame
    result = {
      topic,
      position: position ?? (epoch !== undefined && offset !== undefined ? { epoch, offset } : undefined),
    }
    return result
  }
}
