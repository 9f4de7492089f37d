/**
 * What the nodes of a cluster say to each other over the bus. Each message names its sender; what cannot be read is
 * skipped, so that nodes of two versions live side by side during a deploy.
 */
import { RealtimeError } from '../../core/errors.ts'
import { isMembers, isSignals } from '../../core/protocol/codec.ts'
import type { WireSignal } from '../../core/protocol/messages.ts'
import { decodeWith, isCount, isName, optionalName, type Shapes } from '../../core/protocol/shape.ts'
import type { NodeMember } from '../presence/presence-state.ts'
import type { RevokeFilter, ServerBus } from './server-bus.ts'

/** A topic with its members. */
export interface TopicMembers {
  readonly topic: string
  readonly members: readonly NodeMember[]
}

type Body =
  /** Members that came, changed or left. `version` counts these messages of a node. */
  | {
      readonly t: 'presence'
      readonly version: number
      readonly set: readonly TopicMembers[]
      readonly left: readonly { readonly topic: string; readonly id: string }[]
    }
  /** A part of all members of a node. `part` counts from 0. */
  | {
      readonly t: 'all'
      readonly version: number
      readonly part: number
      readonly isLast: boolean
      readonly members: readonly TopicMembers[]
    }
  | { readonly t: 'alive'; readonly version: number }
  /** Asks one node, or every one, for all of its members. */
  | { readonly t: 'ask'; readonly to?: string | undefined }
  | { readonly t: 'bye' }
  | { readonly t: 'signals'; readonly topic: string; readonly signals: readonly WireSignal[] }
  | ({ readonly t: 'revoke' } & RevokeFilter)

export type NodeMessage = Body & { readonly node: string }

const isList = <T>(value: unknown, check: (item: T) => boolean): boolean =>
  Array.isArray(value) &&
  value.every((item: unknown) => typeof item === 'object' && item !== null && check(item as T))

const isTopicMembers = (value: unknown): value is readonly TopicMembers[] =>
  isList<TopicMembers>(
    value,
    ({ topic, members }) =>
      isName(topic) && isMembers(members) && members.every(({ at }) => typeof at === 'number'),
  )

const isTopicIds = (value: unknown): value is readonly { topic: string; id: string }[] =>
  isList<{ topic: string; id: string }>(value, ({ topic, id }) => isName(topic) && isName(id))

const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean'

const SHAPES: Shapes<NodeMessage> = {
  presence: { node: isName, version: isCount, set: isTopicMembers, left: isTopicIds },
  all: { node: isName, version: isCount, part: isCount, isLast: isBoolean, members: isTopicMembers },
  alive: { node: isName, version: isCount },
  ask: { node: isName, to: optionalName },
  bye: { node: isName },
  signals: { node: isName, topic: isName, signals: isSignals },
  revoke: { node: isName, user: optionalName, connectionId: optionalName, topic: optionalName },
}

/** This node's end of the bus. Without a bus it is the only node, and nothing is said or heard. */
export class NodeChannel {
  readonly node: string
  readonly #bus: ServerBus | undefined
  readonly #report: (error: RealtimeError) => void
  readonly #stop: (() => void) | undefined
  #isClosed = false
  #isFailing = false
  /** During a deploy, a node of the next version may say many times a second what this one does not know. */
  #isUnreadTold = false

  constructor(options: {
    node: string
    bus: ServerBus | undefined
    report: (error: RealtimeError) => void
    hear: (message: NodeMessage) => void
  }) {
    this.node = options.node
    this.#bus = options.bus
    this.#report = options.report
    this.#stop = options.bus?.subscribe((text) => {
      const decoded = decodeWith(SHAPES, text)
      if (!decoded.ok) {
        this.#tellUnread()
      } else if (decoded.message.node !== this.node && !this.#isClosed) {
        options.hear(decoded.message)
      }
    })
  }

  get hasPeers(): boolean {
    return this.#bus !== undefined
  }

  say(body: Body): void {
    if (!this.#bus || this.#isClosed) return
    const failed = (cause: unknown) => {
      if (this.#isFailing) return
      this.#isFailing = true
      const message =
        'Other nodes may not hear this one: the bus failed. It is told once until it works again.'
      this.#report(new RealtimeError('bus-failed', message, { cause }))
    }
    const succeeded = () => {
      this.#isFailing = false
    }
    try {
      const sent = this.#bus.publish(JSON.stringify({ ...body, node: this.node }))
      if (sent) sent.then(succeeded, failed)
      else succeeded()
    } catch (cause) {
      failed(cause)
    }
  }

  close(): void {
    this.#isClosed = true
    this.#stop?.()
  }

  #tellUnread(): void {
    if (this.#isUnreadTold) return
    this.#isUnreadTold = true
    const message =
      'The bus brought what this node cannot read, and it is skipped: of another version of the package, or of another program on the same channel. It is told once.'
    this.#report(new RealtimeError('bus-failed', message))
  }
}
