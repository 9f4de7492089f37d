import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { Row } from './live-server.ts'

/** A `LiveServer` in a process of its own. It keeps nothing: the next one begins with an empty database and log. */
export class ServerProcess {
  readonly port: number
  readonly #process: ChildProcess

  private constructor(process: ChildProcess, port: number) {
    this.#process = process
    this.port = port
  }

  /** On a free port, or on the one that its predecessor had. Killed when the test has finished. */
  static async start(port = 0): Promise<ServerProcess> {
    const child = fork(fileURLToPath(new URL('live-server-process.ts', import.meta.url)), {
      execArgv: ['--import', 'tsx'],
      env: { ...process.env, PORT: String(port) },
    })
    const [bound] = (await once(child, 'message')) as [number]
    const server = new ServerProcess(child, bound)
    onTestFinished(() => server.kill())
    return server
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/realtime`
  }

  /** Freezes it: the kernel goes on accepting connections for it, and nobody answers. */
  freeze(): void {
    this.#process.kill('SIGSTOP')
  }

  thaw(): void {
    this.#process.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const isGone = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await isGone
  }

  async rows(list: string): Promise<Row[]> {
    return (await this.#ask('GET', `/${list}/rows`)) as Row[]
  }

  async save(list: string, row: Row): Promise<void> {
    await this.#ask('POST', `/${list}/rows`, row)
  }

  async mark(list: string): Promise<number> {
    return (await this.#ask('POST', `/${list}/mark`)) as number
  }

  /** See `LiveServer.burst`. */
  async burst(list: string, count: number, everyMs: number): Promise<void> {
    await this.#ask('POST', `/${list}/burst?count=${count}&everyMs=${everyMs}`)
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const init = body ? { method, body: JSON.stringify(body) } : { method }
    const response = await fetch(`${this.origin}${path}`, init)
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`)
    return response.json()
  }
}
