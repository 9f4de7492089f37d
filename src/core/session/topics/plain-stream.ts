import type { Position, RealtimeEvent } from '../../event.ts'
import { isString, misfit, optionalPosition, optionalString } from '../../protocol/shape.ts'
import type { StreamOutput } from './topic-stream.ts'

/** More topics than any screen shows; the one that was silent longest is forgotten first. */
const MAX_TOPICS = 1_000

export type PlainOutput = Extract<StreamOutput, { type: 'deliver' | 'resync' }> | { readonly type: 'invalid' }

/**
 * What comes from a plain backend, which cannot be asked for anything. Where its events carry positions, a known
 * event is dropped and a hole is a reset; there is no replay.
 */
export class PlainStream {
  /** By topic: the last position, and the connection on which it was seen. */
  readonly #known = new Map<string | undefined, Position & { readonly round: number }>()
  /** Counts connections. The reset that begins each covers the holes that the break has made. */
  #round = 0

  reconnected(): void {
    this.#round++
  }

  forget(): void {
    this.#known.clear()
  }

  /** Takes what `decode` gave for one frame. */
  receive(decoded: unknown): PlainOutput[] {
    const outputs: PlainOutput[] = []
    let batch: RealtimeEvent[] | undefined
    for (const event of [decoded ?? []].flat() as unknown[]) {
      if (!isEvent(event)) {
        outputs.push({ type: 'invalid' })
        continue
      }
      const { topic, position } = event
      if (position) {
        const { epoch, offset } = position
        const known = this.#known.get(topic)
        const gained = known?.epoch === epoch ? offset - known.offset : Infinity
        if (gained <= 0) continue
        this.#known.delete(topic) // Set again, it is the youngest.
        this.#known.set(topic, { epoch, offset, round: this.#round })
        if (this.#known.size > MAX_TOPICS) this.#known.delete(this.#known.keys().next().value)
        if (known?.round === this.#round && gained !== 1) {
          outputs.push({ type: 'resync', topic, outcome: 'reset', position: { epoch, offset: offset - 1 } })
          batch = undefined
        }
      }
      if (batch) batch.push(event)
      else outputs.push({ type: 'deliver', events: (batch = [event]) })
    }
    return outputs
  }
}

/** What must be right of an event that `decode` has made. The table checks its data. */
const EVENT_FIELDS = { type: isString, topic: optionalString, position: optionalPosition }

const isEvent = (value: unknown): value is RealtimeEvent => !misfit(EVENT_FIELDS, value)
