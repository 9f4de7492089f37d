/** Figures of many histories. */
import type { AnomalyKind } from './watcher.ts'
import type { Outcome } from './world.ts'

export interface Tally {
  runs: number
  commands: number
  mutations: number
  refused: number
  fetches: number
  /** Runs that have broken what was promised, that did not end as the server, and that showed an anomaly. */
  violations: number
  diverged: number
  anomalous: number
  readonly anomalies: Record<AnomalyKind, number>
}

export const newTally = (): Tally => ({
  runs: 0,
  commands: 0,
  mutations: 0,
  refused: 0,
  fetches: 0,
  violations: 0,
  diverged: 0,
  anomalous: 0,
  anomalies: { 'flash-back': 0, flicker: 0, collateral: 0, duplicate: 0 },
})

export function count(tally: Tally, commands: number, outcome: Outcome): void {
  tally.runs += 1
  tally.commands += commands
  tally.mutations += outcome.mutations
  tally.refused += outcome.refused
  tally.fetches += outcome.fetches
  if (outcome.violations.length > 0) tally.violations += 1
  if (outcome.isDiverged) tally.diverged += 1
  let any = 0
  for (const [kind, number] of Object.entries(outcome.anomalies) as [AnomalyKind, number][]) {
    tally.anomalies[kind] += number
    any += number
  }
  if (any > 0) tally.anomalous += 1
}

export function add(into: Tally, more: Tally): void {
  for (const key of [
    'runs',
    'commands',
    'mutations',
    'refused',
    'fetches',
    'violations',
    'diverged',
    'anomalous',
  ] as const)
    into[key] += more[key]
  for (const kind of Object.keys(into.anomalies) as AnomalyKind[])
    into.anomalies[kind] += more.anomalies[kind]
}

const percent = (part: number, of: number) => `${((100 * part) / Math.max(1, of)).toFixed(1)} %`
const per = (part: number, of: number, unit: number) => ((unit * part) / Math.max(1, of)).toFixed(1)

export const HEAD = [
  'configuration',
  'runs',
  'commands',
  'mutations',
  'violations',
  'diverged',
  'runs with an anomaly',
  'flash-backs per 1000 mutations',
  'flickers per 1000',
  'collateral per 100 refused',
  'duplicates per 1000',
  'fetches per mutation',
]

export function row(name: string, tally: Tally): string[] {
  const { anomalies, mutations, refused, runs } = tally
  return [
    name,
    `${runs}`,
    `${tally.commands}`,
    `${mutations}`,
    `${tally.violations}`,
    percent(tally.diverged, runs),
    percent(tally.anomalous, runs),
    per(anomalies['flash-back'], mutations, 1_000),
    per(anomalies.flicker, mutations, 1_000),
    per(anomalies.collateral, refused, 100),
    per(anomalies.duplicate, mutations, 1_000),
    (tally.fetches / Math.max(1, mutations)).toFixed(2),
  ]
}

export function table(rows: readonly (readonly string[])[]): string {
  const lines = [HEAD, HEAD.map(() => '---'), ...rows]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
