/** The faults that the network panel can make, for the whole window. */
import { Store } from '../store.ts'

export interface Faults {
  /** Nothing connects until it is let go. */
  readonly isHeldDown: boolean
  /** How many messages with events get lost from now on. */
  readonly loseMessages: number
  /** The share of messages with events that get lost. */
  readonly losePercent: number
  readonly isDoubling: boolean
  /** Added to every REST request, in ms. */
  readonly latencyMs: number
  /** How many writes are refused from now on. */
  readonly failWrites: number
  /** How many answers to writes get lost on their way back. */
  readonly loseAnswers: number
}

export const NO_FAULTS: Faults = {
  isHeldDown: false,
  loseMessages: 0,
  losePercent: 0,
  isDoubling: false,
  latencyMs: 0,
  failWrites: 0,
  loseAnswers: 0,
}

export const faults = new Store<Faults>(NO_FAULTS)

export function setFaults(some: Partial<Faults>): void {
  faults.set((all) => ({ ...all, ...some }))
}

/** Takes one of a counted fault; false when there is none left. */
export function takeFault(name: 'loseMessages' | 'failWrites' | 'loseAnswers'): boolean {
  const left = faults.get()[name]
  if (left === 0) return false
  setFaults({ [name]: left - 1 })
  return true
}
