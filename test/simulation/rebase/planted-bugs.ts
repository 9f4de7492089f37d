/** The rules of the overlay, each taken out by one change of one line. The names of the rules are those of the engine. */
import type { PlantedBug } from './plant.ts'

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'R1: a guess that must not be shown twice counts as one that may',
    edits: [
      {
        file: 'core/cache/mutations/pending-mutations.ts',
        find: 'isIdempotent: spec.isIdempotent,',
        replace: 'isIdempotent: true,',
      },
    ],
    configuration: 'positions',
  },
  {
    name: 'R4: a write during a fetch is lost when the fetch is cancelled',
    edits: [
      { file: 'core/cache/cache-writer.ts', find: "query.state.fetchStatus === 'idle'", replace: 'true' },
      {
        file: 'core/cache/fetches/fetch-outcomes.ts',
        find: 'written !== undefined && query.state.data !== undefined',
        replace: 'false',
      },
    ],
    configuration: 'positions',
  },
  {
    name: 'R5: what is confirmed counts as being in every base',
    edits: [
      {
        file: 'core/overlay/entry.ts',
        find: 'let isProven = false',
        replace: 'return true',
      },
    ],
    configuration: 'positions',
  },
  {
    name: 'R5: a response that was asked for later is taken for newer, whatever its position says',
    edits: [
      { file: 'core/overlay/entry.ts', find: '    if (reached === false) return false\n', replace: '' },
    ],
    configuration: 'stale replicas',
  },
  {
    name: 'R6: a response that is older than what is known is shown',
    edits: [
      {
        file: 'core/overlay/take-response.ts',
        find: 'if (entry.base === undefined || positions === undefined) return false',
        replace: 'return false',
      },
    ],
    configuration: 'stale replicas',
  },
  {
    name: 'R7: what came during a fetch is not applied to its response',
    edits: [
      {
        file: 'core/overlay/take-response.ts',
        find: 'return { facts: [...earlier, ...late], isCovered }',
        replace: 'return { facts: [], isCovered }',
      },
    ],
    configuration: 'positions',
  },
  {
    name: 'R8: a base that has missed something is patched on',
    edits: [{ file: 'core/overlay/entry.ts', find: '  entry.isFrozen = true\n}', replace: '}' }],
    configuration: 'mixed events',
  },
  {
    name: 'R9: a wanted fetch that was cancelled or has failed is not tried again',
    edits: [
      {
        file: 'core/cache/fetches/invalidation-scheduler.ts',
        find: 'this.#plan(query, schedule, this.#clock.now() + pause * (0.5 + this.#options.random() / 2))',
        replace: '',
      },
    ],
    configuration: 'invalidate events',
  },
  {
    name: 'R12: a response is shown while nobody knows what it has in it',
    edits: [
      {
        file: 'core/cache/positions/positioned-fetch.ts',
        find: 'await options.pass(query, { positions, startedAt })',
        replace: 'CLEAR',
      },
    ],
    configuration: 'positions',
  },
]
