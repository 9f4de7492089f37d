/**
 * Measures cases against each other. Every round runs each case once, in turn, so that whatever else the machine
 * does meets all of them; a ratio is the median of the ratios within a round.
 */
import { measure } from 'mitata'

export interface Case<TInput = unknown> {
  readonly name: string
  /** Makes what one run takes. Not measured. */
  prepare(): TInput
  run(input: TInput): void
  /** What is done per run; divides its time. */
  readonly eventsPerRun: number
}

export interface RoundOptions {
  readonly rounds: number
  /** Shortest time that a case is run in one round, in ms. */
  readonly caseMs: number
}

export interface Measured {
  readonly name: string
  /** Time per event in each round, in µs. */
  readonly times: readonly number[]
}

/** Runs so many times in a row are timed together when one is short. */
const BATCH = 64

export async function measureRounds(cases: readonly Case[], options: RoundOptions): Promise<Measured[]> {
  const times = cases.map((): number[] => [])
  // The first round warms up.
  for (let round = -1; round < options.rounds; round += 1) {
    globalThis.gc?.()
    for (let turn = 0; turn < cases.length; turn += 1) {
      const at = (turn + Math.max(0, round)) % cases.length
      const time = await timePerEvent(cases[at]!, options.caseMs)
      if (round >= 0) times[at]!.push(time)
    }
  }
  return cases.map(({ name }, at) => ({ name, times: times[at]! }))
}

async function timePerEvent({ prepare, run, eventsPerRun }: Case, caseMs: number): Promise<number> {
  // mitata's types do not know of parameters that are made for each run.
  const runs = function* () {
    yield { 0: prepare, bench: run } as never
  }
  const options = { gc: false, min_samples: 3, min_cpu_time: caseMs * 1e6, batch_samples: BATCH }
  const { avg } = await measure(runs, options)
  return avg / 1_000 / eventsPerRun
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** How many times as long `slow` takes as `fast`. */
export function ratio(slow: Measured, fast: Measured): number {
  return median(slow.times.map((time, round) => time / fast.times[round]!))
}
