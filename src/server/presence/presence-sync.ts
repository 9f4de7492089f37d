/**
 * Keeps the members of other nodes: each node tells what changes, and now and then that it is alive. Whoever has
 * missed something (a version that does not follow, a node that it does not know) asks for everything. So it is the
 * same everywhere in the end, whatever the bus has lost, and nothing needs to be stored.
 */
import type { Clock } from '../../core/clock.ts'
import type { NodeChannel, NodeMessage, TopicMembers } from '../cluster/node-channel.ts'
import type { NodeMember, PresenceState } from './presence-state.ts'

/** How often a node says that it is alive. */
const ALIVE_MS = 30_000
/** A node that is silent for so long is dead, and its members with it. */
const DEAD_MS = 90_000
/** Between two questions to the same node. */
const ASK_MS = 1_000
/** Members in one message. */
const PART_SIZE = 200

interface Peer {
  heardAt: number
  /** The last one that was heard; `undefined` until everything was heard once. */
  version: number | undefined
  askedAt: number
  /** What has come of an answer so far. */
  parts: { next: number; version: number; members: (readonly [string, NodeMember])[] } | undefined
  /** It has said goodbye: its members stay this long. */
  goneAt: number | undefined
}

export interface LocalChange {
  readonly topic: string
  readonly id: string
  /** `undefined`: it has left. */
  readonly member: NodeMember | undefined
}

export class PresenceSync {
  readonly #state: PresenceState
  readonly #channel: NodeChannel
  readonly #clock: Clock
  readonly #graceMs: number
  /** Called after something of another node has changed. */
  readonly #onChange: (heard: readonly (readonly [topic: string, member: NodeMember])[]) => void
  readonly #peers = new Map<string, Peer>()
  #version = 0
  #cancelAlive = () => {}
  readonly #farewells = new Set<() => void>()

  constructor(options: {
    state: PresenceState
    channel: NodeChannel
    clock: Clock
    graceMs: number
    onChange: (heard: readonly (readonly [topic: string, member: NodeMember])[]) => void
  }) {
    this.#state = options.state
    this.#channel = options.channel
    this.#clock = options.clock
    this.#graceMs = options.graceMs
    this.#onChange = options.onChange
  }

  /** From now on others hear of this node, and this node of them. */
  start(): void {
    if (!this.#channel.hasPeers) return
    this.#channel.say({ t: 'ask' })
    this.#channel.say({ t: 'alive', version: this.#version })
    const again = () => {
      this.#cancelAlive = this.#clock.after(ALIVE_MS, () => {
        this.#channel.say({ t: 'alive', version: this.#version })
        this.#buryTheDead()
        again()
      })
    }
    again()
  }

  stop(): void {
    this.#cancelAlive()
    for (const cancel of this.#farewells) cancel()
    this.#channel.say({ t: 'bye' })
  }

  tell(changes: readonly LocalChange[]): void {
    if (!this.#channel.hasPeers || changes.length === 0) return
    const set = changes.flatMap(({ topic, member }) => (member ? [[topic, member] as const] : []))
    const left = changes.flatMap(({ topic, id, member }) => (member ? [] : [{ topic, id }]))
    this.#version++
    this.#channel.say({ t: 'presence', version: this.#version, set: byTopic(set), left })
  }

  hear(message: NodeMessage): void {
    const { node } = message
    const peer: Peer = this.#peers.get(node) ?? {
      heardAt: 0,
      version: undefined,
      askedAt: -Infinity,
      parts: undefined,
      goneAt: undefined,
    }
    this.#peers.set(node, peer)
    peer.heardAt = this.#clock.now()
    switch (message.t) {
      case 'presence': {
        // What it says is true also when something before it was missed.
        const heard = flat(message.set)
        for (const [topic, member] of heard) this.#state.set(topic, node, member)
        for (const { topic, id } of message.left) this.#state.remove(topic, node, id)
        if (peer.version !== undefined && message.version === peer.version + 1) peer.version = message.version
        else this.#ask(node, peer)
        this.#onChange(heard)
        break
      }
      case 'all':
        this.#hearPart(peer, message)
        break
      case 'alive':
        if (message.version !== peer.version) this.#ask(node, peer)
        break
      case 'ask':
        if (message.to === undefined || message.to === this.#channel.node) this.#tellAll()
        break
      case 'bye': {
        peer.goneAt = this.#clock.now() + this.#graceMs
        const cancel = this.#clock.after(this.#graceMs, () => {
          this.#farewells.delete(cancel)
          this.#buryTheDead()
        })
        this.#farewells.add(cancel)
        break
      }
      default:
        break
    }
  }

  #hearPart(peer: Peer, message: Extract<NodeMessage, { t: 'all' }>): void {
    const { part, version, isLast } = message
    if (part === 0) peer.parts = { next: 0, version, members: [] }
    const { parts } = peer
    // A part is missing: what has come is of no use, and the next sign of life asks again.
    if (part !== parts?.next || version !== parts.version) return
    parts.next++
    parts.members.push(...flat(message.members))
    if (!isLast) return
    peer.parts = undefined
    peer.version = version
    this.#state.replace(message.node, parts.members)
    this.#onChange(parts.members)
  }

  #ask(node: string, peer: Peer): void {
    const now = this.#clock.now()
    if (now - peer.askedAt < ASK_MS) return
    peer.askedAt = now
    this.#channel.say({ t: 'ask', to: node })
  }

  #tellAll(): void {
    const members = this.#state.of(this.#channel.node)
    const version = this.#version
    for (let part = 0; part === 0 || part * PART_SIZE < members.length; part++) {
      const slice = members.slice(part * PART_SIZE, (part + 1) * PART_SIZE)
      const isLast = (part + 1) * PART_SIZE >= members.length
      this.#channel.say({ t: 'all', version, part, isLast, members: byTopic(slice) })
    }
  }

  #buryTheDead(): void {
    const now = this.#clock.now()
    for (const [node, { heardAt, goneAt }] of this.#peers) {
      if (now < (goneAt ?? heardAt + DEAD_MS)) continue
      this.#peers.delete(node)
      this.#state.replace(node, [])
      this.#onChange([])
    }
  }
}

const flat = (topics: readonly TopicMembers[]) =>
  topics.flatMap(({ topic, members }) => members.map((member) => [topic, member] as const))

function byTopic(members: readonly (readonly [string, NodeMember])[]): TopicMembers[] {
  const topics = new Map<string, NodeMember[]>()
  for (const [topic, member] of members) {
    const list = topics.get(topic)
    if (list) list.push(member)
    else topics.set(topic, [member])
  }
  return [...topics].map(([topic, list]) => ({ topic, members: list }))
}
