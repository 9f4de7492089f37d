/**
 * Signals: passing words (is typing, a cursor's place) to whoever is there. They are never stored; of one sender and
 * type only the last one within a tick is sent on, and who does not read fast enough misses them.
 */
import type { Clock } from '../../core/clock.ts'
import type { WireSignal } from '../../core/protocol/messages.ts'
import { signalsFrame } from '../sockets/frames.ts'
import type { NodeChannel } from '../cluster/node-channel.ts'
import { SharedFrame } from '../sockets/shared-frame.ts'

/** One who hears signals. */
export interface SignalListener {
  /** Signals of this sender are its own: it is not told of them. */
  readonly memberId: string
  /** Sends it now, or not at all when the client is slow. */
  sendVolatile(frame: SharedFrame): void
}

/** How long signals are gathered: about a frame of a screen. */
const TICK_MS = 16

/** The most that is gathered in one topic; what is beyond it in a tick is lost. */
const MAX_PER_TICK = 500

export class SignalHub {
  readonly #clock: Clock
  readonly #channel: NodeChannel
  /** Everybody who hears a topic, each one once. */
  readonly #listeners: (topic: string) => Iterable<SignalListener>
  /** By topic, and in it by sender and type. */
  readonly #gathered = new Map<string, Map<string, { signal: WireSignal; isOurs: boolean }>>()
  #cancelTick: (() => void) | undefined
  #isClosed = false

  constructor(options: {
    clock: Clock
    channel: NodeChannel
    listeners: (topic: string) => Iterable<SignalListener>
  }) {
    this.#clock = options.clock
    this.#channel = options.channel
    this.#listeners = options.listeners
  }

  /** `isOurs`: it comes from a client of this node, so other nodes are told. */
  add(topic: string, signal: WireSignal, isOurs: boolean): void {
    if (this.#isClosed) return
    let signals = this.#gathered.get(topic)
    if (!signals) this.#gathered.set(topic, (signals = new Map()))
    const key = JSON.stringify([signal.from, signal.type])
    if (signals.size < MAX_PER_TICK || signals.has(key)) signals.set(key, { signal, isOurs })
    this.#cancelTick ??= this.#clock.after(TICK_MS, () => {
      this.#cancelTick = undefined
      this.#tick()
    })
  }

  close(): void {
    this.#isClosed = true
    this.#cancelTick?.()
    this.#gathered.clear()
  }

  #tick(): void {
    for (const [topic, gathered] of this.#gathered) {
      const all = [...gathered.values()]
      const ours = all.filter(({ isOurs }) => isOurs).map(({ signal }) => signal)
      if (ours.length > 0) this.#channel.say({ t: 'signals', topic, signals: ours })
      this.#deliver(
        topic,
        all.map(({ signal }) => signal),
      )
    }
    this.#gathered.clear()
  }

  #deliver(topic: string, signals: readonly WireSignal[]): void {
    // Once: every sender is sent another list, without its own.
    const texts = signals.map((signal) => JSON.stringify(signal))
    const frameOf = (list: readonly string[]) => new SharedFrame(() => signalsFrame(topic, list))
    const frame = frameOf(texts)
    const senders = new Set(signals.map(({ from }) => from))
    for (const listener of this.#listeners(topic)) {
      if (!senders.has(listener.memberId)) {
        listener.sendVolatile(frame)
        continue
      }
      const others = texts.filter((_, index) => signals[index]?.from !== listener.memberId)
      if (others.length > 0) listener.sendVolatile(frameOf(others))
    }
  }
}
