import { systemClock } from '../../core/clock.ts'
import type { ServerPlatform } from '../server-options.ts'
import { Turn } from './write-queue.ts'

/** Runs soon, after whatever else there is to do. */
export const afterOthers = (run: () => void): void => void setImmediate(run)

const SYSTEM = { clock: systemClock, defer: afterOthers }

/**
 * Does something with each of many, a few ms at a time: between two turns the process does everything else. What comes
 * and goes meanwhile makes no difference. `run` must not throw.
 */
export async function inTurns<T>(
  items: Iterable<T>,
  run: (item: T) => void,
  { clock, defer }: Pick<ServerPlatform, 'clock' | 'defer'> = SYSTEM,
): Promise<void> {
  let turn = new Turn(clock)
  for (const item of [...items]) {
    run(item)
    if (turn.hasTime()) continue
    await new Promise<void>(defer)
    turn = new Turn(clock)
  }
}
