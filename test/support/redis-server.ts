/** A private Redis in a temporary folder, which a test may freeze, kill and start again. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findRedis } from '../../scripts/services.mjs'
import { reservePort, ServiceProcess } from './service-process.ts'

export interface RedisServerOptions {
  /**
   * Whether a Redis that is started again knows what it knew: every write is on disk before it is answered. Without
   * it, nothing is kept. @default false
   */
  readonly isDurable?: boolean | undefined
  /** More of `redis.conf`, such as `{ 'maxmemory': '8mb' }`. */
  readonly settings?: Readonly<Record<string, string>> | undefined
}

export class RedisServer {
  readonly port: number
  readonly #program: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'rqb-redis-'))
  readonly #options: RedisServerOptions
  #process: ServiceProcess | undefined

  private constructor(program: string, port: number, options: RedisServerOptions) {
    this.#program = program
    this.port = port
    this.#options = options
  }

  /**
   * Starts an empty one on a free port.
   *
   * @example
   * let redis: RedisServer
   * beforeAll(async () => (redis = await RedisServer.start()))
   * afterAll(() => redis.remove())
   */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const program = findRedis()
    if (!program) throw new Error('No Redis: node scripts/ensure-services.mjs')
    const server = new RedisServer(program, await reservePort(), options)
    try {
      await server.restart()
    } catch (error) {
      await server.remove()
      throw error
    }
    return server
  }

  /** For `new Redis(…)` of ioredis. */
  get connection(): { host: string; port: number } {
    return { host: '127.0.0.1', port: this.port }
  }

  /** Starts what was killed or stopped, and resolves when it takes connections. */
  async restart(options: Pick<RedisServerOptions, 'isDurable'> = {}): Promise<void> {
    if (this.#process?.isRunning) throw new Error('Redis is running. Kill it first.')
    const { isDurable = this.#options.isDurable ?? false } = options
    const settings = Object.entries({
      bind: '127.0.0.1',
      port: String(this.port),
      dir: this.#folder,
      save: '',
      appendonly: isDurable ? 'yes' : 'no',
      appendfsync: 'always',
      ...this.#options.settings,
    })
    this.#process = await ServiceProcess.start({
      program: this.#program,
      args: settings.flatMap(([name, value]) => [`--${name}`, value]),
      ready: /Ready to accept connections/,
    })
  }

  async kill(): Promise<void> {
    await this.#process?.end('SIGKILL')
  }

  /** Stops it where it is: connections stay open, and nobody answers. */
  freeze(): void {
    this.#process?.signal('SIGSTOP')
  }

  thaw(): void {
    this.#process?.signal('SIGCONT')
  }

  /** Kills it and removes its folder. */
  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 })
  }
}
