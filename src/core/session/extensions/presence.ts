/**
 * Who is present in a topic, and what this client says of itself there. A topic is joined while somebody holds it, once
 * for each connection; what several holders say is one state: that of the last one who has said something.
 */
import type { PresenceMember, RefusalCode, ServerMessage } from '../../protocol/messages.ts'
import { Alarm } from '../alarm.ts'
import type { SessionExtension, SessionLink } from './extension.ts'
import { jsonCopy } from './json-copy.ts'
import { Listeners } from '../listeners.ts'

/** Who is there. The same object until something changes. */
export interface PresenceView {
  /** In the order in which they came. This client is one of them, when it has a state. */
  readonly members: readonly PresenceMember[]
  /** Which of them is this client. */
  readonly self: string | undefined
  /** False: not known yet, or known from before the connection was lost. */
  readonly isCurrent: boolean
}

/** A place in a topic. */
export interface PresenceHold {
  /** Replaces what this client says of itself: anything that JSON can hold. `undefined`: it only watches. */
  update(state: unknown): void
  leave(): void
}

interface Room {
  /** What each holder says, the last one last. */
  readonly says: Map<PresenceHold, unknown>
  readonly members: Map<string, PresenceMember>
  view: PresenceView
  /** On this connection. */
  isJoined: boolean
  isForbidden: boolean
  /** Refusals in a row that were not for good, and when it is asked for again. */
  refusals: number
  askAt: number | undefined
}

const NOBODY: PresenceView = { members: [], self: undefined, isCurrent: false }

type FromServer = Extract<ServerMessage, { t: 'presence-state' | 'presence-diff' }>

export class Presence implements SessionExtension {
  readonly #link: SessionLink
  readonly #rooms = new Map<string, Room>()
  readonly #listeners: Listeners
  readonly #alarm: Alarm
  #isOpen = false

  constructor(link: SessionLink) {
    this.#link = link
    this.#listeners = new Listeners(link.reporter)
    this.#alarm = new Alarm(link.clock, () => {
      for (const [topic, room] of this.#rooms) {
        if (room.askAt !== undefined && room.askAt <= link.clock.now()) this.#enter(topic, room)
      }
      this.#setAlarm()
    })
  }

  /** Joins a topic until `leave`. With a `state` this client is present; without one it watches. */
  join(topic: string, state?: unknown): PresenceHold {
    const copy = jsonCopy('join()', state, this.#link.limits.maxMessageBytes)
    const room = this.#rooms.get(topic) ?? {
      says: new Map<PresenceHold, unknown>(),
      members: new Map<string, PresenceMember>(),
      view: NOBODY,
      isJoined: false,
      isForbidden: false,
      refusals: 0,
      askAt: undefined,
    }
    this.#rooms.set(topic, room)
    const say = (change: () => void) => {
      const before = saidIn(room)
      change()
      const after = saidIn(room)
      if (room.isJoined && JSON.stringify(before) !== JSON.stringify(after))
        this.#link.send({ t: 'presence-update', topic, state: after })
    }
    const hold: PresenceHold = {
      update: (next) => {
        const copy = jsonCopy('update()', next, this.#link.limits.maxMessageBytes)
        if (!room.says.has(hold)) return
        say(() => {
          room.says.delete(hold)
          room.says.set(hold, copy)
        })
      },
      leave: () => {
        if (room.says.size > 1) return say(() => room.says.delete(hold))
        if (!room.says.delete(hold)) return
        if (room.isJoined) this.#link.send({ t: 'presence-leave', topic })
        // A new user's room of this name is another one.
        if (this.#rooms.get(topic) === room) this.#rooms.delete(topic)
        this.#listeners.tell(topic)
      },
    }
    say(() => room.says.set(hold, copy))
    this.#enter(topic, room)
    return hold
  }

  /** Who is in a topic that is joined. */
  of(topic: string): PresenceView {
    return this.#rooms.get(topic)?.view ?? NOBODY
  }

  /** Calls `listener` when `of(topic)` is another. */
  subscribe(topic: string, listener: () => void): () => void {
    return this.#listeners.add(topic, listener)
  }

  /** The connection takes messages. @internal */
  connected(): void {
    this.#isOpen = true
    for (const [topic, room] of this.#rooms) this.#enter(topic, room)
  }

  /** @internal */
  disconnected(): void {
    this.#isOpen = false
    for (const [topic, room] of this.#rooms) {
      room.isJoined = false
      room.askAt = undefined
      room.refusals = 0
      if (room.view.isCurrent) this.#show(topic, room, { ...room.view, isCurrent: false })
    }
    this.#setAlarm()
  }

  /** What was refused may be asked for again. @internal */
  restarted(): void {
    for (const room of this.#rooms.values()) room.isForbidden = false
  }

  /** L10: another user sees nobody, and is who says so himself. @internal */
  forget(): void {
    this.restarted()
    for (const [topic, room] of this.#rooms) {
      for (const hold of room.says.keys()) room.says.set(hold, undefined)
      room.members.clear()
      this.#show(topic, room, NOBODY)
    }
  }

  /** @internal */
  received(message: ServerMessage): boolean {
    if (message.t === 'presence-state' || message.t === 'presence-diff') {
      this.#hear(message)
      return true
    }
    if ((message.t === 'refused' || message.t === 'revoked') && message.action === 'presence') {
      this.#refused(message.topic, message.t === 'refused' ? message.code : 'forbidden')
    }
    return false
  }

  #hear(message: FromServer): void {
    const { topic } = message
    const room = this.#rooms.get(topic)
    if (!room?.isJoined) return // Crossed with `presence-leave`.
    const { members } = room
    room.refusals = 0
    let { self } = room.view
    if (message.t === 'presence-state') {
      members.clear()
      for (const member of message.members) members.set(member.id, member)
      ;({ self } = message)
    } else {
      for (const id of message.left) members.delete(id)
      for (const member of message.set) members.set(member.id, member)
    }
    this.#show(topic, room, { members: [...members.values()], self, isCurrent: true })
  }

  /** Refused, or no longer allowed (`forbidden`). */
  #refused(topic: string, code: RefusalCode): void {
    const room = this.#rooms.get(topic)
    if (!room) return
    room.isJoined = false
    room.isForbidden = code === 'forbidden'
    if (!room.isForbidden) {
      const { clock, limits } = this.#link
      room.askAt = clock.now() + Math.min(limits.retryMaxMs, limits.gapWaitMs * 2 ** room.refusals++)
      this.#setAlarm()
    }
    room.members.clear()
    this.#show(topic, room, NOBODY)
  }

  #setAlarm(): void {
    const dues = [...this.#rooms.values()].flatMap(({ askAt }) => askAt ?? [])
    this.#alarm.set(dues.length ? Math.min(...dues) : undefined)
  }

  #enter(topic: string, room: Room): void {
    if (!this.#isOpen || room.isJoined || room.isForbidden) return
    room.isJoined = true
    room.askAt = undefined
    this.#link.send({ t: 'presence-join', topic, state: saidIn(room) })
  }

  #show(topic: string, room: Room, view: PresenceView): void {
    if (room.view === view) return
    room.view = view
    this.#listeners.tell(topic)
  }
}

/** What the client says of itself, all holders together. */
const saidIn = ({ says }: Room): unknown => [...says.values()].findLast((state) => state !== undefined)
