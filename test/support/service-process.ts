/** A server program that a test starts, freezes, kills and starts again. It never outlives the test run. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'

export interface ServiceCommand {
  readonly program: string
  readonly args: readonly string[]
  /** What it prints when it serves. */
  readonly ready: RegExp
  readonly env?: NodeJS.ProcessEnv | undefined
  /** Who runs it. @default who runs the tests */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
}

/** What is kept of its output, for the error message. */
const MAX_OUTPUT = 8_000

export class ServiceProcess {
  readonly #child: ChildProcess
  readonly #killAtExit = () => {
    this.signal('SIGKILL')
  }

  private constructor(child: ChildProcess) {
    this.#child = child
    process.on('exit', this.#killAtExit)
    child.once('exit', () => process.off('exit', this.#killAtExit))
  }

  /** Resolves when it serves, rejects with its last words when it ends before. */
  static async start({ program, args, ready, env, user }: ServiceCommand): Promise<ServiceProcess> {
    const child = spawn(program, args, { ...user, env, stdio: ['ignore', 'pipe', 'pipe'] })
    const service = new ServiceProcess(child)
    let output = ''
    await new Promise<void>((resolve, reject) => {
      const hear = (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-MAX_OUTPUT)
        if (ready.test(output)) resolve()
      }
      // Read on afterwards, so that it never waits for a full pipe.
      child.stdout.on('data', hear)
      child.stderr.on('data', hear)
      child.once('error', reject)
      child.once('exit', (code, signal) => {
        reject(new Error(`${program} ended (${code ?? signal}) before it was ready:\n${output}`))
      })
    })
    return service
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get isRunning(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#child.kill(signal)
  }

  /** Sends a signal that ends it, and resolves when it is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning) return
    const isGone = once(this.#child, 'exit')
    this.#child.kill(signal)
    await isGone
  }
}

/**
 * A port that nobody listens on. Not one of those that the system hands to outgoing connections, so that it is still
 * free when a server that was killed comes back.
 */
export async function reservePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => {
        resolve(false)
      })
      server.listen(port, '127.0.0.1', () => {
        resolve(true)
      })
    })
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
