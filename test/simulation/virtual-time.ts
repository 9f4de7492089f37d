/**
 * Virtual time: timers, intervals and `Date.now` of the platform, replaced while a history runs. Timers fire in
 * order, each as a task of its own: all microtasks run before the next one, as in a browser. Hours pass in
 * milliseconds, and always in the same way.
 */
import type { Clock } from '../../src/core/clock.ts'

interface Timer {
  readonly order: number
  readonly callback: () => void
  at: number
  isCancelled: boolean
}

const START = 1_800_000_000_000

/** All microtasks run before it: there is no other I/O in a simulation. */
const settle = () => new Promise<void>((resolve) => realSetImmediate(resolve))
const realSetImmediate = setImmediate

const REPLACED = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] as const

export class VirtualTime {
  now = START
  /** How far the time of day of the clients was set back. */
  behindMs = 0
  /** What timers have thrown. */
  readonly errors: unknown[] = []
  /** A binary heap by time, then by order. */
  readonly #heap: Timer[] = []
  #order = 0

  /** Takes the place of the platform's time. Returns what gives it back. */
  install(): () => void {
    const saved = Object.fromEntries(REPLACED.map((name) => [name, globalThis[name]]))
    const realNow = Date.now
    const set = (callback: () => void, delayMs?: number) => this.#add(callback, delayMs)
    const clear = (timer: Timer | undefined) => {
      if (timer) timer.isCancelled = true
    }
    const repeat = (callback: () => void, delayMs: number) => {
      const timer: Timer = this.#add(() => {
        if (timer.isCancelled) return
        timer.at = this.now + delayMs
        this.#push(timer)
        callback()
      }, delayMs)
      return timer
    }
    Object.assign(globalThis, {
      setTimeout: set,
      clearTimeout: clear,
      setInterval: repeat,
      clearInterval: clear,
    })
    Date.now = () => this.now - this.behindMs
    return () => {
      Object.assign(globalThis, saved)
      Date.now = realNow
    }
  }

  /** A clock for those who take one. `pending` counts its timers that are set. The servers' are not set back. */
  clock(of: 'client' | 'server' = 'client'): Clock & { readonly pending: number } {
    let pending = 0
    return {
      now: () => this.now - (of === 'client' ? this.behindMs : 0),
      elapsed: () => this.now,
      after: (delayMs, callback) => {
        pending += 1
        let isSet = true
        const end = () => {
          if (isSet) pending -= 1
          isSet = false
        }
        const timer = this.#add(() => {
          end()
          callback()
        }, delayMs)
        return () => {
          end()
          timer.isCancelled = true
        }
      },
      get pending() {
        return pending
      },
    }
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#heap.filter((timer) => !timer.isCancelled).length
  }

  /** Lets time pass, and everything happen that is due until then. */
  async advance(ms: number): Promise<void> {
    const end = this.now + ms
    await settle()
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.now = Math.max(this.now, next.at)
      try {
        next.callback()
      } catch (error) {
        this.errors.push(error)
      }
      await settle()
    }
    this.now = end
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#add(resolve, ms))
  }

  #add(callback: () => void, delayMs = 0): Timer {
    const at = this.now + Math.max(0, delayMs)
    const timer = { callback, at, order: (this.#order += 1), isCancelled: false }
    this.#push(timer)
    return timer
  }

  #next(end: number): Timer | undefined {
    for (let first = this.#heap[0]; first && first.at <= end; first = this.#heap[0]) {
      this.#pop()
      if (!first.isCancelled) return first
    }
    return undefined
  }

  #push(timer: Timer): void {
    const heap = this.#heap
    let at = heap.push(timer) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (isBefore(heap[parent]!, timer)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = timer
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1
      if (isBefore(last, heap[child]!)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

const isBefore = (a: Timer, b: Timer) => a.at < b.at || (a.at === b.at && a.order < b.order)
