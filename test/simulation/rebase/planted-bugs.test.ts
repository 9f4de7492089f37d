/**
 * A simulation that finds nothing proves nothing unless it finds what is there. Each rule of the overlay is taken out
 * in turn, and the walks of a CI-size run must notice.
 */
import { describe, expect, it } from 'vitest'
import type * as Entry from './planted-entry.ts'
import { PLANTED_BUGS } from './planted-bugs.ts'
import { planted } from './plant.ts'

const MAX_RUNS = 600
const LENGTH = 120

/** MAX_RUNS is what bounds a search, not how busy the machine is. */
const TIMEOUT_MS = 300_000

async function runsUntilNoticed(
  { configuration, simulate, walk, bridgeSubject }: typeof Entry,
  name: string,
) {
  for (let seed = 1; seed <= MAX_RUNS; seed += 1) {
    const history = walk({ configuration: configuration(name), seed, length: LENGTH })
    const { violations } = await simulate(history, bridgeSubject())
    if (violations.length > 0) return seed
  }
  return Infinity
}

describe('planted bugs', () => {
  it.each(PLANTED_BUGS.map((bug) => [bug.name, bug] as const))(
    '%s is noticed',
    async (_name, bug) => {
      const entry = await planted<typeof Entry>(bug)
      expect(await runsUntilNoticed(entry, bug.configuration)).toBeLessThanOrEqual(MAX_RUNS)
    },
    TIMEOUT_MS,
  )
})
