/**
 * Realtime servers in processes of their own that share a log, and clients that go from one to the other. What was
 * published is held against what every client has seen, and against the log.
 */
import { QueryClient } from '@tanstack/query-core'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, vi } from 'vitest'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { RealtimeQueryBridge } from '../../src/bridge.ts'
import type { RealtimeError } from '../../src/core/errors.ts'
import type { Position } from '../../src/core/event.ts'
import { update } from '../../src/core/routing/effects.ts'
import { defineEvents, on } from '../../src/core/routing/event-table.ts'
import type { EventLog } from '../../src/server/event-log.ts'
import { webSocketTransport } from '../../src/transports/websocket.ts'
import { FaultProxy } from './fault-proxy.ts'
import type { SharedLogAddress } from './shared-log.ts'

/** Waits for what must become true. */
const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: 40_000, interval: 10 })

/** A server process, behind a proxy that its clients go through. */
export class ServerNode {
  readonly #log: SharedLogAddress
  readonly proxy: FaultProxy
  #process: ChildProcess
  #port: number

  private constructor(
    log: SharedLogAddress,
    started: { child: ChildProcess; port: number },
    proxy: FaultProxy,
  ) {
    this.#log = log
    this.#process = started.child
    this.#port = started.port
    this.proxy = proxy
    onTestFinished(() => this.kill())
  }

  static async start(log: SharedLogAddress): Promise<ServerNode> {
    const started = await ServerNode.#fork(log, 0)
    return new ServerNode(log, started, await FaultProxy.start(started.port))
  }

  static async #fork(log: SharedLogAddress, port: number) {
    const child = fork(fileURLToPath(new URL('server-node-process.ts', import.meta.url)), {
      execArgv: ['--import', 'tsx'],
      env: { ...process.env, NODE: JSON.stringify({ port, log }) },
    })
    const bound = await new Promise<number>((resolve, reject) => {
      child.once('message', resolve)
      child.once('exit', (code) => {
        reject(new Error(`The node ended with ${code} before it served.`))
      })
    })
    return { child, port: bound }
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const isGone = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await isGone
  }

  async restart(): Promise<void> {
    this.#process = (await ServerNode.#fork(this.#log, this.#port)).child
  }

  /** Rejects when it is not known whether the event was published. */
  async publish(topic: string, id: string): Promise<Position> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/${topic}?id=${id}`, { method: 'POST' })
    if (!response.ok) throw new Error(await response.text())
    return (await response.json()) as Position
  }
}

const events = defineEvents({
  // Cannot be applied twice, skipped or swapped without leaving a trace.
  noted: on(z.object({ id: z.string() }), ({ id }, { topic }) =>
    update<string[]>(['seen', topic], (seen) => [...seen, id]),
  ),
})

/** A client that knows all nodes, and takes any of them each time it connects. */
export class RoamingClient {
  readonly errors: RealtimeError[] = []
  /** To which nodes it was connected, in order. */
  readonly visited: number[] = []
  readonly #queryClient = new QueryClient()
  readonly #bridge: RealtimeQueryBridge<typeof events>

  constructor(nodes: readonly ServerNode[], topics: readonly string[], random: () => number) {
    this.#bridge = new RealtimeQueryBridge({
      queryClient: this.#queryClient,
      events,
      transport: webSocketTransport({
        WebSocket,
        url: () => {
          const index = Math.floor(random() * nodes.length)
          this.visited.push(index)
          return nodes[index]!.proxy.url
        },
      }),
      random,
      limits: { retryBaseMs: 10, retryMaxMs: 200 },
      onError: (error) => this.errors.push(error),
    })
    const releases = topics.map((topic) => {
      this.#queryClient.setQueryData(['seen', topic], [])
      return this.#bridge.holdTopic(topic)
    })
    this.#queryClient.mount()
    this.#bridge.start()
    onTestFinished(() => {
      for (const release of releases) release()
      this.#bridge.stop()
      this.#queryClient.unmount()
      this.#queryClient.clear()
    })
  }

  get isLive(): boolean {
    return this.#bridge.status.status === 'live'
  }

  seen(topic: string): string[] {
    return this.#queryClient.getQueryData(['seen', topic]) ?? []
  }
}

export interface Scene {
  readonly nodes: readonly ServerNode[]
  readonly clients: readonly RoamingClient[]
  /** Publishes that were acknowledged so far. */
  acked(): number
  /** Waits for so many more of them. */
  more(count: number): Promise<void>
  /** Ends the load. */
  stop(): Promise<void>
  /**
   * Ends the load, and holds every client against the log: each has seen all events of each topic once and in order,
   * the log has every acknowledged one where it was said to be, and nothing twice.
   */
  check(log: EventLog): Promise<{ acked: number; unknown: number; moves: number }>
}

/** Nodes under load: clients that hear all topics, and writers that publish to whichever node is there. */
export async function play(options: {
  readonly nodes: readonly ServerNode[]
  readonly topics: readonly string[]
  readonly clients: number
  readonly writers: number
  readonly random: () => number
}): Promise<Scene> {
  const { nodes, topics, random } = options
  const clients = Array.from({ length: options.clients }, () => new RoamingClient(nodes, topics, random))
  await eventually(() => expect(clients.every(({ isLive }) => isLive)).toBe(true))

  const acked = new Map(topics.map((topic) => [topic, new Map<string, Position>()]))
  const total = () => [...acked.values()].reduce((sum, { size }) => sum + size, 0)
  let unknown = 0
  let isDone = false
  const writers = Array.from({ length: options.writers }, async (_, writer) => {
    for (let n = 0; !isDone; n++) {
      const topic = topics[(writer + n) % topics.length]!
      const id = `${writer}.${n}`
      const node = nodes[Math.floor(random() * nodes.length)]!
      try {
        acked.get(topic)!.set(id, await node.publish(topic, id))
      } catch {
        unknown++
        // A node that is down refuses at once: not as fast as one can ask.
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  })

  const stop = async () => {
    isDone = true
    await Promise.all(writers)
  }

  return {
    nodes,
    clients,
    acked: total,
    stop,
    async more(count) {
      const wanted = total() + count
      await eventually(() => expect(total()).toBeGreaterThanOrEqual(wanted))
    },
    async check(log) {
      await stop()
      for (const topic of topics) {
        const { epoch } = await log.head(topic)
        const read = await log.read(topic, { epoch, offset: 0 }, 1_000_000)
        if (read.outcome === 'reset') throw new Error(`${topic} is not whole in the log`)
        const ids = read.events.map(({ json }) => (JSON.parse(json) as { id: string }).id)
        expect(new Set(ids).size).toBe(ids.length)
        for (const [id, position] of acked.get(topic)!) {
          expect([position.epoch, ids[position.offset - 1]]).toEqual([epoch, id])
        }
        for (const client of clients) {
          await eventually(() => expect(client.seen(topic).length).toBeGreaterThanOrEqual(ids.length))
          expect(client.seen(topic)).toEqual(ids)
        }
      }
      // A reset would have hidden a loss.
      expect(clients.flatMap(({ errors }) => errors.filter(({ code }) => code === 'history-lost'))).toEqual(
        [],
      )
      return {
        acked: total(),
        unknown,
        moves: clients.reduce((sum, { visited }) => sum + visited.length - 1, 0),
      }
    },
  }
}
