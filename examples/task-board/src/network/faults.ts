/** The faults that the network panel can make, for the whole window. */
import { Store } from '../store.ts'

export interface Faults {
  /** Added to every REST request, in ms. */
  readonly latencyMs: number
  /** How many writes the "server" refuses from now on. */
  readonly failWrites: number
  /** How many answers to writes get lost on their way back. */
  readonly loseAnswers: number
}

export const NO_FAULTS: Faults = { latencyMs: 0, failWrites: 0, loseAnswers: 0 }

export const faults = new Store<Faults>(NO_FAULTS)

/** Takes one of a counted fault; false when there is none left. */
export function takeFault(name: 'failWrites' | 'loseAnswers'): boolean {
  const left = faults.get()[name]
  if (left === 0) return false
  faults.set((all) => ({ ...all, [name]: left - 1 }))
  return true
}
