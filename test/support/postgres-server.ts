/** A private PostgreSQL cluster in a temporary folder, which a test may kill and start again. */
import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findPostgres } from '../../scripts/services.mjs'
import { reservePort, ServiceProcess } from './service-process.ts'

export interface PostgresServerOptions {
  /** Settings of `postgresql.conf`, such as `{ max_connections: '20' }`. */
  readonly settings?: Readonly<Record<string, string>> | undefined
}

export class PostgresServer {
  readonly port: number
  readonly #bin: string
  readonly #folder: string
  readonly #settings: Readonly<Record<string, string>>
  readonly #user: { uid: number; gid: number } | undefined
  #process: ServiceProcess | undefined

  private constructor(bin: string, port: number, { settings = {} }: PostgresServerOptions) {
    this.#bin = bin
    this.port = port
    this.#settings = settings
    // PostgreSQL refuses to run as root.
    this.#user = process.getuid?.() === 0 ? idsOf('postgres') : undefined
    this.#folder = mkdtempSync(join(tmpdir(), 'rqb-postgres-'))
    if (this.#user) chownSync(this.#folder, this.#user.uid, this.#user.gid)
  }

  /**
   * Makes an empty cluster and starts it.
   *
   * @example
   * let postgres: PostgresServer
   * beforeAll(async () => (postgres = await PostgresServer.start()))
   * afterAll(() => postgres.remove())
   */
  static async start(options: PostgresServerOptions = {}): Promise<PostgresServer> {
    const bin = findPostgres()
    if (!bin) throw new Error('No PostgreSQL: node scripts/ensure-services.mjs')
    const server = new PostgresServer(bin, await reservePort(), options)
    try {
      await server.#createCluster()
      await server.restart()
    } catch (error) {
      await server.remove()
      throw error
    }
    return server
  }

  /** For `new pg.Pool(…)`, over TCP. */
  get connection(): { host: string; port: number; user: string; database: string } {
    return { host: '127.0.0.1', port: this.port, user: 'postgres', database: 'postgres' }
  }

  /** The folder of the Unix socket, which `pg` takes as `host`. */
  get socketFolder(): string {
    return this.#folder
  }

  /** Starts what was killed or stopped, and resolves when it takes connections. Recovers from its write-ahead log. */
  async restart(): Promise<void> {
    if (this.#process?.isRunning) throw new Error('PostgreSQL is running. Stop or kill it first.')
    const settings = Object.entries({
      listen_addresses: '127.0.0.1',
      unix_socket_directories: this.#folder,
      // What was written survives a killed process without it; only a machine that stops needs it.
      fsync: 'off',
      ...this.#settings,
    })
    this.#process = await ServiceProcess.start({
      program: join(this.#bin, 'postgres'),
      args: [
        ...['-D', this.#data, '-p', String(this.port)],
        ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      ready: /database system is ready to accept connections/,
      env: { ...process.env, LC_ALL: 'C' },
      user: this.#user,
    })
  }

  /** Ends like a crash: the server and every backend get SIGKILL at once. */
  async kill(): Promise<void> {
    const server = this.#process
    if (!server?.isRunning) return
    server.signal('SIGSTOP') // so that it neither starts a backend meanwhile nor says goodbye to one
    const backends = childrenOf(server.pid)
    for (const pid of backends) signalOnce(pid, 'SIGKILL')
    await server.end('SIGKILL')
    // The next server refuses to start while a backend of this one holds the shared memory.
    while (processes().some(({ pid, isZombie }) => backends.includes(pid) && !isZombie)) await sleep(5)
  }

  /** `fast` ends open transactions and closes every connection; `smart` waits for clients to leave. */
  async stop(mode: 'fast' | 'smart' = 'fast'): Promise<void> {
    await this.#process?.end(mode === 'fast' ? 'SIGINT' : 'SIGTERM')
  }

  /** Stops the server and all its backends where they are: connections stay open, and nobody answers. */
  freeze(): void {
    this.#signalAll('SIGSTOP')
  }

  thaw(): void {
    this.#signalAll('SIGCONT')
  }

  /** Kills the server and removes its folder. */
  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 })
  }

  get #data(): string {
    return join(this.#folder, 'data')
  }

  async #createCluster(): Promise<void> {
    const options = ['--username=postgres', '--auth=trust', '--encoding=UTF8', '--no-locale', '--no-sync']
    const child = execFile(join(this.#bin, 'initdb'), ['-D', this.#data, ...options], {
      ...this.#user,
      cwd: '/',
    })
    let output = ''
    child.stderr?.on('data', (chunk: string) => (output += chunk))
    const [code] = (await once(child, 'exit')) as [number | null]
    if (code !== 0) throw new Error(`initdb ended with ${code}: ${output}`)
  }

  #signalAll(signal: NodeJS.Signals): void {
    const server = this.#process
    if (!server?.isRunning) return
    server.signal(signal)
    for (const pid of childrenOf(server.pid)) signalOnce(pid, signal)
  }
}

function idsOf(user: string): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

function processes(): { pid: number; parent: number; isZombie: boolean }[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .map(([pid, parent, stat = '']) => ({
      pid: Number(pid),
      parent: Number(parent),
      isZombie: stat.startsWith('Z'),
    }))
}

const childrenOf = (pid: number) =>
  processes()
    .filter(({ parent }) => parent === pid)
    .map((child) => child.pid)

function signalOnce(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It is gone already.
  }
}
