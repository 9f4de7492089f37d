/**
 * Millions of commands, over all processors: `npm run simulate`. Prints a table of what was promised and seen, and
 * exits with 1 when a promise was broken; each broken one comes with its shortest history.
 *
 *   RQB_SIM_COMMANDS=5000000 RQB_SIM_SEED=1 RQB_SIM_WORKERS=2 npm run simulate
 *   npm run simulate -- compare            the bridge beside what is done by hand, on the same seeds
 *   npm run simulate -- "stale replicas"   one configuration
 */
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { CONFIGURATIONS, CONVERGING_CONFIGURATIONS, type Configuration } from './configurations.ts'
import { shrink } from './shrink.ts'
import { simulate, walk, type Subject } from './simulate.ts'
import { bridgeSubject, CONTESTS } from './subjects.ts'
import { add, count, newTally, row, table, type Tally } from './tally.ts'

/** Some walks of one configuration. */
interface Job {
  readonly name: string
  readonly regime: 'busy' | 'calm'
  readonly from: number
  readonly runs: number
  readonly isContest: boolean
}

interface Done {
  readonly name: string
  readonly tally: Tally
  readonly broken: readonly string[]
}

const COMMANDS = Number(process.env['RQB_SIM_COMMANDS'] ?? 5_000_000)
const SEED = Number(process.env['RQB_SIM_SEED'] ?? 1)
const WORKERS = Number(process.env['RQB_SIM_WORKERS'] ?? availableParallelism())
const LENGTH = 120
const JOB_RUNS = 200
const MAX_BROKEN = 3

function worldOf({ name, isContest }: Job): { configuration: Configuration; subject: () => Subject } {
  const found = isContest
    ? CONTESTS.find((contest) => contest.name === name)
    : { configuration: CONFIGURATIONS.find((one) => one.name === name)!, subject: bridgeSubject }
  if (!found) throw new Error(`No contest "${name}".`)
  return found
}

/** In a worker. */
async function carryOut(job: Job): Promise<Done> {
  const { configuration: given, subject } = worldOf(job)
  const { name, regime, isContest } = job
  // In calm weather hardly anything is refused.
  const configuration = regime === 'calm' ? { ...given, refused: 3 } : given
  const tally = newTally()
  const broken: string[] = []
  for (let seed = job.from; seed < job.from + job.runs; seed += 1) {
    const made = walk({ configuration, seed, length: LENGTH, regime, ...(isContest && { clients: 3 }) })
    // What is compared is how each goes on, not how each begins.
    const history = isContest ? { ...made, habits: made.habits | 16 } : made
    const outcome = await simulate(history, subject())
    count(tally, history.commands.length, outcome)
    if (outcome.violations.length === 0 || broken.length >= MAX_BROKEN) continue
    const { history: least, outcome: last } = await shrink(history, subject)
    broken.push(
      `${name}, ${regime}, seed ${seed}: ${last.violations.join('\n  ')}\n  ${JSON.stringify({ ...least, configuration: name })}`,
    )
  }
  return { name, tally, broken }
}

/** In the main process: hands out jobs until none is left. */
async function all(jobs: Job[]): Promise<Map<string, Tally>> {
  const tallies = new Map<string, Tally>()
  const started = Date.now()
  let commands = 0
  let told = started
  const work = () =>
    new Promise<void>((resolve, reject) => {
      const worker = fork(fileURLToPath(import.meta.url), ['worker'])
      const next = () => {
        const job = jobs.shift()
        if (job) worker.send(job)
        else worker.disconnect()
      }
      worker.on('message', ({ name, tally, broken }: Done) => {
        const sum = tallies.get(name) ?? newTally()
        tallies.set(name, sum)
        add(sum, tally)
        commands += tally.commands
        for (const one of broken) console.log(one)
        const now = Date.now()
        if (now - told > 60_000) {
          told = now
          console.log(`${commands} commands, ${Math.round((1_000 * commands) / (now - started))} per second`)
        }
        next()
      })
      worker.on('exit', (code) => {
        if (code === 0) resolve()
        else reject(new Error(`A worker has ended with ${code}.`))
      })
      next()
    })
  await Promise.all(Array.from({ length: WORKERS }, work))
  const seconds = (Date.now() - started) / 1_000
  const speed = `${Math.round(commands / seconds)} per second, ${WORKERS} workers`
  console.log(`Seed ${SEED}: ${commands} commands in ${Math.round(seconds)} s (${speed})`)
  return tallies
}

/** Dealt out in turns, so that whoever stops it has seen something of everything. */
function jobsFor(names: readonly string[], regime: Job['regime'], isContest: boolean): Job[] {
  const runs = Math.ceil(COMMANDS / LENGTH / names.length)
  const jobs: Job[] = []
  for (let from = 0; from < runs; from += JOB_RUNS)
    for (const name of names)
      jobs.push({ name, regime, isContest, from: SEED + from, runs: Math.min(JOB_RUNS, runs - from) })
  return jobs
}

function print(names: readonly string[], tallies: ReadonlyMap<string, Tally>): void {
  console.log(table(names.map((name) => row(name, tallies.get(name) ?? newTally()))))
}

async function main(asked: string | undefined): Promise<void> {
  if (asked === 'compare') {
    const names = CONTESTS.map(({ name }) => name)
    for (const regime of ['busy', 'calm'] as const) {
      const tallies = await all(jobsFor(names, regime, true))
      console.log(`\n${regime}\n`)
      print(names, tallies)
    }
    return
  }
  // What only converges is proven by fewer.
  const exact = CONFIGURATIONS.filter((one) => !CONVERGING_CONFIGURATIONS.includes(one))
  const names = (asked ? CONFIGURATIONS.filter(({ name }) => name === asked) : exact).map(({ name }) => name)
  const jobs = jobsFor(names, 'busy', false)
  if (!asked) {
    for (const { name } of CONVERGING_CONFIGURATIONS)
      jobs.push(...jobsFor([name], 'busy', false).slice(0, Math.ceil(jobs.length / names.length / 4)))
  }
  const tallies = await all(jobs)
  print([...tallies.keys()], tallies)
  if ([...tallies.values()].some(({ violations }) => violations > 0)) process.exitCode = 1
}

if (process.argv[2] === 'worker') {
  process.on('message', (job: Job) => {
    void carryOut(job).then((done) => process.send!(done))
  })
} else await main(process.argv[2])
