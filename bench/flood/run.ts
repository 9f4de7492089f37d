/**
 * What a calm client notices of clients that flood, and what the server takes of memory meanwhile: a server, a calm
 * client and the flooders, each in a process of its own.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'

const PHASE_MS = process.argv.includes('--quick') ? 1_000 : 10_000
const FLOODERS = 10
/** Between two messages of the calm client. */
const EVERY_MS = 20

const run = (file: string, args: string[] = []) =>
  fork(join(import.meta.dirname, file), args, { execArgv: ['--import', 'tsx'] })

interface Sample {
  readonly rss: number
  readonly heapUsed: number
  readonly cut: number
  readonly taken: number
}

/** The calm client, and how long its messages take to be answered. */
class Calm {
  readonly #socket: WebSocket
  readonly #asked = new Map<string, number>()
  #latencies: number[] = []
  #count = 0
  #refused = 0
  #isClosed = false

  constructor(url: string) {
    this.#socket = new WebSocket(url, 'rqb.v1')
    this.#socket.on('message', (data: Buffer) => {
      const { t, id } = JSON.parse(data.toString()) as { t: string; id: string }
      const at = this.#asked.get(id)
      if (at === undefined) return
      this.#asked.delete(id)
      if (t === 'ack') this.#latencies.push(performance.now() - at)
      else this.#refused++
    })
    this.#socket.on('close', (code) => {
      if (!this.#isClosed) throw new Error(`The calm client was cut (${code}).`)
    })
  }

  async ready(): Promise<void> {
    await once(this.#socket, 'open')
    this.#socket.send('{"t":"hello","token":"calm"}')
    await once(this.#socket, 'message')
  }

  /** Says something every now and then, for so long. */
  async talk(forMs: number) {
    this.#latencies = []
    this.#refused = 0
    const end = performance.now() + forMs
    while (performance.now() < end) {
      const id = String(++this.#count)
      this.#asked.set(id, performance.now())
      this.#socket.send(JSON.stringify({ t: 'send', id, type: 'echo', data: 1 }))
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
    }
    while (this.#asked.size > 0) await once(this.#socket, 'message')
    const sorted = this.#latencies.sort((one, other) => one - other)
    const at = (share: number) =>
      Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 100) / 100
    return { messages: sorted.length, refused: this.#refused, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }
  }

  close(): void {
    this.#isClosed = true
    this.#socket.terminate()
  }
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.disconnect()
  await ended
}

const mb = (bytes: number) => Math.round(bytes / 1024 / 102.4) / 10

async function measure(kind: 'none' | 'small' | 'malformed' | 'large') {
  const server = run('server.ts')
  const [{ port }] = (await once(server, 'message')) as [{ port: number }]
  const url = `ws://127.0.0.1:${port}/realtime`
  const samples: Sample[] = []
  server.on('message', (sample: Sample) => samples.push(sample))
  const calm = new Calm(url)
  await calm.ready()
  await calm.talk(PHASE_MS / 5) // warm
  let flood = { sent: 0, dials: 0 }
  const flooders = kind === 'none' ? undefined : run('flooders.ts', [url, String(FLOODERS), kind])
  flooders?.on('message', (told: typeof flood) => (flood = told))
  if (flooders) await once(flooders, 'message')
  const before = { ...flood }
  const from = samples.length
  const latency = await calm.talk(PHASE_MS)
  const during = samples.slice(from)
  const first = during[0]
  const last = during.at(-1)
  if (!first || !last) throw new Error('The server has told nothing.')
  if (flooders) await end(flooders)
  calm.close()
  await end(server)
  const perSecond = (count: number) => Math.round((count / PHASE_MS) * 1_000)
  return {
    flood: kind,
    ...latency,
    sentPerSecond: perSecond(flood.sent - before.sent),
    takenPerSecond: perSecond(last.taken - first.taken),
    cutPerSecond: perSecond(last.cut - first.cut),
    maxRssMb: mb(Math.max(...during.map(({ rss }) => rss))),
    maxHeapMb: mb(Math.max(...during.map(({ heapUsed }) => heapUsed))),
    // Of the second half over the first: 1 when nothing grows.
    rssGrowth: growth(during.map(({ rss }) => rss)),
  }
}

function growth(values: readonly number[]): number {
  const half = Math.floor(values.length / 2)
  const most = (part: readonly number[]) => Math.max(...part)
  return Math.round((most(values.slice(half)) / most(values.slice(0, half))) * 100) / 100
}

const results = []
for (const kind of ['none', 'small', 'malformed', 'large'] as const) results.push(await measure(kind))
console.table(results)
if (PHASE_MS > 1_000) {
  const method = `${FLOODERS} connections that send as much as the network takes and dial again when they are cut; a calm client sends one message every ${EVERY_MS} ms for ${PHASE_MS} ms. Server, flooders and calm client are processes of one machine.`
  const machine = { cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.version }
  const report = { date: new Date().toISOString().slice(0, 10), machine, method, results }
  writeFileSync(
    join(import.meta.dirname, '../results-flood.json'),
    `${JSON.stringify(report, undefined, 2)}\n`,
  )
}
process.exit()
