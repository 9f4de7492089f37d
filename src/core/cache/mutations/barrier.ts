/**
 * When a response may be shown while mutations are under way. One that was read meanwhile may have their effect in it or
 * not. For a mutation that must not be applied twice it is held until the mutation's fate is known (R12 of the engine's
 * rules), or until the stream proves that it is not in it: everything up to the response's position has arrived, and the
 * mutation's echo was not among it.
 */
import type { Query } from '@tanstack/query-core'
import type { Clock } from '../../clock.ts'
import type { Position } from '../../event.ts'
import { isUnnamed, type Operation } from '../../overlay/operation.ts'
import type { Overlay } from '../../overlay/overlay.ts'
import type { Passage, Reading } from '../positions/positioned-fetch.ts'

export interface BarrierOptions {
  readonly overlay: Overlay<Query>
  readonly clock: Clock
  /** How long a response is held at most, in ms. */
  readonly barrierTimeoutMs: number
  /** Resolves when the fate of a mutation, or the place of a stream, has changed. */
  readonly whenChanged: () => { promise: Promise<void>; cancel(): void }
}

export async function passBarrier(
  query: Query,
  { positions, startedAt }: Reading,
  { overlay, clock, barrierTimeoutMs, whenChanged }: BarrierOptions,
): Promise<Passage> {
  const overlapping = new Set<Operation>()
  // What is sent from now on cannot be in it.
  const sent = [...overlay.operations.values()].filter(({ isSent }) => isSent)
  const held = () => {
    const held: string[] = []
    for (const operation of sent) {
      if (operation.isIdempotent || overlay.effectsOn(operation, query).length === 0) continue
      if (!isOnItsWay(operation) || isBefore(operation)) continue
      held.push(operation.mutationId)
      overlapping.add(operation)
    }
    return held
  }
  // A row that the answer has yet to name, or its event, cannot be told from others: what is done to it meanwhile would
  // not be shown.
  const isOnItsWay = (operation: Operation) =>
    operation.fate === 'pending' || (isUnnamed(operation) && (!operation.isAnswered || isFollowed(operation)))
  const isFollowed = ({ mutationId }: Operation) =>
    [...overlay.operations.values()].some(({ follows }) => follows.includes(mutationId))
  const isBefore = (operation: Operation) =>
    operation.fate === 'pending'
      ? positions.size > 0 && overlay.hasNoEcho(operation, positions)
      : [...operation.acks].some(
          ([topic, at]) => overlay.log.hasReached(topic, positions.get(topic), at) === false,
        )
  const deadline = clock.now() + barrierTimeoutMs
  let undecided = held()
  let isLate = false
  for (; undecided.length > 0 && !isLate; undecided = held()) {
    const change = whenChanged()
    let stop: (() => void) | undefined
    const timeout = new Promise<void>((resolve) => {
      stop = clock.after(Math.max(0, deadline - clock.now()), resolve)
    })
    await Promise.race([change.promise, timeout])
    stop?.()
    change.cancel()
    isLate = clock.now() >= deadline
  }
  // Without positions, or with those of two epochs, nothing tells whether it was read before one was carried out.
  const isOpen = ({ fate, acks }: Operation) =>
    fate !== 'pending' && ![...acks].some(([topic, at]) => isComparable(topic, at))
  const isComparable = (topic: string, at: Position) => {
    const read = positions.get(topic)
    return overlay.log.hasReached(topic, read, at) !== undefined
  }
  for (const operation of sent) {
    if (operation.isIdempotent || overlay.effectsOn(operation, query).length === 0) continue
    if (operation.settledAt >= startedAt) overlapping.add(operation)
  }
  // While it waited for one, the answer to another may have been lost.
  const open = [...overlapping].filter(isOpen).map(({ mutationId }) => mutationId)
  return { undecided: [...undecided, ...open], isLate: undecided.length > 0 }
}
