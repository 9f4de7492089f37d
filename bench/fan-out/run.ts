/**
 * `npm run bench:fan-out`: one publish to many sockets, beside plain `ws`, Socket.IO and bare TCP. Writes
 * `bench/results-fan-out.json`. `-- --quick` is a smoke test, `-- --only=memory --sizes=5000` a part: they write nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, loadavg, release, totalmem, type as system } from 'node:os'
import { join } from 'node:path'
import { CONTENDERS, type Contender } from './messages.ts'
import { Party, type BlockResult } from './party.ts'

const METHOD =
  'Each server in a process of its own, its clients in another: bare TCP sockets that only count messages. All servers ' +
  'of one size are up at once, and every round runs a block of ticks on each of them in turn; the first round is not ' +
  'counted. A tick publishes its messages by one function call, or by HTTP requests that are sent to the server at the ' +
  'same moment on connections that are kept, one for each message (the CPU that the requests take is counted on all ' +
  'sides); the next tick waits until every client has them. CPU is user and system time of the server process ' +
  '(process.cpuUsage), its own garbage collection included, divided by the messages that clients have received; over ' +
  'loopback the system counts with it what the receiving side of TCP costs. A ratio is taken within a round: the median of ' +
  'all rounds, and the quartiles, between which half of them are. Compression is off on all sides, as it is by default; ' +
  'so are heartbeats, as nothing else than the messages is measured. One message is one JSON row (see messages.ts). Every client is subscribed to 5 topics, of which one is published to. bridge: publish through ' +
  'authorization, log and subscriptions; ws: a Set of sockets for each topic, stringified once, send(text); Socket.IO: ' +
  'rooms; net: the floor, without topics: what the bridge sends in a tick, byte for byte as long, in one ready buffer, ' +
  'one socket.write for each socket; of requests it gathers nothing, so each message is a write. Memory: RSS and heap after garbage collection, with all connections less those ' +
  'with 50, by connection; median of fresh processes. Block: the longest time between two setImmediate turns during ' +
  'one publish, by the clock and by CPU time of the process; median and lowest of several.'

const args = process.argv.slice(2)
const isQuick = args.includes('--quick')
/** `--name=a,b` */
const listOf = (name: string) =>
  args
    .find((arg) => arg.startsWith(`--${name}=`))
    ?.slice(name.length + 3)
    .split(',')
const parts = listOf('only') ?? ['fan-out', 'memory', 'block']
const sizes = listOf('sizes')?.map(Number) ?? (isQuick ? [200] : [1_000, 5_000])
const isWhole = !isQuick && args.every((arg) => !/^--(only|sizes)=/.test(arg))
const blockSize = isQuick ? 500 : 10_000
const rounds = isQuick ? 2 : 12
/** In a block, by messages per tick. */
const deliveries = isQuick ? { 1: 10_000, 10: 20_000 } : { 1: 40_000, 10: 150_000 }
const SHAPES = [
  { perTick: 1, arrival: 'one call' },
  { perTick: 10, arrival: 'one call' },
  { perTick: 10, arrival: 'requests' },
] as const
const memoryRuns = isQuick ? 1 : 2
const blockRuns = isQuick ? 3 : 12
const WARM_CONNECTIONS = 50

/** Sockets that a process has besides those that are counted. */
const OTHER_FILES = 100

/** Node has raised the soft limit to the hard one already. */
function openFileLimit(): number {
  try {
    const [, limit] =
      /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return limit === undefined || limit === 'unlimited' ? Infinity : Number(limit)
  } catch {
    return Infinity // Not Linux.
  }
}

function fits(connections: number): boolean {
  const limit = openFileLimit()
  if (connections + OTHER_FILES <= limit) return true
  console.log(
    `${connections} connections are left out: a process may open ${limit} files. Run \`ulimit -n ${connections + OTHER_FILES}\` first.`,
  )
  return false
}

/** What `part` of the values are below. */
function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * part
  const below = sorted[Math.floor(at)]!
  return below + (sorted[Math.ceil(at)]! - below) * (at % 1)
}

const median = (values: readonly number[]) => quantile(values, 0.5)

/** One round says little: what else the machine does moves it by some per cent. */
const spreadOf = (values: readonly number[]) => ({
  median: median(values),
  quartiles: [quantile(values, 0.25), quantile(values, 0.75)],
})

const entries = <T>(value: (contender: Contender) => T, contenders = CONTENDERS) =>
  Object.fromEntries(contenders.map((contender) => [contender, value(contender)])) as Record<Contender, T>

async function fanOut(connections: number) {
  const parties: Party[] = []
  for (const contender of CONTENDERS) parties.push(await Party.start(contender))
  for (const party of parties) await party.connect(connections)
  const results = []
  for (const { perTick, arrival } of SHAPES) {
    const ticks = Math.round(deliveries[perTick] / connections / perTick)
    for (const party of parties) await party.rest()
    const blocks = entries((): BlockResult[] => [])
    for (let round = -1; round < rounds; round++) {
      for (let turn = 0; turn < parties.length; turn++) {
        const party = parties[(turn + round + 1) % parties.length]!
        const block = await party.run({ ticks, perTick, arrival })
        if (round >= 0) blocks[party.contender].push(block)
      }
    }
    const cpu = (contender: Contender) => blocks[contender].map(({ cpuUsPerDelivery }) => cpuUsPerDelivery)
    const ratios = (over: Contender, under: Contender) =>
      spreadOf(cpu(over).map((us, round) => us / cpu(under)[round]!))
    results.push({
      connections,
      perTick,
      arrival,
      rounds,
      ticks,
      cpuUsPerDelivery: entries((contender) => spreadOf(cpu(contender))),
      deliveriesPerSecond: entries((contender) =>
        Math.round(median(blocks[contender].map(({ deliveriesPerSecond }) => deliveriesPerSecond))),
      ),
      /** How many times as many deliveries per CPU second the bridge makes. */
      deliveriesPerCpuSecond: { ws: ratios('ws', 'bridge'), 'socket.io': ratios('socket.io', 'bridge') },
      /** The same of bare TCP: what is left to win, but where requests bring the messages, of which it gathers none. */
      floorPerCpuSecond: { ws: ratios('ws', 'net'), 'socket.io': ratios('socket.io', 'net') },
      /** CPU per delivery of the bridge, divided by that of net.write. */
      cpuOverNet: ratios('bridge', 'net'),
    })
  }
  for (const party of parties) await party.end()
  return results
}

async function memory(connections: number) {
  const runs = entries((): { rss: number; heap: number }[] => [])
  for (let run = 0; run < memoryRuns; run++) {
    for (const contender of CONTENDERS) {
      const party = await Party.start(contender)
      await party.connect(WARM_CONNECTIONS)
      await party.tick(1)
      const before = await party.memory()
      await party.connect(connections)
      await party.tick(1)
      const after = await party.memory()
      runs[contender].push({
        rss: (after.rss - before.rss) / connections,
        heap: (after.heap - before.heap) / connections,
      })
      await party.end()
    }
  }
  const bytes = (contender: Contender) => ({
    rss: Math.round(median(runs[contender].map(({ rss }) => rss))),
    heap: Math.round(median(runs[contender].map(({ heap }) => heap))),
  })
  const { rss, heap } = bytes('bridge')
  return {
    connections,
    runs: memoryRuns,
    topicsPerConnection: 5,
    bytesPerConnection: entries(bytes),
    overWs: { rss: rss / bytes('ws').rss, heap: heap / bytes('ws').heap },
    overSocketIo: { rss: rss / bytes('socket.io').rss, heap: heap / bytes('socket.io').heap },
  }
}

async function loopBlock(connections: number) {
  const contenders = CONTENDERS.filter((contender) => contender !== 'net')
  const blocks = entries((): { blockMs: number; blockCpuMs: number }[] => [], contenders)
  for (const contender of contenders) {
    const party = await Party.start(contender)
    await party.connect(connections)
    for (let tick = 0; tick < 5; tick++) await party.tick(1)
    for (let run = 0; run < blockRuns; run++) blocks[contender].push(await party.watchLoop())
    await party.end()
  }
  const of = (contender: Contender) => {
    const ms = blocks[contender].map(({ blockMs }) => blockMs)
    const cpuMs = blocks[contender].map(({ blockCpuMs }) => blockCpuMs)
    return {
      medianMs: median(ms),
      lowestMs: Math.min(...ms),
      highestMs: Math.max(...ms),
      medianCpuMs: median(cpuMs),
      highestCpuMs: Math.max(...cpuMs),
    }
  }
  return { connections, publishes: blockRuns, longestBlock: entries(of, contenders) }
}

function about() {
  const require = createRequire(join(process.cwd(), 'package.json'))
  const versionOf = (name: string) => (require(`${name}/package.json`) as { version: string }).version
  return {
    date: new Date().toISOString().slice(0, 10),
    method: METHOD,
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGb: Math.round(totalmem() / 2 ** 30),
      system: `${system()} ${release()}`,
      loadAverage: loadavg(),
    },
    versions: { node: process.versions.node, ws: versionOf('ws'), 'socket.io': versionOf('socket.io') },
  }
}

const roundNumber = (_: string, value: unknown) =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(3)) : value

const show = (title: string, value: unknown) => {
  console.log(`\n${title}\n${JSON.stringify(value, roundNumber, 2)}`)
}

const machine = about()
const results = {
  ...machine,
  fanOut: [] as unknown[],
  memory: [] as unknown[],
  loopBlock: undefined as unknown,
}
for (const connections of parts.includes('fan-out') ? sizes.filter(fits) : []) {
  const fannedOut = await fanOut(connections)
  show(`${connections} connections`, fannedOut)
  results.fanOut.push(...fannedOut)
}
for (const connections of parts.includes('memory') ? sizes.filter(fits) : []) {
  const used = await memory(connections)
  show(`memory of ${connections} connections`, used)
  results.memory.push(used)
}
if (parts.includes('block') && fits(blockSize)) {
  results.loopBlock = await loopBlock(blockSize)
  show('how long one publish blocks the event loop', results.loopBlock)
}
if (isWhole) {
  const file = join('bench', 'results-fan-out.json')
  writeFileSync(file, `${JSON.stringify(results, roundNumber, 2)}\n`)
  console.log(`\nWritten to ${file}`)
}
