/**
 * When a response may be shown while mutations are under way. One that was read meanwhile may have their effect in it or
 * not. For a mutation that must not be applied twice it is held until the mutation's fate is known (R12 of the engine's
 * rules), or until the stream proves that it is not in it: everything up to the response's position has arrived, and the
 * mutation's echo was not among it.
 */
import type { Query } from '@tanstack/query-core'
import type { Clock } from '../clock.ts'
import type { Position } from '../event.ts'
import type { Operation } from '../overlay/operation.ts'
import type { Overlay } from '../overlay/overlay.ts'
import type { Passage, Reading } from './positioned-fetch.ts'

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
  const held = () => {
    const held: string[] = []
    for (const operation of overlay.operations.values()) {
      const { isIdempotent, isSent, fate } = operation
      if (isIdempotent || !isSent || overlay.effectsOn(operation, query).length === 0) continue
      if (fate !== 'pending') continue
      if (positions.size > 0 && overlay.hasNoEcho(operation, positions)) continue
      held.push(operation.mutationId)
      overlapping.add(operation)
    }
    return held
  }
  const deadline = clock.now() + barrierTimeoutMs
  for (let undecided = held(); undecided.length > 0; undecided = held()) {
    const left = deadline - clock.now()
    if (left <= 0) return { undecided, isLate: true }
    const change = whenChanged()
    let stop: (() => void) | undefined
    const timeout = new Promise<void>((resolve) => {
      stop = clock.after(left, resolve)
    })
    await Promise.race([change.promise, timeout])
    stop?.()
    change.cancel()
  }
  // Without positions, or with those of two epochs, nothing tells whether it was read before one was carried out.
  const isOpen = ({ fate, acks }: Operation) =>
    fate !== 'pending' && ![...acks].some(([topic, at]) => isComparable(topic, at))
  const isComparable = (topic: string, at: Position) => {
    const read = positions.get(topic)
    return overlay.log.hasReached(topic, read, at) !== undefined
  }
  for (const operation of overlay.operations.values()) {
    if (operation.isIdempotent || overlay.effectsOn(operation, query).length === 0) continue
    if (operation.settledAt >= startedAt) overlapping.add(operation)
  }
  const undecided = [...overlapping].filter(isOpen).map(({ mutationId }) => mutationId)
  return { undecided, isLate: false }
}
