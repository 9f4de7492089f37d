/** Runs a history on virtual time, and gives what came of it. */
import { notifyManager, onlineManager } from '@tanstack/query-core'
import { VirtualTime } from '../virtual-time.ts'
import { BUSY, CALM, commandsOf, randomOf, SAVING, type Regime } from './commands.ts'
import type { Configuration } from './configurations.ts'
import type { PageOptions, Page } from './page.ts'
import { QUERIES } from './queries.ts'
import { World, type History, type Oracle, type Outcome } from './world.ts'

export interface Subject {
  page(options: PageOptions): Page
  readonly oracle?: Oracle | undefined
}

/** @param trace - Told what happens, line by line: for whoever looks into a failing history. */
export async function simulate(
  history: History,
  subject: Subject,
  trace?: (line: string) => void,
): Promise<Outcome> {
  const time = new VirtualTime()
  const uninstall = time.install()
  const rejections: unknown[] = []
  const onRejection = (reason: unknown) => rejections.push(reason)
  process.on('unhandledRejection', onRejection)
  notifyManager.setScheduler((history.habits & 2) > 0 ? queueMicrotask : (callback) => callback())
  try {
    const outcome = await new World(history, time, subject).run(trace)
    const violations = [
      ...outcome.violations,
      ...rejections.map((reason) => `unhandled rejection: ${String(reason)}`),
      ...time.errors.map((error) => `a timer threw: ${String(error)}`),
    ]
    return { ...outcome, violations }
  } finally {
    process.off('unhandledRejection', onRejection)
    onlineManager.setOnline(true)
    uninstall()
  }
}

export interface WalkOptions {
  readonly configuration: Configuration
  readonly seed: number
  readonly length: number
  readonly regime?: 'busy' | 'calm' | undefined
  readonly clients?: number | undefined
}

/** The history of a seed. */
export function walk({ configuration, seed, length, regime = 'busy', clients }: WalkOptions): History {
  const random = randomOf(seed ^ 0x5bd1e995)
  const busy = configuration.saves ? SAVING : BUSY
  const rates: Regime = regime === 'busy' ? busy : CALM
  return {
    configuration,
    clients: clients ?? (random() < 0.5 ? 2 : 3),
    queries: someBits(random, QUERIES.length),
    habits: Math.floor(random() * 32),
    commands: commandsOf(seed, length, rates),
  }
}

/** Between two and six queries: few, so that much happens to each. */
function someBits(random: () => number, count: number): number {
  let bits = 0
  for (let left = 2 + Math.floor(random() * 5); left > 0; left -= 1) bits |= 1 << Math.floor(random() * count)
  return bits
}
