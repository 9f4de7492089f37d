/**
 * Who is present where, over all nodes: pure bookkeeping, without time, sockets or a bus.
 *
 * Each node owns the members of its own connections and tells the others. A client that moves between nodes is told of
 * by both for a while, under the same id: the newer word counts, and nobody sees a leave when the older one goes.
 */
import type { PresenceMember } from '../../core/protocol/messages.ts'

/** A member as a node tells of it. */
export interface NodeMember extends PresenceMember {
  /** When the node was told its state, in ms. Only compared between nodes that tell of the same id. */
  readonly at: number
}

export interface PresenceDiff {
  readonly set: readonly PresenceMember[]
  readonly left: readonly string[]
}

/** One topic: by id and then by node, and what was told last of each id that may have changed since. */
interface TopicPresence {
  readonly members: Map<string, Map<string, NodeMember>>
  readonly changed: Map<string, PresenceMember | undefined>
}

export class PresenceState {
  readonly #topics = new Map<string, TopicPresence>()
  /** Where there is something to tell. */
  readonly #changedTopics = new Set<string>()

  set(topic: string, node: string, member: NodeMember): void {
    const presence: TopicPresence = this.#topics.get(topic) ?? { members: new Map(), changed: new Map() }
    this.#topics.set(topic, presence)
    this.#willChange(topic, presence, member.id)
    const byNode = presence.members.get(member.id)
    if (byNode) byNode.set(node, member)
    else presence.members.set(member.id, new Map([[node, member]]))
  }

  /** `false`: the node had no such member. */
  remove(topic: string, node: string, id: string): boolean {
    const presence = this.#topics.get(topic)
    const byNode = presence?.members.get(id)
    if (!presence || !byNode?.has(node)) return false
    this.#willChange(topic, presence, id)
    byNode.delete(node)
    if (byNode.size === 0) presence.members.delete(id)
    return true
  }

  /** What a node tells is all that it has: whatever else was known of it is gone. */
  replace(node: string, told: readonly (readonly [topic: string, member: NodeMember])[]): void {
    const kept = new Map<string, Set<string>>()
    for (const [topic, member] of told) {
      const ids = kept.get(topic)
      if (ids) ids.add(member.id)
      else kept.set(topic, new Set([member.id]))
      this.set(topic, node, member)
    }
    for (const [topic, { members }] of this.#topics) {
      for (const [id, byNode] of members) {
        if (byNode.has(node) && !kept.get(topic)?.has(id)) this.remove(topic, node, id)
      }
    }
  }

  /** Everything that a node tells of. */
  of(node: string): [topic: string, member: NodeMember][] {
    return [...this.#topics].flatMap(([topic, { members }]) =>
      [...members.values()].flatMap((byNode): [string, NodeMember][] => {
        const member = byNode.get(node)
        return member ? [[topic, member]] : []
      }),
    )
  }

  has(topic: string, id: string): boolean {
    return this.#topics.get(topic)?.members.has(id) ?? false
  }

  /** When the node was told the state of a member; 0 when it has none. */
  at(topic: string, node: string, id: string): number {
    return this.#topics.get(topic)?.members.get(id)?.get(node)?.at ?? 0
  }

  count(topic: string): number {
    return this.#topics.get(topic)?.members.size ?? 0
  }

  members(topic: string): PresenceMember[] {
    return [...(this.#topics.get(topic)?.members.values() ?? [])].map((byNode) => asTold(newest(byNode)!))
  }

  /** What has changed since the last time, by topic. What came and went in between is not told. */
  takeChanges(): Map<string, PresenceDiff> {
    const diffs = new Map<string, PresenceDiff>()
    for (const topic of this.#changedTopics) {
      const presence = this.#topics.get(topic)!
      const set: PresenceMember[] = []
      const left: string[] = []
      for (const [id, before] of presence.changed) {
        const now = newest(presence.members.get(id))
        if (!now) {
          if (before) left.push(id)
        } else if (now !== before) {
          set.push(asTold(now))
        }
      }
      presence.changed.clear()
      if (presence.members.size === 0) this.#topics.delete(topic)
      if (set.length > 0 || left.length > 0) diffs.set(topic, { set, left })
    }
    this.#changedTopics.clear()
    return diffs
  }

  /** Remembers what was told of a member, before the first change of it. */
  #willChange(topic: string, { members, changed }: TopicPresence, id: string): void {
    this.#changedTopics.add(topic)
    if (!changed.has(id)) changed.set(id, newest(members.get(id)))
  }
}

/** Of several nodes' words the newest; at the same time, one that all nodes choose. */
function newest(byNode: ReadonlyMap<string, NodeMember> | undefined): NodeMember | undefined {
  let best: [string, NodeMember] | undefined
  for (const entry of byNode ?? []) {
    const [node, member] = entry
    if (!best || member.at > best[1].at || (member.at === best[1].at && node > best[0])) best = entry
  }
  return best?.[1]
}

const asTold = ({ id, user, state }: NodeMember): PresenceMember => ({
  id,
  ...(user === undefined ? undefined : { user }),
  state,
})
