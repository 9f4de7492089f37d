import type { Clock } from '../../clock.ts'
import type { Position } from '../../event.ts'
import type { ClientMessage } from '../../protocol/messages.ts'
import { isName } from '../../protocol/shape.ts'
import type { SessionLimits } from '../limits.ts'
import { Alarm } from '../alarm.ts'
import { bytesOf } from '../bytes-of.ts'
import type { Reporter } from '../reporter.ts'
import { advance, newStream, type StreamInput, type StreamOutput, type TopicStream } from './topic-stream.ts'

export interface TopicStreamsOptions {
  readonly clock: Clock
  readonly limits: SessionLimits
  readonly reporter: Reporter
  /** Does what a topic's machine says. `isReplay`: it answers a subscription. */
  readonly carryOut: (outputs: readonly StreamOutput[], topic: string, isReplay: boolean) => void
  readonly send: (message: ClientMessage) => void
  /** Where a topic is to start that is new; `undefined`: nothing is known of it. */
  readonly startOf: (topic: string) => Position | undefined
  /** A topic has come, has gone, or is in another phase. */
  readonly onPhase: () => void
  /** What there was to ask was asked. */
  readonly onFlushed: () => void
}

export const NAMELESS = 'A topic has no name. Leave it out until it is known.'

/** The wanted topics, each with its machine. Positions stay here over reconnects, `stop` and `start`. */
export class TopicStreams {
  readonly #options: TopicStreamsOptions
  readonly #streams = new Map<string, TopicStream>()
  /** Topics to ask for at the next flush: they share one message. */
  readonly #asks = new Set<string>()
  /** For the first deadline of all. */
  readonly #alarm: Alarm
  /** A deadline may have changed: the alarm is set anew at the next flush. */
  #isAlarmStale = false
  /** What was wrong with the wanted topics when they were last told. */
  #isTooMany = false
  #isNameless = false

  constructor(options: TopicStreamsOptions) {
    this.#options = options
    this.#alarm = new Alarm(options.clock, () => {
      this.#isAlarmStale = true // It may ring a little early.
      this.feedAll(() => ({ type: 'timer' }))
    })
  }

  phase(topic: string): TopicStream['phase'] | undefined {
    return this.#streams.get(topic)?.phase
  }

  /** Whether the server has said something about every topic. */
  get isAnswered(): boolean {
    return [...this.#streams.values()].every(({ phase }) => phase !== 'asking' && phase !== 'down')
  }

  /** Takes the wanted topics, all of them, and gives those that were not wanted before and those that no longer are. */
  want(wanted: Iterable<string>): { added: string[]; dropped: string[] } {
    const { limits, reporter, onPhase, startOf } = this.#options
    const { maxTopics } = limits
    const all = new Set(wanted)
    // Servers take nothing of a message with one in it that has no name.
    const named = [...all].filter(isName)
    const topics = new Set(named.slice(0, maxTopics))
    const dropped = [...this.#streams.keys()].filter((topic) => !topics.has(topic))
    const added = [...topics].filter((topic) => !this.#streams.has(topic))
    for (const topic of dropped) this.#streams.delete(topic)
    this.#isAlarmStale = true
    for (const topic of added) this.#streams.set(topic, newStream(topic, startOf(topic)))
    if (added.length + dropped.length > 0) onPhase()

    const isTooMany = named.length > maxTopics
    if (isTooMany && !this.#isTooMany)
      reporter.report('usage', `${named.length} topics: raise limits.maxTopics (${maxTopics}).`)
    this.#isTooMany = isTooMany
    const isNameless = named.length < all.size
    if (isNameless && !this.#isNameless) reporter.report('usage', NAMELESS)
    this.#isNameless = isNameless
    return { added, dropped }
  }

  /** Asks for these topics, or for all that may be asked for. `answerMs`: how long the answers may take. */
  subscribe(topics: Iterable<string> = this.#streams.keys(), answerMs?: number): void {
    for (const topic of topics) {
      if (this.phase(topic) !== 'refused') this.feed(topic, { type: 'connected', answerMs })
    }
    this.flush()
  }

  /** Puts an input to a topic's machine. One that is not wanted has crossed with `unsubscribe`. */
  feed(topic: string, input: StreamInput): void {
    const was = this.#streams.get(topic)
    if (!was) return
    const { clock, limits, carryOut, onPhase } = this.#options
    const { stream, outputs } = advance(was, { ...input, now: clock.now() }, limits)
    this.#streams.set(topic, stream)
    if (stream.dueAt !== was.dueAt) this.#isAlarmStale = true
    if (stream.phase !== was.phase) onPhase()
    for (const { type } of outputs) if (type === 'ask') this.#asks.add(topic)
    carryOut(outputs, topic, input.type === 'subscribed')
  }

  feedAll(inputOf: (topic: string) => StreamInput): void {
    for (const topic of this.#streams.keys()) this.feed(topic, inputOf(topic))
    this.flush()
  }

  /** L10: the positions belong to the last user. The same topics are wanted. */
  forget(): void {
    for (const topic of this.#streams.keys()) this.#streams.set(topic, newStream(topic))
    this.#isAlarmStale = true
    this.#options.onPhase()
    this.flush()
  }

  /** The connection is gone, and what was to be asked over it. */
  disconnect(): void {
    this.#asks.clear()
    this.feedAll(() => ({ type: 'disconnected' }))
  }

  /** Sends the questions that have come up, and sets the timer for the answers. */
  flush(): void {
    const topics = [...this.#asks].map((topic) => ({ topic, position: this.#streams.get(topic)?.position }))
    this.#asks.clear()
    const { maxMessageBytes } = this.#options.limits
    // One message, unless servers would not take it.
    while (topics.length) {
      let bytes = 0
      const end = topics.findIndex((topic) => (bytes += bytesOf(JSON.stringify(topic)) + 1) > maxMessageBytes)
      // The longest name alone would be too long: servers refuse it, and must be asked to.
      this.#options.send({ t: 'subscribe', topics: topics.splice(0, end < 0 ? topics.length : end || 1) })
    }

    if (this.#isAlarmStale) {
      this.#isAlarmStale = false
      const dues = [...this.#streams.values()].flatMap(({ dueAt }) => dueAt ?? [])
      this.#alarm.set(dues.length ? Math.min(...dues) : undefined)
    }
    this.#options.onFlushed()
  }
}
