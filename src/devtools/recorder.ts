/**
 * Records what passes through a bridge, for people:
 *
 *   bridge.tap, reporter.tap, status, topics, mutations ─▶ Ring of entries ─▶ panel
 *
 * It keeps no timer and holds the bridge back by nothing but its own time. What it keeps is bounded: the last
 * `capacity` entries, and counts of as many topics (`topic-tally.ts`).
 */
import type { BridgeTap } from '../bridge-tap.ts'
import type { RealtimeQueryBridge } from '../bridge.ts'
import { idIn } from '../core/cache/mutations/pending-mutation.ts'
import type { RoutedEvent } from '../core/cache/plan-batch.ts'
import type { RealtimeError } from '../core/errors.ts'
import type { RealtimeEvent } from '../core/event.ts'
import type { EventTable, Resolved } from '../core/routing/event-table.ts'
import type { Ack, BridgeStatus, TopicResync } from '../core/session/session.ts'
import type { Entry, Recorded, TopicCounts } from './record.ts'
import { mutationChanges, statesOf, topicChanges, type MutationStates, type TopicStates } from './changes.ts'
import { failureOf, redacted, type Redact, type RedactContext } from './redact.ts'
import { Ring } from './ring.ts'
import { textOf } from './text.ts'
import { TopicTally } from './topic-tally.ts'
import { outcomesOf, record, touch, type Touch } from './touched.ts'

/** Any bridge, whatever its table. */
export type AnyBridge = RealtimeQueryBridge<EventTable>

export interface RecorderOptions {
  /** How many entries are kept; the oldest are dropped, and counted. Counts for the first who asks. @default 500 */
  readonly capacity?: number | undefined
  /** Asked before anything of a payload is kept. @default everything is shown */
  readonly redact?: Redact | undefined
}

const CAPACITY = 500
/** Events that wait for their frame. */
const MAX_WAITING = 1_000

const recorders = new WeakMap<AnyBridge, Recorder>()
let made = 0

/** The recorder of a bridge. The first who asks makes it; it records from then on, for as long as the bridge is used. */
export function recorderOf(bridge: AnyBridge, options: RecorderOptions = {}): Recorder {
  let recorder = recorders.get(bridge)
  if (!recorder) recorders.set(bridge, (recorder = new Recorder(bridge, options)))
  recorder.redactBy(options.redact)
  return recorder
}

export class Recorder {
  /** Another one for each. */
  readonly id = made++
  readonly bridge: AnyBridge
  readonly #ring: Ring<Entry>
  readonly #listeners = new Set<() => void>()
  /** Given out, until something is recorded. */
  #entries: readonly Entry[] | undefined
  readonly #waiting = new Map<RealtimeEvent, { readonly number: number; readonly touches: Touch[] }>()
  readonly #tally = new TopicTally()
  /** As they were last. */
  #topicStates: TopicStates = new Map()
  #mutations: MutationStates = new Map()
  #status: BridgeStatus | undefined
  #identity: string | null
  #redact: Redact | undefined
  readonly #detach: (() => void)[]

  constructor(bridge: AnyBridge, { capacity = CAPACITY, redact }: RecorderOptions = {}) {
    this.bridge = bridge
    this.#ring = new Ring(capacity)
    this.#redact = redact
    this.#identity = bridge.identity
    const tap: BridgeTap = {
      onEvent: (event, resolved, isReplay) => {
        this.#onEvent(event, resolved, isReplay)
      },
      onApplied: (batch) => {
        this.#onApplied(batch)
      },
      onResync: (resync) => {
        this.#onResync(resync)
      },
      onSend: (type, data, ack) => {
        this.#onSend(type, data, ack)
      },
    }
    bridge.tap = tap
    const onError = (bridge.reporter.tap = (error: RealtimeError) => {
      this.#onError(error)
    })
    this.#detach = [
      () => {
        if (bridge.tap === tap) bridge.tap = undefined
        if (bridge.reporter.tap === onError) bridge.reporter.tap = undefined
      },
      bridge.subscribe((status) => {
        this.#onStatus(status)
      }),
      bridge.onLiveChange(() => {
        this.#followTopics()
      }),
      bridge.subscribePending(() => {
        this.#followMutations()
      }),
    ]
    this.#onStatus(bridge.status)
    this.#followTopics()
    this.#followMutations()
  }

  get capacity(): number {
    return this.#ring.capacity
  }

  /** Entries that there was no room for. */
  get dropped(): number {
    return this.#ring.dropped
  }

  /** Newest first. The same list until something is recorded. */
  get entries(): readonly Entry[] {
    this.#forgetOthers()
    return (this.#entries ??= this.#ring.newestFirst())
  }

  topicCounts(topic: string): TopicCounts {
    return this.#tally.of(topic)
  }

  /** What the app lets be seen of a value. */
  shown(value: unknown, context: RedactContext): unknown {
    return redacted(this.#redact, value, context)
  }

  /** From now on payloads pass through `redact`. What was recorded without it goes. */
  redactBy(redact: Redact | undefined): void {
    if (!redact || redact === this.#redact) return
    const isFirst = this.#redact === undefined
    this.#redact = redact
    if (isFirst) this.clear()
  }

  clear(): void {
    this.#ring.clear()
    this.#tally.clear()
    this.#waiting.clear()
    this.#changed()
  }

  /** Calls `listener` at each entry: often, and in the midst of things. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** Records no more, and forgets what it has. The next who asks for the bridge's recorder gets a new one. */
  stop(): void {
    for (const detach of this.#detach) detach()
    this.clear()
    if (recorders.get(this.bridge) === this) recorders.delete(this.bridge)
  }

  #onEvent(event: RealtimeEvent, resolved: Resolved, isReplay: boolean): void {
    this.#safely(() => {
      const { type, topic, position, mutationId } = event
      const data = this.shown(event.data, { kind: 'event', name: type })
      const about = { type, topic, position, mutationId, data }
      if (topic !== undefined) this.#tally.count(topic, 'events')
      if (!resolved.ok) {
        this.#push({ kind: 'refused', ...about, ...failureOf(resolved.error, this.#redact) })
        return
      }
      const touches = resolved.effects.map((effect) => touch(this.bridge, effect))
      const number = this.#push({
        kind: 'event',
        ...about,
        isReplay,
        isOwn: this.bridge.isOwn(event),
        effects: touches.map((one) => record(one)),
      })
      const [oldest] = this.#waiting.keys()
      if (this.#waiting.size >= MAX_WAITING && oldest) this.#waiting.delete(oldest)
      this.#waiting.set(resolved.event, { number, touches })
    })
  }

  #onApplied(batch: readonly RoutedEvent[]): void {
    this.#safely(() => {
      for (const { event, effects } of batch) {
        if (!event) {
          this.#push({ kind: 'write', effects: effects.map((effect) => record(touch(this.bridge, effect))) })
          continue
        }
        const waiting = this.#waiting.get(event)
        if (!waiting) continue
        this.#waiting.delete(event)
        const done = waiting.touches.map((one) => record(one, outcomesOf(one)))
        this.#ring.replace(waiting.number, (entry) => ({ ...entry, effects: done, together: batch.length }))
        this.#changed()
      }
    })
  }

  #onResync({ topic, outcome, position, quietMs }: TopicResync): void {
    this.#safely(() => {
      this.#push({ kind: 'topic', topic, what: outcome, position, quietMs })
      if (topic === undefined || outcome === 'fresh') return
      this.#tally.count(topic, outcome === 'reset' ? 'resets' : 'replays')
    })
  }

  #onSend(type: string, data: unknown, ack: Promise<Ack>): void {
    this.#safely(() => {
      const shown = this.shown(data, { kind: 'send', name: type })
      const number = this.#push({ kind: 'send', type, data: shown })
      void ack.then((known) => {
        const safe =
          known.fate === 'acked'
            ? { ...known, data: this.shown(known.data, { kind: 'ack', name: type }) }
            : known
        this.#ring.replace(number, (entry) => ({ ...entry, ack: safe }) as Entry)
        this.#changed()
      })
    })
  }

  #onError(error: RealtimeError): void {
    this.#safely(() => {
      // An event that the table refuses has an entry of its own.
      if (
        ['unknown-event', 'invalid-data', 'handler-failed'].includes(error.code) &&
        error.details?.['event']
      )
        return
      const { cause } = error
      const why =
        cause === undefined ? undefined : this.shown(textOf(cause), { kind: 'error', name: error.code })
      this.#push({ kind: 'error', ...failureOf(error, this.#redact), cause: why })
    })
  }

  #onStatus(status: BridgeStatus): void {
    this.#safely(() => {
      const last = this.#status
      this.#status = status
      const { attempt, reason, retryAt } = status
      // How many sends wait is no change of the connection.
      const isSame =
        last?.status === status.status &&
        last.attempt === attempt &&
        last.reason === reason &&
        last.retryAt === retryAt
      if (isSame) this.#changed()
      else this.#push({ kind: 'status', status })
    })
  }

  #followTopics(): void {
    this.#safely(() => {
      const { bridge } = this
      const before = this.#topicStates
      const wanted = [...bridge.interest.wanted()]
      this.#topicStates = new Map(wanted.map((topic) => [topic, bridge.topicState(topic)]))
      const isLive = bridge.status.status === 'live'
      for (const { topic, what } of topicChanges(before, this.#topicStates, isLive)) {
        if (what === 'gap') this.#tally.count(topic, 'gaps')
        this.#push({ kind: 'topic', topic, what })
      }
      this.#changed()
    })
  }

  #followMutations(): void {
    this.#safely(() => {
      const pending = this.bridge.pendingMutations()
      const before = this.#mutations
      this.#mutations = statesOf(pending)
      const isCarriedOut = (mutationId: string) => this.#isCarriedOut(mutationId)
      for (const { mutationId, what } of mutationChanges(before, this.#mutations, isCarriedOut)) {
        const { variables, error } = pending.find((one) => one.mutationId === mutationId) ?? {}
        const shown = this.shown(variables, { kind: 'mutation' })
        const why = error ? this.shown(textOf(error), { kind: 'error' }) : undefined
        this.#push({ kind: 'mutation', what, mutationId, variables: shown, error: why })
      }
      this.#changed()
    })
  }

  #isCarriedOut(mutationId: string): boolean {
    const mutations = this.bridge.queryClient.getMutationCache().getAll()
    const mutation = mutations.find((one) => idIn(one) === mutationId)
    return mutation?.state.status === 'success'
  }

  #push(recorded: Recorded): number {
    const at = this.bridge.cache.options.clock.now()
    const number = this.#ring.push((number) => ({ ...recorded, number, at }))
    this.#changed()
    return number
  }

  /** L10: what belongs to the last user is not shown to the next one. */
  #forgetOthers(): void {
    const { identity } = this.bridge
    if (identity === this.#identity) return
    this.#identity = identity
    this.#topicStates = new Map()
    this.#mutations = new Map()
    this.clear()
    this.#push({ kind: 'user' })
  }

  #changed(): void {
    this.#entries = undefined
    for (const listener of this.#listeners) listener()
  }

  /** Whatever goes wrong here is not to go wrong in the app. */
  #safely(step: () => void): void {
    try {
      this.#forgetOthers()
      step()
    } catch (cause) {
      console.warn('[realtime-query-bridge] The devtools could not record something.', cause)
    }
  }
}
