/**
 * One topic of one connection, for several tabs. Each tab asks from the position it stands at, and is answered as if the
 * connection were its own (L1):
 *
 *   asks ──▶ waiting ──question──▶ asked ──answer──▶ live ──events──▶ …
 *
 * - One question at a time is with the server, so its answer is known to be that. Tabs that wait share the next one: it
 *   asks from the oldest of their positions, and each is told what came after its own.
 * - `head` is where the live tabs stand. The server begins at the position of the last question, so a question never
 *   begins after `head`, or what lies between would be skipped for them.
 * - An answer that does not continue from `head` makes the live tabs wait: their place is asked for.
 * - A tab that is new to the topic and stands at `head`, or knows nothing, needs nobody to be asked.
 */
import type { Position } from '../core/event.ts'
import type { ServerMessage, WireEvent } from '../core/protocol/messages.ts'
import type { HubTab } from './hub.ts'

type Answer = Extract<ServerMessage, { t: 'subscribed' }>
type Events = Extract<ServerMessage, { t: 'events' }>

interface Wait {
  readonly position: Position | undefined
  /** It has not been live here: nothing can be wrong with what it was sent. */
  readonly isNew: boolean
}

interface Question {
  readonly from: Position | undefined
  readonly group: Map<HubTab, Position | undefined>
  /** The answer to it was doubted, and it is asked again. */
  readonly isRepeated: boolean
  /** The server has got it. */
  readonly isSent: boolean
}

const isAt = (a: Position | undefined, b: Position | undefined): boolean =>
  a?.epoch === b?.epoch && a?.offset === b?.offset

export class SharedTopic {
  readonly #topic: string
  readonly #now: () => number
  readonly #live = new Set<HubTab>()
  readonly #waiting = new Map<HubTab, Wait>()
  #asked: Question | undefined
  #head: Position | undefined
  /** Since when nothing has happened that the live tabs were not told. */
  #quietSince = 0

  constructor(topic: string, now: () => number) {
    this.#topic = topic
    this.#now = now
  }

  /** Where the live tabs stand. */
  get head(): Position | undefined {
    return this.#head
  }

  /** Nobody wants it, and no answer is on its way that could be taken for another one. */
  get isOver(): boolean {
    return !this.#asked && this.#live.size === 0 && this.#waiting.size === 0
  }

  /** The server has been asked, and has not answered. */
  get isAsked(): boolean {
    return this.#asked !== undefined
  }

  isLive(tab: HubTab): boolean {
    return this.#live.has(tab)
  }

  isWaiting(tab: HubTab): boolean {
    return this.#waiting.has(tab) || this.#asked?.group.has(tab) === true
  }

  /** A tab subscribes, or asks again. */
  ask(tab: HubTab, position: Position | undefined): void {
    const isNew = !this.#live.has(tab) && !this.isWaiting(tab)
    this.leave(tab)
    this.#waiting.set(tab, { position, isNew })
    this.#serve()
  }

  leave(tab: HubTab): void {
    this.#live.delete(tab)
    this.#waiting.delete(tab)
    this.#asked?.group.delete(tab)
  }

  /** What is to be asked now; then it is asked. */
  takeQuestion(): { readonly topic: string; readonly position?: Position | undefined } | undefined {
    if (!this.#asked) this.#choose()
    if (!this.#asked || this.#asked.isSent) return undefined
    this.#asked = { ...this.#asked, isSent: true }
    return { topic: this.#topic, position: this.#asked.from }
  }

  #choose(): void {
    const [first] = this.#waiting.values()
    if (!first) return
    let from = first.position
    const group: Question['group'] = new Map()
    for (const [tab, { position }] of this.#waiting) {
      if (position?.epoch !== first.position?.epoch) continue
      this.#waiting.delete(tab)
      group.set(tab, position)
      if (from && position && position.offset < from.offset) from = position
    }
    const head = this.#head
    if (from && head?.epoch === from.epoch && head.offset < from.offset) from = head
    this.#asked = { from, group, isRepeated: false, isSent: false }
  }

  answered(answer: Answer): void {
    const { outcome, position: now, events = [], quietMs } = answer
    const question = this.#asked
    const from = question?.from
    const group: Question['group'] = question?.group ?? new Map<HubTab, undefined>()
    const head = this.#head
    const isReplay =
      question !== undefined &&
      from?.epoch === now.epoch &&
      (outcome === 'replayed' || (outcome === 'fresh' && isAt(from, now)))
    // It may be the answer to an earlier question, when a reset came unasked and was taken for that. Events would show the
    // hole that this would make; where there are none, it is asked once more.
    if (isReplay && events.length === 0 && !isAt(from, now) && !question.isRepeated) {
      this.#asked = { ...question, isRepeated: true, isSent: false }
      return
    }
    this.#asked = undefined

    if (isReplay && head?.epoch === now.epoch && from.offset <= head.offset) {
      this.#tell(
        this.#live,
        events.filter(({ offset }) => offset > head.offset),
        now.epoch,
      )
    } else if (question === undefined && outcome === 'reset') {
      for (const tab of this.#live) tab.post(answer)
    } else if (!isAt(head, now)) {
      for (const tab of this.#live) this.#waiting.set(tab, { position: head, isNew: false })
      this.#live.clear()
    }

    for (const [tab, known] of group) {
      this.#live.add(tab)
      if (isReplay && known && known.offset <= now.offset) {
        tab.post({
          ...answer,
          outcome: 'replayed',
          events: events.filter(({ offset }) => offset > known.offset),
          quietMs: undefined,
        })
      } else {
        // What does not know anything cannot have missed it.
        const { events: _, ...rest } = answer
        tab.post({ ...rest, outcome: known ? 'reset' : 'fresh' })
      }
    }

    if (quietMs !== undefined) this.#quietSince = this.#now() - quietMs
    else if (!isAt(head, now)) this.#quietSince = this.#now()
    this.#head = now
    this.#serve()
  }

  heard(message: Events, raw: unknown): void {
    const last = message.events.at(-1)
    if (!last || !this.#head) return // It has crossed with the end of the last subscription.
    for (const tab of this.#live) tab.post(raw)
    this.#quietSince = this.#now()
    const { epoch, offset } = this.#head
    if (epoch === message.epoch && last.offset > offset) this.#head = { epoch, offset: last.offset }
  }

  /** What the server says it has sent last. Something was lost when that is not where the live tabs stand. */
  sentLast(position: Position): void {
    const head = this.#head
    if (this.#asked || !head || (position.epoch === head.epoch && position.offset <= head.offset)) return
    for (const tab of this.#live) this.#waiting.set(tab, { position: head, isNew: false })
    this.#live.clear()
  }

  /** It has ended, for all. */
  ended(raw: unknown): void {
    for (const tab of [...this.#live, ...this.#waiting.keys(), ...(this.#asked?.group.keys() ?? [])])
      tab.post(raw)
    this.#live.clear()
    this.#waiting.clear()
    this.#asked = this.#head = undefined
  }

  /** Tabs that are new and have missed nothing join the live ones. */
  #serve(): void {
    const head = this.#head
    if (!head) return
    for (const [tab, { position, isNew }] of this.#waiting) {
      if (!isNew || (position && !isAt(position, head))) continue
      this.#waiting.delete(tab)
      this.#live.add(tab)
      const how = position
        ? ({ outcome: 'replayed', events: [] } as const)
        : ({ outcome: 'fresh', quietMs: Math.max(0, Math.floor(this.#now() - this.#quietSince)) } as const)
      tab.post({ t: 'subscribed', topic: this.#topic, position: head, ...how } satisfies Answer)
    }
  }

  #tell(tabs: Iterable<HubTab>, events: readonly WireEvent[], epoch: string): void {
    if (events.length === 0) return
    for (const tab of tabs) tab.post({ t: 'events', topic: this.#topic, epoch, events } satisfies Events)
  }
}
