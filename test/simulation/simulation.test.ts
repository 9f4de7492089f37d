/**
 * Seeded histories of whole systems: 1 to 3 real QueryClients with a real bridge each, a model server, and a network
 * between them that delays, fails, cuts, loses and doubles, on virtual time. After each history everything heals and
 * every query must equal a fresh read of the server; the problems that `simulate` looks for are listed there.
 *
 * `RQB_SIM_RUNS=10000 npx vitest run --project unit test/simulation` runs longer, `RQB_SIM_SEED` elsewhere. A failure
 * prints its seed and shrinks.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { histories, type Weather } from './histories.ts'
import { simulate } from './simulate.ts'

const RUNS = Number(process.env['RQB_SIM_RUNS'] ?? 150)
const SEED = Number(process.env['RQB_SIM_SEED'] ?? 20_250_711)

const calm: Weather = {
  backends: ['log'],
  versions: true,
  patches: false,
  moves: true,
  isStormy: false,
  mutations: false,
  restarts: true,
}

/** What is promised differs: rows never go back where they have versions and no naive mutation puts snapshots back. */
const weathers: readonly (readonly [string, Weather])[] = [
  ['the server kit, over connections that are cut', calm],
  ['the server kit, over a wire that loses and doubles frames', { ...calm, isStormy: true }],
  ['the server kit, beside clocks that are set back', { ...calm, clocks: true }],
  ['plain backends, with and without positions', { ...calm, backends: ['plain', 'numbered'] }],
  [
    'a plain backend with positions, over a wire that loses and doubles frames',
    { ...calm, backends: ['numbered'], isStormy: true },
  ],
  [
    'rows without versions, and patches',
    { ...calm, backends: ['log', 'plain', 'numbered'], versions: false, patches: true, moves: false },
  ],
  ['naive mutations that put snapshots back', { ...calm, backends: ['log', 'plain'], mutations: true }],
]

describe('simulation', () => {
  it.each(weathers)(
    '%s: every cache ends as the server',
    async (_, weather) => {
      let commands = 0
      await fc.assert(
        fc.asyncProperty(histories(weather), async (history) => {
          const { problems, regresses } = await simulate(history)
          commands += history.commands.length
          const mayGoBack =
            !weather.versions || weather.mutations || history.limits?.maxJournalEffects !== undefined
          expect(problems).toEqual([])
          if (!mayGoBack) expect(regresses.filter(({ excuse }) => !excuse)).toEqual([])
        }),
        { numRuns: RUNS, seed: SEED },
      )
      expect(commands).toBeGreaterThan(RUNS)
    },
    3_600_000,
  )
})
