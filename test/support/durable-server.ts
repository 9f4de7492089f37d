import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { Row } from './live-server.ts'

/** A server whose process is killed and started again, on the same port and over the same file. */
export class DurableServer {
  readonly port: number
  /** Processes that were killed. */
  kills = 0
  readonly #file: string
  readonly #epoch: string | undefined
  #process: ChildProcess

  private constructor(
    process: ChildProcess,
    options: { port: number; file: string; epoch: string | undefined },
  ) {
    this.#process = process
    this.port = options.port
    this.#file = options.file
    this.#epoch = options.epoch
  }

  /** With an `epoch` its history survives, and is of that epoch; without one, only its database does. */
  static async start(epoch?: string): Promise<DurableServer> {
    const folder = await mkdtemp(join(tmpdir(), 'durable-server-'))
    const file = join(folder, 'events.jsonl')
    const child = run(file, epoch, 0)
    const [port] = (await once(child, 'message')) as [number]
    const server = new DurableServer(child, { port, file, epoch })
    onTestFinished(async () => {
      await server.kill()
      await rm(folder, { recursive: true })
    })
    return server
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/realtime`
  }

  /** Begins, or goes on, to write rows, each with an event, until there were so many writes. */
  stream(list: string, until: number): void {
    this.#process.send({ list, until })
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const isGone = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await isGone
    this.kills++
  }

  async restart(): Promise<void> {
    await this.kill()
    this.#process = run(this.#file, this.#epoch, this.port)
    await once(this.#process, 'message')
  }

  async rows(list: string): Promise<Row[]> {
    const response = await fetch(`${this.origin}/${list}/rows`)
    return (await response.json()) as Row[]
  }
}

function run(file: string, epoch: string | undefined, port: number): ChildProcess {
  return fork(fileURLToPath(new URL('durable-server-process.ts', import.meta.url)), {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, FILE: file, PORT: String(port), ...(epoch !== undefined && { EPOCH: epoch }) },
  })
}
