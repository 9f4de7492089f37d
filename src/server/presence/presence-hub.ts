/**
 * Presence: who is in a topic, told to everybody who is in it. Changes are gathered for a moment, so that a busy topic
 * costs each client a few frames a second, whatever happens in it.
 *
 * A seat is one connection in one topic. A member is a client: it outlives its connection by a grace, and a new
 * connection of the same client takes over its seat without anybody noticing.
 */
import type { Clock } from '../../core/clock.ts'
import { encodeMessage } from '../../core/protocol/codec.ts'
import type { PresenceMember, ServerMessage } from '../../core/protocol/messages.ts'
import type { NodeChannel, NodeMessage } from '../cluster/node-channel.ts'
import { PresenceState, type NodeMember } from './presence-state.ts'
import { PresenceSync, type LocalChange } from './presence-sync.ts'
import { SharedFrame } from '../sockets/shared-frame.ts'

/** A connection, as presence sees it. */
export interface PresenceClient {
  /** The same on the client's next connection, when `isLasting`. */
  readonly memberId: string
  readonly isLasting: boolean
  readonly user: string | undefined
  sendMessage(message: ServerMessage): void
  sendShared(frame: SharedFrame): void
  /** Bytes that may be sent before anything is held back. */
  room(): number
}

export interface Seat {
  readonly client: PresenceClient
  /** The client's, when it took the seat: the seat outlives the connection. */
  readonly memberId: string
  readonly user: string | undefined
  readonly isLasting: boolean
  readonly topic: string
  /** What the client says of itself. Only watching: `undefined`. */
  state: unknown
  /** Changes were held back: it is told everything when it has room again. */
  isBehind: boolean
  /** Its client says nothing, or has been taken over by another seat: it is not shown. */
  isHidden: boolean
}

/** How long changes are gathered. */
const GATHER_MS = 50

export class PresenceHub {
  readonly #clock: Clock
  /** Nodes compare by it who was seen last. */
  readonly #timeOfDay: () => number
  readonly #channel: NodeChannel
  readonly #graceMs: number
  readonly #maxMembers: number
  readonly #state = new PresenceState()
  readonly #sync: PresenceSync
  readonly #seats = new Map<string, Set<Seat>>()
  /** The seat that speaks for a member: the newest one of its client. */
  readonly #holders = new Map<string, Seat>()
  /** Members whose connection is gone, and what cancels their leave. */
  readonly #leaving = new Map<Seat, () => void>()
  readonly #untold = new Map<string, LocalChange>()
  #cancelFlush: (() => void) | undefined
  #isStarted = false
  #isClosed = false
  #lastAt = 0

  constructor(options: {
    clock: Clock
    timeOfDay: () => number
    channel: NodeChannel
    graceMs: number
    maxMembers: number
  }) {
    const { clock, timeOfDay, channel, graceMs } = options
    this.#clock = clock
    this.#timeOfDay = timeOfDay
    this.#channel = channel
    this.#graceMs = graceMs
    this.#maxMembers = options.maxMembers
    this.#sync = new PresenceSync({
      state: this.#state,
      channel,
      clock,
      graceMs,
      onChange: (heard) => {
        for (const [topic, member] of heard) this.#giveWay(topic, member)
        this.#flushLater()
      },
    })
  }

  /** Other nodes are heard from the first connection, or question of the app, on. */
  start(): void {
    if (this.#isStarted || this.#isClosed) return
    this.#isStarted = true
    this.#sync.start()
  }

  members(topic: string): PresenceMember[] {
    return this.#state.members(topic)
  }

  /** Connections of this node that are in the presence of a topic, each topic for itself. */
  get seatCount(): number {
    let count = 0
    for (const seats of this.#seats.values()) count += seats.size
    return count
  }

  seatsOf(topic: string): ReadonlySet<Seat> | undefined {
    return this.#seats.get(topic)
  }

  /** Takes a seat and tells it who is there. `undefined`: the topic has as many members as it may. */
  enter(client: PresenceClient, topic: string, state: unknown): Seat | undefined {
    const { memberId, user, isLasting } = client
    const whoIsIt = { client, memberId, user, isLasting }
    const seat: Seat = { ...whoIsIt, topic, state: undefined, isBehind: false, isHidden: false }
    if (!this.say(seat, state)) return undefined
    const seats = this.#seats.get(topic)
    if (seats) seats.add(seat)
    else this.#seats.set(topic, new Set([seat]))
    this.tellAll(seat)
    return seat
  }

  /** A new state, or none any more. `false`: the topic has as many members as it may. */
  say(seat: Seat, state: unknown): boolean {
    const { topic, memberId } = seat
    if (state === undefined) {
      seat.state = undefined
      this.#hide(seat)
      return true
    }
    const isNew = !this.#state.has(topic, memberId)
    if (isNew && this.#state.count(topic) >= this.#maxMembers) return false
    seat.state = state
    this.#show(seat)
    return true
  }

  /** Everything that is known, to one who has just come or was held back: now, or when it has room. */
  tellAll(seat: Seat): void {
    const { client, topic } = seat
    // A list may be large, and whoever asks for many and reads none has them all waiting here.
    seat.isBehind = client.room() <= 0
    if (seat.isBehind) return
    client.sendMessage({
      t: 'presence-state',
      topic,
      members: this.#state.members(topic),
      self: seat.memberId,
    })
  }

  /** The seat is given up. `isDrop`: the connection is gone, and its client may be back within the grace. */
  leave(seat: Seat, isDrop: boolean): void {
    const seats = this.#seats.get(seat.topic)
    if (seats?.delete(seat) && seats.size === 0) this.#seats.delete(seat.topic)
    if (this.#isClosed) return
    const isHolder = this.#holders.get(keyOf(seat)) === seat
    if (!isDrop || !isHolder || !seat.isLasting || this.#graceMs === 0) {
      this.#hide(seat)
      return
    }
    this.#leaving.set(
      seat,
      this.#clock.after(this.#graceMs, () => {
        this.#hide(seat)
      }),
    )
  }

  /** The client has said nothing for too long, or something again. */
  setSilent(seat: Seat, isSilent: boolean): void {
    if (isSilent) {
      this.#hide(seat)
      seat.isHidden = true
    } else if (seat.isHidden && seat.state !== undefined) {
      this.#show(seat)
    }
  }

  hear(message: NodeMessage): void {
    this.#sync.hear(message)
  }

  /** Ends what is under way. Other nodes keep this node's members for the grace: its clients are on their way to them. */
  close(): void {
    this.#isClosed = true
    this.#cancelFlush?.()
    for (const cancel of this.#leaving.values()) cancel()
    this.#leaving.clear()
    if (this.#isStarted) this.#sync.stop()
  }

  #show(seat: Seat): void {
    const { topic, memberId: id, user, state } = seat
    const key = keyOf(seat)
    const before = this.#holders.get(key)
    if (before && before !== seat) this.#forget(before)
    this.#holders.set(key, seat)
    seat.isHidden = false
    this.#lastAt = Math.max(this.#timeOfDay(), this.#lastAt + 1)
    this.#change({ topic, id, member: { id, user, state, at: this.#lastAt } })
  }

  /** Not shown any more, if it is what is shown of its member. */
  #hide(seat: Seat): void {
    this.#forget(seat)
    const key = keyOf(seat)
    if (this.#holders.get(key) !== seat) return
    this.#holders.delete(key)
    this.#change({ topic: seat.topic, id: seat.memberId, member: undefined })
  }

  #forget(seat: Seat): void {
    this.#leaving.get(seat)?.()
    this.#leaving.delete(seat)
  }

  /** Another node has newer word of a member of ours: its client has gone there. */
  #giveWay(topic: string, { id, at }: NodeMember): void {
    const seat = this.#holders.get(key(topic, id))
    if (!seat || at <= this.#state.at(topic, this.#channel.node, id)) return
    this.#hide(seat)
    seat.isHidden = true
  }

  #change(change: LocalChange): void {
    const { topic, id, member } = change
    if (member) this.#state.set(topic, this.#channel.node, member)
    else this.#state.remove(topic, this.#channel.node, id)
    this.#untold.set(key(topic, id), change)
    this.#flushLater()
  }

  #flushLater(): void {
    if (this.#isClosed) return
    this.#cancelFlush ??= this.#clock.after(GATHER_MS, () => {
      this.#cancelFlush = undefined
      this.#flush()
    })
  }

  #flush(): void {
    this.#sync.tell([...this.#untold.values()])
    this.#untold.clear()
    for (const [topic, diff] of this.#state.takeChanges()) {
      const frame = new SharedFrame(() => encodeMessage({ t: 'presence-diff', topic, ...diff }))
      for (const seat of this.#seats.get(topic) ?? []) {
        if (seat.isBehind) continue
        if (seat.client.room() > 0) seat.client.sendShared(frame)
        else seat.isBehind = true
      }
    }
  }
}

const keyOf = ({ topic, memberId }: Seat) => key(topic, memberId)

/** No two pairs give the same key. */
const key = (topic: string, id: string) => `${topic.length}:${topic}${id}`
