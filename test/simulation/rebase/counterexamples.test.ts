/** Histories that once showed something wrong do so no more. */
import { describe, expect, it } from 'vitest'
import type { Command } from './commands.ts'
import { configuration } from './configurations.ts'
import { COUNTEREXAMPLES } from './counterexamples.ts'
import { simulate } from './simulate.ts'
import { bridgeSubject } from './subjects.ts'

describe('histories that once went wrong', () => {
  it.each(COUNTEREXAMPLES.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    const commands: Command[] = one.commands.map(([kind, client, pick, luck]) => ({
      do: kind,
      client,
      pick,
      luck,
    }))
    const history = { ...one, configuration: configuration(one.configuration), commands }
    const { violations } = await simulate(history, bridgeSubject())
    expect(violations).toEqual([])
  })
})
