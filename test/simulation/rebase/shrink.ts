/** The shortest history that still fails: whatever can be left out is. */
import { simulate, type Subject } from './simulate.ts'
import type { History, Outcome } from './world.ts'

export interface Shrunk {
  readonly history: History
  readonly outcome: Outcome
}

export async function shrink(
  history: History,
  subject: () => Subject,
  isFailing: (outcome: Outcome) => boolean = ({ violations }) => violations.length > 0,
): Promise<Shrunk> {
  let best: Shrunk = { history, outcome: await simulate(history, subject()) }
  const tryWith = async (changed: Partial<History>): Promise<boolean> => {
    const candidate = { ...best.history, ...changed }
    const outcome = await simulate(candidate, subject())
    if (!isFailing(outcome)) return false
    best = { history: candidate, outcome }
    return true
  }
  for (let isBetter = true; isBetter;) {
    isBetter = false
    for (let size = Math.ceil(best.history.commands.length / 2); size >= 1; size = Math.floor(size / 2)) {
      for (let from = best.history.commands.length - size; from >= 0; from -= size) {
        const { commands } = best.history
        if (await tryWith({ commands: [...commands.slice(0, from), ...commands.slice(from + size)] }))
          isBetter = true
      }
    }
    for (let bit = 0; 1 << bit <= best.history.queries; bit += 1) {
      const queries = best.history.queries & ~(1 << bit)
      if (queries !== best.history.queries && queries !== 0 && (await tryWith({ queries }))) isBetter = true
    }
    for (const bit of [1, 2, 4, 8]) {
      const habits = best.history.habits & ~bit
      if (habits !== best.history.habits && (await tryWith({ habits }))) isBetter = true
    }
    if (best.history.clients > 1 && (await tryWith({ clients: best.history.clients - 1 }))) isBetter = true
  }
  return best
}
