import { useState, useSyncExternalStore } from 'react'
import { requestFrame } from '../core/cache/batcher.ts'

type Subscribe = (listener: () => void) => () => void

/** Tells React once per frame, however often its sources change. */
class Frames {
  readonly #sources: readonly Subscribe[]
  readonly #listeners = new Set<() => void>()
  #detach: (() => void)[] = []
  #cancel: (() => void) | undefined
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
    this.#cancel ??= requestFrame(() => {
      this.#cancel = undefined
      this.#count++
      for (const listener of this.#listeners) listener()
    })
  }
}

/** Renders again after changes of the sources, at most once per frame. `sources` are those of the first render. */
export function useFrames(sources: () => readonly Subscribe[]): number {
  const [frames] = useState(() => new Frames(sources()))
  return useSyncExternalStore(frames.subscribe, frames.count, frames.count)
}
