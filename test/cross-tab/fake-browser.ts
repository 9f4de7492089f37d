/**
 * Tabs of one browser in one process: Web Locks and BroadcastChannel as their specifications have them, and pages that
 * crash, freeze and thaw. What is posted arrives in a task of its own, in order.
 */
import type { Clock } from '../../src/core/clock.ts'
import type { CrossTabChannel, CrossTabPlatform } from '../../src/cross-tab/platform.ts'

interface Request {
  readonly page: Page
  readonly name: string
  grant(): void
  stolen(): void
}

export class FakeBrowser {
  readonly clock: Clock
  readonly #random: () => number
  /** How long a message takes, in ms. */
  readonly #latency: () => number
  held: Request[] = []
  queue: Request[] = []
  readonly channels = new Set<Channel>()
  #ids = 0

  constructor(clock: Clock, { random, latency }: { random: () => number; latency: () => number }) {
    this.clock = clock
    this.#random = random
    this.#latency = latency
  }

  openPage(): Page {
    return new Page(this, this.#random)
  }

  createId(): string {
    return `tab${++this.#ids}`
  }

  post(from: Channel, message: unknown): void {
    const copy = structuredClone(message)
    for (const channel of this.channels) {
      if (channel === from || channel.name !== from.name) continue
      // One that takes longer does not overtake.
      const at = Math.max(channel.lastAt, this.clock.now() + this.#latency())
      channel.lastAt = at
      this.clock.after(at - this.clock.now(), () => {
        channel.page.run(() => channel.receive(copy))
      })
    }
  }

  processQueue(): void {
    const waiting: Request[] = []
    for (const request of this.queue) {
      if ([...this.held, ...waiting].some(({ name }) => name === request.name)) waiting.push(request)
      else {
        this.held.push(request)
        request.grant()
      }
    }
    this.queue = waiting
  }

  release(request: Request): void {
    this.held = this.held.filter((one) => one !== request)
    this.processQueue()
  }

  /** How many hold a lock, or wait for one. */
  get locks(): { held: number; waiting: number } {
    return { held: this.held.length, waiting: this.queue.length }
  }
}

class Channel implements CrossTabChannel {
  onmessage: CrossTabChannel['onmessage'] = null
  lastAt = 0
  #isClosed = false
  readonly page: Page
  readonly name: string

  constructor(page: Page, name: string) {
    this.page = page
    this.name = name
    if (!page.isDead) page.browser.channels.add(this)
  }

  postMessage(message: unknown): void {
    if (this.#isClosed) throw new DOMException('The channel is closed.', 'InvalidStateError')
    if (!this.page.isDead) this.page.browser.post(this, message)
  }

  receive(data: unknown): void {
    if (!this.#isClosed) this.onmessage?.({ data })
  }

  close(): void {
    this.#isClosed = true
    this.page.browser.channels.delete(this)
  }
}

export class Page {
  readonly browser: FakeBrowser
  readonly #random: () => number
  isDead = false
  isFrozen = false
  /** The shortest that a timer takes, in ms: those of a hidden page are put off. */
  throttledMs = 0
  /** What waits until the page runs again. */
  #tasks: (() => void)[] = []
  readonly #suspendListeners = new Set<() => void>()

  constructor(browser: FakeBrowser, random: () => number) {
    this.browser = browser
    this.#random = random
  }

  /** Runs code of the page: now, when it thaws, or never. */
  run(task: () => void): void {
    if (this.isDead) return
    if (this.isFrozen) this.#tasks.push(task)
    else task()
  }

  /** Timers of the page. */
  readonly clock: Clock = {
    now: () => this.browser.clock.now(),
    elapsed: () => this.browser.clock.now(),
    after: (delayMs, callback) => {
      let isSet = true
      const cancel = this.browser.clock.after(Math.max(delayMs, this.throttledMs), () => {
        this.run(() => {
          if (isSet) callback()
        })
      })
      return () => {
        isSet = false
        cancel()
      }
    },
  }

  /** It runs no code any more, and lets go of everything. */
  crash(): void {
    this.isDead = true
    const { browser } = this
    for (const channel of browser.channels) if (channel.page === this) browser.channels.delete(channel)
    browser.held = browser.held.filter(({ page }) => page !== this)
    browser.queue = browser.queue.filter(({ page }) => page !== this)
    browser.processQueue()
  }

  /** It is told, and runs no code until it thaws. */
  freeze(): void {
    this.suspend()
    this.isFrozen = true
  }

  /** It runs no code until it thaws, and is not told: the system has stopped the process. */
  stop(): void {
    this.isFrozen = true
  }

  thaw(): void {
    this.isFrozen = false
    for (const task of this.#tasks.splice(0)) this.run(task)
  }

  suspend(): void {
    for (const listener of this.#suspendListeners) listener()
  }

  get listeners(): number {
    return this.#suspendListeners.size
  }

  readonly platform: CrossTabPlatform = {
    locks: {
      request: (name, { signal, steal = false }, callback) =>
        new Promise((resolve, reject) => {
          const { browser } = this
          if (this.isDead) return
          const request: Request = {
            page: this,
            name,
            grant: () => {
              browser.clock.after(0, () => {
                this.run(() => {
                  if (!browser.held.includes(request)) return
                  const whenDone = Promise.resolve(callback())
                  void whenDone.then(() => {
                    if (!browser.held.includes(request)) return
                    browser.release(request)
                    resolve(undefined)
                  })
                })
              })
            },
            stolen: () => {
              this.run(() => reject(new DOMException('Stolen.', 'AbortError')))
            },
          }
          if (signal?.aborted) return reject(signal.reason as Error)
          signal?.addEventListener('abort', () => {
            if (!browser.queue.includes(request)) return
            browser.queue = browser.queue.filter((one) => one !== request)
            reject(signal.reason as Error)
            browser.processQueue()
          })
          if (steal) {
            const robbed = browser.held.filter((one) => one.name === name)
            browser.held = [...browser.held.filter((one) => one.name !== name), request]
            for (const one of robbed) one.stolen()
            request.grant()
            return
          }
          browser.queue.push(request)
          browser.processQueue()
        }),
    },
    clock: this.clock,
    random: () => this.#random(),
    createId: () => this.browser.createId(),
    openChannel: (name) => new Channel(this, name),
    onSuspend: (listener) => {
      this.#suspendListeners.add(listener)
      return () => this.#suspendListeners.delete(listener)
    },
    digest: async (text) => `digest of ${[...text].reverse().join('')}`,
  }
}
