/** Runs histories of some worlds as tests, and prints how many commands that were. */
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { BUSY, commandArbitrary, SAVING } from './commands.ts'
import type { Configuration } from './configurations.ts'
import { QUERIES } from './queries.ts'
import { shrink } from './shrink.ts'
import { simulate } from './simulate.ts'
import { bridgeSubject } from './subjects.ts'
import type { History } from './world.ts'

/** Per file: each world gets its share. */
const COMMANDS = Number(process.env['RQB_SIM_COMMANDS'] ?? 60_000)
const SEED = Number(process.env['RQB_SIM_SEED'] ?? 20_261_123)
const MAX_LENGTH = 180

/** Few queries at a time, so that much happens to each. */
const someQueries = fc
  .array(fc.nat(QUERIES.length - 1), { minLength: 1, maxLength: 6 })
  .map((chosen) => chosen.reduce((bits, index) => bits | (1 << index), 0))

const histories = (configuration: Configuration): fc.Arbitrary<History> =>
  fc.record({
    configuration: fc.constant(configuration),
    clients: fc.integer({ min: 2, max: 3 }),
    queries: someQueries,
    habits: fc.nat(31),
    commands: fc.array(commandArbitrary(configuration.saves ? SAVING : BUSY), {
      maxLength: MAX_LENGTH,
      size: 'max',
    }),
  })

const promises: Readonly<Record<Configuration['promise'], string>> = {
  exact: 'shows nothing wrong at any time',
  settled: 'shows nothing wrong at any time',
  converges: 'ends as the server',
}

export function runWorlds(tested: readonly Configuration[]): void {
  const share = COMMANDS / tested.length
  let sum = 0

  describe('optimistic mutations over events', () => {
    afterAll(() => {
      console.info(`${sum} commands in ${tested.length} worlds`)
    })

    it.each(tested.map((one) => [one.name, promises[one.promise], one] as const))(
      '%s: %s',
      async (_name, _promise, configuration) => {
        let commands = 0
        let mutations = 0
        const details = await fc.check(
          fc.asyncProperty(histories(configuration), async (history) => {
            const outcome = await simulate(history, bridgeSubject())
            commands += history.commands.length
            mutations += outcome.mutations
            expect(outcome.violations).toEqual([])
          }),
          // Leaving out whole stretches of a history is quicker than what fast-check does to it.
          { numRuns: Math.ceil(share / (MAX_LENGTH / 2)), seed: SEED, endOnFailure: true },
        )
        sum += commands
        if (details.counterexample) {
          const { history, outcome } = await shrink(details.counterexample[0], bridgeSubject)
          const told = JSON.stringify({ ...history, configuration: configuration.name })
          throw new Error(`Seed ${details.seed}:\n${outcome.violations.join('\n')}\n${told}`)
        }
        expect(mutations).toBeGreaterThan(commands / 20)
      },
      3_600_000,
    )
  })
}
