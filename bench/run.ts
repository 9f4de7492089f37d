/**
 * `npm run bench`: measures, prints tables and writes `bench/results.json`. `-- --quick` measures less, `-- patching`
 * or `-- matching` one part; these write nothing.
 */
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, loadavg, release, totalmem, type as system } from 'node:os'
import { join } from 'node:path'
import { notifyManager } from '@tanstack/query-core'
import { benchMatching, type IndexCost, type MatchingRow } from './matching.ts'
import { benchPatching, type PatchingRow } from './patching.ts'
import type { RoundOptions } from './rounds.ts'

const METHOD =
  'One process. Every round measures each case once, in turn (mitata, average without the two fastest and slowest ' +
  'samples); the first round is not counted. Times are medians of rounds, in µs per event; ratios are medians of ' +
  'the ratios within a round. Bundled with NODE_ENV=production. Notifications of query-core are delivered at once, ' +
  'not by a timer, so that each side pays for its own. One observer per patched list.'

const args = process.argv.slice(2)
const isQuick = args.includes('--quick')
const parts = args.filter((arg) => !arg.startsWith('--'))
const wants = (part: string) => parts.length === 0 || parts.includes(part)

if (globalThis.gc === undefined) throw new Error('Run it by `npm run bench`: node needs --expose-gc.')
notifyManager.setScheduler((callback) => {
  callback()
})

const options: RoundOptions = isQuick ? { rounds: 3, caseMs: 5 } : { rounds: 15, caseMs: 60 }
const file = join('bench', 'results.json')
const patching = wants('patching') ? await benchPatching(options) : undefined
if (patching) printPatching(patching)
const matching = wants('matching') ? await benchMatching(options) : undefined
if (matching) printMatching(matching.rows, matching.indexCost)

if (!isQuick && patching && matching) {
  const results = { ...about(), ...options, patching, matching: matching.rows, index: matching.indexCost }
  writeFileSync(file, `${JSON.stringify(results, roundNumber, 2)}\n`)
  console.log(`\nWritten to ${file}`)
}
process.exit(0) // Bridges are still connected.

function printPatching(rows: readonly PatchingRow[]): void {
  print(
    'Patching one list, µs per event',
    ['rows', 'per flush', 'setQueryData(map)', 'bridge', 'floor', 'speed-up', 'over floor'],
    rows.map((row) => [
      row.rows,
      row.perFlush,
      row.naiveUs,
      row.bridgeUs,
      row.floorUs,
      `${digits(row.speedup)} x`,
      `${digits(row.overFloor)} x`,
    ]),
  )
}

function printMatching(rows: readonly MatchingRow[], cost: IndexCost): void {
  print(
    'Matching one event, µs per event',
    ['queries', 'invalidateQueries', 'index', 'cold', 'exact', 'field', 'miss', 'bridge', 'floor'],
    rows.map((row) => [
      row.queries,
      row.invalidateQueriesUs,
      row.indexUs,
      row.coldUs,
      row.exactUs,
      row.fieldUs,
      row.missUs,
      row.bridgeUs,
      row.floorUs,
    ]),
  )
  print(
    `… against ${rows[0]?.queries} queries`,
    ['queries', 'index', 'cold', 'exact', 'field', 'miss', 'bridge', 'floor'],
    rows.map(({ queries, flatness: { index, cold, exact, field, miss, bridge, floor } }) => [
      queries,
      ...[index, cold, exact, field, miss, bridge, floor].map((value) => `${digits(value)} x`),
    ]),
  )
  print(
    'invalidateQueries against',
    ['queries', 'index', 'bridge'],
    rows.map((row) => [row.queries, `${digits(row.speedup)} x`, `${digits(row.bridgeSpeedup)} x`]),
  )
  console.log(
    `\nThe index of ${digits(cost.queries)} queries: ${digits(cost.addUs)} µs and ${digits(cost.bytesPerQuery)} B per query.`,
  )
}

function print(
  title: string,
  head: readonly string[],
  body: readonly (readonly (string | number)[])[],
): void {
  const table = [
    head,
    ...body.map((row) => row.map((cell) => (typeof cell === 'number' ? digits(cell) : cell))),
  ]
  const widths = head.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  console.log(`\n${title}\n`)
  for (const row of table) console.log(row.map((cell, column) => cell.padStart(widths[column]!)).join('   '))
}

/** Three digits that count, and all before the point. */
function digits(value: number): string {
  const rounded = value >= 100 ? Math.round(value) : Number(value.toPrecision(3))
  return rounded.toLocaleString('en-US', { maximumFractionDigits: 4 })
}

function roundNumber(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value
}

function about() {
  const require = createRequire(join(process.cwd(), 'package.json'))
  const versionOf = (name: string) => (require(`${name}/package.json`) as { version: string }).version
  const [cpu] = cpus()
  return {
    date: new Date().toISOString().slice(0, 10),
    method: METHOD,
    machine: {
      cpu: cpu?.model ?? 'unknown',
      cores: cpus().length,
      memoryGb: Math.round(totalmem() / 2 ** 30),
      system: `${system()} ${release()}`,
      loadAverage: loadavg(),
    },
    versions: {
      node: process.versions.node,
      v8: process.versions.v8,
      '@tanstack/query-core': versionOf('@tanstack/query-core'),
      zod: versionOf('zod'),
      mitata: versionOf('mitata'),
    },
  }
}
