/** Histories of one kind of weather, for fast-check. */
import fc from 'fast-check'
import { QUERIES } from './board-queries.ts'
import { command, type CommandOptions } from './commands.ts'
import type { Backend } from './network.ts'
import type { History } from './simulate.ts'

export interface Weather extends CommandOptions {
  readonly backends: readonly Backend[]
  readonly versions: boolean
  /** Frames get lost and come twice. */
  readonly isStormy: boolean
}

const MAX_COMMANDS = 80

export function histories({ backends, versions, isStormy, ...options }: Weather): fc.Arbitrary<History> {
  const shares = isStormy ? [0, 0.05, 0.2] : [0]
  return fc.record({
    seed: fc.nat(),
    clients: fc.integer({ min: 1, max: 3 }),
    conditions: fc.record({
      backend: fc.constantFrom(...backends),
      latencyMs: fc.constantFrom(50, 600, 4_000),
      failing: fc.constantFrom(0, 0.1, 0.4),
      abortable: fc.constantFrom(0, 0.5, 1),
      publishMs: fc.constantFrom(0, 50, 1_500),
      delayMs: fc.constantFrom(0, 60, 1_000),
      lost: fc.constantFrom(...shares),
      doubled: fc.constantFrom(...shares),
      logSize: fc.constantFrom(1_000, 3),
      logTopics: fc.constantFrom(10, 1),
      bufferBytes: fc.constantFrom(1_000_000, 600),
    }),
    versions: fc.constant(versions),
    // Infinite lists more often: their races are the most.
    queries: fc.uniqueArray(fc.oneof(fc.nat(QUERIES.length - 1), fc.integer({ min: 16, max: 19 })), {
      minLength: 1,
      maxLength: 8,
    }),
    isMounted: fc.boolean(),
    isHeld: fc.boolean(),
    staleTime: fc.constantFrom(undefined, 0),
    gcTime: fc.constantFrom(undefined, 2_000),
    retry: fc.constantFrom(undefined, 1),
    limits: fc.constantFrom(undefined, { maxJournalEffects: 2 }, { maxQueuedEvents: 2, topicLingerMs: 500 }),
    commands: fc.array(command(options), { maxLength: MAX_COMMANDS, size: 'max' }),
  })
}
