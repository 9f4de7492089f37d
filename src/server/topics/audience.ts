import type { EventBatch } from './event-batch.ts'
import type { SignalListener } from '../presence/signal-hub.ts'

/** Who hears a topic. Must not throw. */
export interface TopicListener {
  /** Where it is in its audience, which sets it. -1: nowhere. */
  place: number
  deliver(batch: EventBatch): void
  /** The log may have kept events from it. */
  missed(): void
  /** Who hears the signals of the topic by it. `undefined`: nobody yet. */
  readonly signalListener?: SignalListener | undefined
}

/** A list is tidied up when at least so many places, and half of all, are empty. */
const MIN_GAPS = 16

/**
 * Everybody who hears one topic: a list in which each knows its place, a third of the size of a Set. It may be gone
 * through over many turns: those who come are at its end, and those who go leave their places empty. Once the list is
 * tidied up, whoever is still at the old one meets nobody who came later, and may meet some who have gone.
 */
export class Audience implements Iterable<TopicListener> {
  readonly topic: string
  #places: (TopicListener | undefined)[] = []
  #gaps = 0

  constructor(topic: string) {
    this.topic = topic
  }

  get isEmpty(): boolean {
    return this.#places.length === this.#gaps
  }

  add(listener: TopicListener): void {
    if (listener.place >= 0) return
    listener.place = this.#places.length
    this.#places.push(listener)
  }

  remove(listener: TopicListener): void {
    if (listener.place < 0) return
    this.#places[listener.place] = undefined
    listener.place = -1
    this.#gaps += 1
    if (this.#gaps < MIN_GAPS || this.#gaps * 2 < this.#places.length) return
    const places = this.#places.filter((one) => one !== undefined)
    for (const [place, one] of places.entries()) one.place = place
    this.#places = places
    this.#gaps = 0
  }

  /** The list as it is now, with its empty places. */
  get places(): readonly (TopicListener | undefined)[] {
    return this.#places
  }

  *[Symbol.iterator](): Generator<TopicListener, void> {
    const places = this.#places
    for (let at = 0; at < places.length; at++) {
      const listener = places[at]
      if (listener) yield listener
    }
  }
}
