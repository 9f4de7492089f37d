import { useState, useSyncExternalStore } from 'react'
import { requestFrame } from '../core/cache/batcher.ts'

type Subscribe = (listener: () => void) => () => void

/** Nobody reads faster, and a page that is flooded has better things to do. */
const PACE_MS = 100

/** Tells React at the next frame, and then ten times a second at most, however often its sources change. */
class Frames {
  readonly #sources: readonly Subscribe[]
  readonly #listeners = new Set<() => void>()
  #detach: (() => void)[] = []
  /** Of the frame that is awaited, or of the pause after it. */
  #cancel: (() => void) | undefined
  /** Something has changed since the last frame. */
  #isDue = false
  #count = 0

  constructor(sources: readonly Subscribe[]) {
    this.#sources = sources
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    if (this.#listeners.size === 1) {
      this.#detach = this.#sources.map((source) => source(this.#request))
      this.#request() // What has happened between the render and now.
    }
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      for (const detach of this.#detach) detach()
      this.#cancel?.()
      this.#cancel = undefined
    }
  }

  readonly count = (): number => this.#count

  readonly #request = (): void => {
    this.#isDue = true
    this.#cancel ??= requestFrame(this.#tell)
  }

  readonly #tell = (): void => {
    this.#isDue = false
    const timer = setTimeout(() => {
      this.#cancel = undefined
      if (this.#isDue) this.#request()
    }, PACE_MS)
    this.#cancel = () => {
      clearTimeout(timer)
    }
    this.#count++
    for (const listener of this.#listeners) listener()
  }
}

/** Renders again after changes of the sources, ten times a second at most. `sources` are those of the first render. */
export function useFrames(sources: () => readonly Subscribe[]): number {
  const [frames] = useState(() => new Frames(sources()))
  return useSyncExternalStore(frames.subscribe, frames.count, frames.count)
}
