import { Buffer } from 'node:buffer'
import type { RefusalCode } from '../../core/protocol/messages.ts'
import type { ServerLimits } from '../limits.ts'
import type { PresenceHub, PresenceClient, Seat } from './presence-hub.ts'

/** The connection, as its seats see it. */
export interface SeatHost extends PresenceClient {
  readonly limits: ServerLimits
  /** Asks the app. Rejects when it fails. */
  mayJoin(topic: string): Promise<true | 'forbidden' | 'limit'>
  /** The client is told why it is not, or not any more, in the presence of a topic. */
  refusePresence(topic: string, code: RefusalCode, cause?: unknown): void
}

interface Place {
  /** What the client wants to be seen as; `undefined`: to watch. */
  state: unknown
  /** `undefined` until it is allowed. */
  seat: Seat | undefined
  isAsking: boolean
}

/** The presence of one connection: its seats, and those it waits for. */
export class PresenceSeats {
  readonly #presence: PresenceHub
  readonly #host: SeatHost
  readonly #places = new Map<string, Place>()

  constructor(presence: PresenceHub, host: SeatHost) {
    this.#presence = presence
    this.#host = host
  }

  get topics(): string[] {
    return [...this.#places.keys()]
  }

  has(topic: string): boolean {
    return this.#places.has(topic)
  }

  join(topic: string, state: unknown): void {
    const { maxTopicsPerConnection, maxTopicLength } = this.#host.limits
    const place = this.#places.get(topic)
    const isTooMany = !place && this.#places.size >= maxTopicsPerConnection
    if (isTooMany || topic.length > maxTopicLength || this.#isTooLarge(state)) {
      this.#refuse(topic, 'limit')
    } else if (place) {
      place.state = state
      if (!place.isAsking) void this.#ask(topic, place)
    } else {
      const fresh: Place = { state, seat: undefined, isAsking: false }
      this.#places.set(topic, fresh)
      void this.#ask(topic, fresh)
    }
  }

  update(topic: string, state: unknown): void {
    const place = this.#places.get(topic)
    if (!place) return
    place.state = state
    const isTooMuch = this.#isTooLarge(state) || (place.seat && !this.#presence.say(place.seat, state))
    if (isTooMuch) this.#refuse(topic, 'limit')
  }

  /** `false`: it was not there. */
  leave(topic: string): boolean {
    const place = this.#places.get(topic)
    this.#places.delete(topic)
    if (place?.seat) this.#presence.leave(place.seat, false)
    return place !== undefined
  }

  /** The connection is over. `isDrop`: its client may be back. */
  end(isDrop: boolean): void {
    for (const { seat } of this.#places.values()) if (seat) this.#presence.leave(seat, isDrop)
    this.#places.clear()
  }

  /** What was held back is told. */
  resume(): void {
    for (const { seat } of this.#places.values()) if (seat?.isBehind) this.#presence.tellAll(seat)
  }

  setSilent(isSilent: boolean): void {
    for (const { seat } of this.#places.values()) if (seat) this.#presence.setSilent(seat, isSilent)
  }

  /** Never rejects. */
  async #ask(topic: string, place: Place): Promise<void> {
    place.isAsking = true
    let answer: true | RefusalCode
    let cause: unknown
    try {
      answer = await this.#host.mayJoin(topic)
    } catch (failure) {
      answer = 'unavailable'
      cause = failure
    }
    place.isAsking = false
    if (this.#places.get(topic) !== place) return
    if (answer !== true || !this.#sit(topic, place))
      this.#refuse(topic, answer === true ? 'limit' : answer, cause)
  }

  #sit(topic: string, place: Place): boolean {
    if (!place.seat) {
      place.seat = this.#presence.enter(this.#host, topic, place.state)
      return place.seat !== undefined
    }
    if (!this.#presence.say(place.seat, place.state)) return false
    this.#presence.tellAll(place.seat)
    return true
  }

  #refuse(topic: string, code: RefusalCode, cause?: unknown): void {
    this.leave(topic)
    this.#host.refusePresence(topic, code, cause)
  }

  #isTooLarge(state: unknown): boolean {
    if (state === undefined) return false
    return Buffer.byteLength(JSON.stringify(state)) > this.#host.limits.maxPresenceBytes
  }
}
