/**
 * Coalesces bursts. The first item after quiet is flushed at once, so an isolated event pays no latency; what
 * follows waits for the end of the frame and is flushed together, so a burst costs one write per query and one
 * render (L7).
 *
 *   quiet ──push──▶ flush now, arm a frame ──push──▶ queue ──frame──▶ flush, arm a frame ──frame, empty──▶ quiet
 */

/** Calls back once, at the end of this frame. Returns what cancels it. */
export type RequestFrame = (callback: () => void) => () => void

/** One frame at 60 Hz, in ms: the pace of flushes where there is no `requestAnimationFrame`. */
const FRAME_MS = 16

/** `requestAnimationFrame` stops in hidden tabs and may stall in visible ones: after this, flush all the same. */
const STALLED_FRAME_MS = 100

/** The platform's frame: `requestAnimationFrame` where a page is visible, a timer elsewhere. */
export const requestFrame: RequestFrame = (callback) => {
  // React Native and workers have frames and no document.
  if (typeof requestAnimationFrame !== 'function' || globalThis.document?.visibilityState !== 'visible') {
    const timer = setTimeout(callback, FRAME_MS)
    return () => {
      clearTimeout(timer)
    }
  }
  const cancel = () => {
    cancelAnimationFrame(frame)
    clearTimeout(timer)
  }
  const run = () => {
    cancel()
    callback()
  }
  const frame = requestAnimationFrame(run)
  const timer = setTimeout(run, STALLED_FRAME_MS)
  return cancel
}

export interface BatcherOptions<TItem> {
  flush(items: readonly TItem[]): void
  requestFrame: RequestFrame
  /** At this many queued items the queue is flushed without waiting for the frame. */
  maxQueued: number
}

export class Batcher<TItem> {
  readonly #options: BatcherOptions<TItem>
  /** Items that wait for the frame. Emptied by every flush. */
  #queue: TItem[] = []
  /** Cancels the armed frame; undefined while quiet. */
  #cancelFrame: (() => void) | undefined

  constructor(options: BatcherOptions<TItem>) {
    this.#options = options
  }

  /** Takes items in order. Items that come in one call are flushed in one call. */
  push(items: readonly TItem[]): void {
    for (const item of items) this.#queue.push(item)
    if (this.#cancelFrame === undefined || this.#queue.length >= this.#options.maxQueued) this.flush()
  }

  /** Flushes what is queued now, and waits for a frame before the next flush. */
  flush(): void {
    this.#cancelFrame?.()
    this.#cancelFrame = undefined
    if (this.#queue.length === 0) return
    // Armed before the flush: what a listener pushes during it is queued, not flushed in the middle of it. And before
    // the queue is taken: a frame that cannot be armed loses nothing.
    this.#cancelFrame = this.#options.requestFrame(() => {
      this.#cancelFrame = undefined
      this.flush()
    })
    const items = this.#queue
    this.#queue = []
    this.#options.flush(items)
  }

  /** Flushes what is queued and disarms the frame. */
  stop(): void {
    this.flush()
    this.#cancelFrame?.()
    this.#cancelFrame = undefined
  }
}
