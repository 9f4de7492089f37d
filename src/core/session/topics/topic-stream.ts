/**
 * One topic's place in its history, as a pure machine: `advance(stream, input, limits)` gives the next stream and
 * what to do, in order. L1 is held here: nothing is delivered twice, nothing is skipped unless a reset says so.
 *
 *   down ──connected──▶ asking ──subscribed──▶ live ──hole──▶ gap ──filled, answered──▶ live
 *     ▲                   │ refused                            │ no answer
 *     └─ disconnected     ▼                                    └─ reset, then deliver what is held
 *        (from any)     refused ──not for good, a while later─▶ asking
 *
 * An event is
 * - known, when its offset is not after the position: dropped;
 * - next, when the event before it (`prev`, or `offset - 1`) is not after the position: delivered;
 * - ahead, otherwise, or when its epoch is another one: held, and the hole is asked for.
 *
 * What is held is bounded by count, and how long by `gapAttempts` questions. What is held when the connection ends
 * is dropped: the next connection asks from the same position.
 */
import type { Position, RealtimeEvent } from '../../event.ts'
import type { RefusalCode, ResyncOutcome, WireEvent } from '../../protocol/messages.ts'
import type { SessionLimits } from '../limits.ts'

export interface TopicStream {
  readonly topic: string
  readonly phase: 'down' | 'asking' | 'live' | 'gap' | 'refused'
  /** Everything up to here was delivered, or announced as lost. Only a reset moves it back. */
  readonly position: Position | undefined
  readonly held: readonly HeldEvent[]
  /** Questions asked about the gap without progress, or answered with a refusal that is not for good, in a row. */
  readonly attempt: number
  /** When the answer is overdue, or may be asked for again, in ms of the clock. */
  readonly dueAt: number | undefined
  /** Refused in a way that another connection does not change. */
  readonly isFinal: boolean
}

interface HeldEvent {
  readonly event: RealtimeEvent & { readonly position: Position }
  /** The offset of the event before, as far as this connection may see. */
  readonly prev: number
}

export type StreamInput =
  /** The connection is ready for `subscribe`. `answerMs`: how long the answer may take, by default `connectTimeoutMs`. */
  | { readonly type: 'connected'; readonly answerMs?: number | undefined }
  | { readonly type: 'disconnected' }
  /** The app begins anew: what was refused may be asked for again. */
  | { readonly type: 'restarted' }
  | { readonly type: 'events'; readonly epoch: string; readonly events: readonly WireEvent[] }
  | {
      readonly type: 'subscribed'
      readonly outcome: ResyncOutcome
      readonly position: Position
      readonly events?: readonly WireEvent[] | undefined
      readonly quietMs?: number | undefined
    }
  | { readonly type: 'refused'; readonly code: RefusalCode }
  /** What a `pong` says was sent last; `undefined` when it does not name the topic. */
  | { readonly type: 'head'; readonly head: Position | undefined }
  | { readonly type: 'timer' }

export type StreamOutput =
  | { readonly type: 'deliver'; readonly events: readonly RealtimeEvent[] }
  | {
      readonly type: 'resync'
      readonly topic: string | undefined
      readonly outcome: ResyncOutcome
      readonly position: Position
      readonly quietMs?: number | undefined
      /** A reset of what was live until now: other clients may hear of it at the same moment. */
      readonly wasLive?: boolean | undefined
    }
  /** Send `subscribe` for this topic, with the stream's position. */
  | { readonly type: 'ask' }
  /** No answer came, or too many events: the reset that follows is this side's decision. */
  | { readonly type: 'lost' }
  /** The server answers nothing about this topic: the connection is no good. */
  | { readonly type: 'overdue' }

export interface StreamStep {
  readonly stream: TopicStream
  readonly outputs: readonly StreamOutput[]
}

export const newStream = (topic: string, position?: Position): TopicStream => ({
  topic,
  phase: 'down',
  position,
  held: [],
  attempt: 0,
  dueAt: undefined,
  isFinal: false,
})

type Draft = { -readonly [K in keyof TopicStream]: TopicStream[K] }

/** Pure: the draft that the inner functions change is a copy, and nobody else has it. */
export function advance(
  stream: TopicStream,
  input: StreamInput & { readonly now: number },
  limits: SessionLimits,
): StreamStep {
  const { topic, phase, position: known } = stream
  const draft: Draft = { ...stream }
  const outputs: StreamOutput[] = []
  /** The events of this frame share one array, up to a reset between them. */
  let batch: RealtimeEvent[] | undefined

  const rest = (next: TopicStream['phase']) => {
    draft.phase = next
    draft.held = []
    draft.attempt = 0
    draft.dueAt = undefined
  }

  const resync = (outcome: ResyncOutcome, position: Position, quietMs?: number) => {
    draft.position = position
    batch = undefined
    const wasLive = outcome === 'reset' && phase !== 'asking'
    outputs.push({
      type: 'resync',
      topic,
      outcome,
      position,
      ...(quietMs !== undefined && { quietMs }),
      ...(wasLive && { wasLive }),
    })
  }

  /** Sorts what is held and what came into known (dropped), next (delivered) and ahead (held). */
  const sift = (epoch = '', incoming: readonly WireEvent[] = []) => {
    const pool: HeldEvent[] = [...draft.held]
    for (const { type, data, offset, prev, mutationId } of incoming) {
      pool.push({
        event: { type, data, topic, position: { epoch, offset }, mutationId },
        prev: prev ?? offset - 1,
      })
    }
    const held: HeldEvent[] = []
    for (const item of pool.sort((a, b) => a.event.position.offset - b.event.position.offset)) {
      const { position } = item.event
      const at = draft.position
      if (position.epoch !== at?.epoch || item.prev > at.offset) held.push(item)
      else if (position.offset > at.offset) {
        draft.position = position
        if (batch) batch.push(item.event)
        else outputs.push({ type: 'deliver', events: (batch = [item.event]) })
      }
    }
    draft.held = held
  }

  /** Asks for what is missing; when that was asked often enough, goes on without it. */
  const ask = () => {
    if (draft.attempt >= limits.gapAttempts) return surrender()
    draft.phase = 'gap'
    draft.attempt++
    draft.dueAt = input.now + draft.attempt * limits.gapWaitMs
    outputs.push({ type: 'ask' })
  }

  /** L1: the bounded wait is over. Every hole is announced as a reset, and what is held after it is delivered. */
  const surrender = () => {
    // An epoch that is not ours is newer than ours.
    const first = draft.held.find(({ event }) => event.position.epoch !== known?.epoch) ?? draft.held[0]
    if (!first) return giveUp()
    const { epoch } = first.event.position
    outputs.push({ type: 'lost' })
    draft.held = draft.held.filter(({ event }) => event.position.epoch === epoch)
    for (let next; (next = draft.held[0]);) {
      resync('reset', { epoch, offset: next.prev })
      sift()
    }
    rest('live')
  }

  const giveUp = () => {
    rest('down')
    outputs.push({ type: 'overdue' })
  }

  const answered = ({ outcome, position, events, quietMs }: StreamInput & { type: 'subscribed' }) => {
    const { epoch } = position
    // A second copy of an answer tells nothing. (The answer to an open question is believed: a server that has lost
    // the end of its history says so by a reset.)
    const isBehind = known?.epoch === epoch && position.offset < known.offset
    if (isBehind && (phase === 'live' || (phase === 'gap' && outcome === 'fresh'))) return
    // The answer names the epoch that lives: what is held of another one belongs to a history that is gone.
    draft.held = draft.held.filter(({ event }) => event.position.epoch === epoch)
    const isCurrent = outcome === 'fresh' && known?.offset === position.offset
    const isReplay = known?.epoch === epoch && (isCurrent || outcome === 'replayed')
    if (isReplay) {
      sift(epoch, events)
      // The answer to a question covers all up to `position`, also what this connection may not see. An answer to
      // no question (a late one) was counted from another place, and proves only the events it carries.
      const reached = (offset: number) => offset <= draft.position!.offset
      if (
        phase !== 'live' &&
        !reached(position.offset) &&
        events?.every((event) => reached(event.offset)) !== false
      ) {
        draft.position = position
        sift()
      }
      if (phase !== 'live') resync('replayed', draft.position!)
    } else {
      // Anything else that claims to continue what is known here cannot be true (L2).
      if (known === undefined && outcome === 'fresh') resync('fresh', position, quietMs)
      else resync('reset', position, quietMs)
      sift()
    }
    if (draft.held.length === 0) return rest('live')
    // Ask on while the answers bring something. One that brings nothing is asked again when its time is over.
    if (isReplay && phase === 'gap' && draft.position?.offset === known.offset) return
    draft.attempt = 0
    ask()
  }

  const begin = (answerMs = limits.connectTimeoutMs) => {
    draft.phase = 'asking'
    draft.dueAt = input.now + answerMs
    outputs.push({ type: 'ask' })
  }

  const isSubscribed = phase === 'asking' || phase === 'live' || phase === 'gap'
  switch (input.type) {
    case 'connected':
      begin(input.answerMs)
      break
    case 'restarted':
      rest('down')
      draft.isFinal = false
      break
    case 'disconnected':
      if (!stream.isFinal) rest('down')
      break
    case 'refused':
      rest('refused')
      draft.isFinal = input.code === 'forbidden'
      if (!draft.isFinal) {
        // The server is well enough to say so, and may stay: the next connection may be far away. And where there was no
        // room, there will be some when other topics are let go.
        const attempt = phase === 'asking' ? stream.attempt : 0
        draft.attempt = attempt + 1
        draft.dueAt = input.now + Math.min(limits.retryMaxMs, limits.gapWaitMs * 2 ** attempt)
      }
      break
    case 'events': {
      if (!isSubscribed) break
      sift(input.epoch, input.events)
      const isOverfull = draft.held.length > limits.maxHeldEvents
      if (phase === 'asking') {
        // The answer says where to begin: what is left out then shows as a hole, and is asked for.
        if (isOverfull) draft.held = []
      } else if (isOverfull) surrender()
      else if (draft.held.length === 0) rest('live')
      else if (phase === 'live') ask()
      break
    }
    case 'subscribed':
      if (isSubscribed) answered(input)
      break
    case 'head': {
      const { head } = input
      if (phase === 'live' && !(head && head.epoch === known?.epoch && head.offset <= known.offset)) ask()
      break
    }
    case 'timer':
      if (stream.dueAt === undefined || stream.dueAt > input.now) break
      if (phase === 'gap') ask()
      else if (phase === 'refused') begin()
      else giveUp()
  }
  return { stream: draft, outputs }
}
