/** The task board as `npm run demo` starts it, on a port and a data folder of its own. */
import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))

export interface BoardServer extends AsyncDisposable {
  readonly url: string
  /** Asks the REST API as a person of the demo. */
  as(userId: string): Promise<ApiClient>
  /** The process that serves: the supervisor starts another when it ends. */
  serverPid(): Promise<number>
}

export type ApiClient = <TAnswer>(
  method: string,
  path: string,
  options?: { body?: unknown; key?: string },
) => Promise<{ status: number; headers: Headers; body: TAnswer }>

export async function startBoard(): Promise<BoardServer> {
  if (!existsSync(join(root, 'dist/index.js')))
    throw new Error('The board runs on the built package: npm run build')
  const data = await mkdtemp(join(tmpdir(), 'task-board-'))
  const port = await freePort()
  const url = `http://localhost:${port}`
  const supervisor = fork(join(root, 'examples/task-board/server/start.ts'), {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, PORT: String(port), TASK_BOARD_DATA: data },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let output = ''
  const isUp = new Promise<void>((resolve, reject) => {
    for (const stream of [supervisor.stdout!, supervisor.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        output += String(chunk)
        if (output.includes(url)) resolve()
      })
    }
    supervisor.on('exit', () => {
      reject(new Error(`The board has not started:\n${output}`))
    })
  })
  await isUp

  return {
    url,
    as: (userId) => signIn(url, userId),
    async serverPid() {
      const response = await fetch(`${url}/api/dev/process`)
      return ((await response.json()) as { pid: number }).pid
    },
    async [Symbol.asyncDispose]() {
      const isDown = once(supervisor, 'exit')
      supervisor.kill('SIGTERM')
      await isDown
      await rm(data, { recursive: true, force: true })
    },
  }
}

async function signIn(url: string, userId: string): Promise<ApiClient> {
  const response = await fetch(`${url}/api/session`, { method: 'POST', body: JSON.stringify({ userId }) })
  const { token } = (await response.json()) as { token: string }
  return async (method, path, { body, key } = {}) => {
    const answer = await fetch(`${url}/api${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...(key === undefined ? {} : { 'Idempotency-Key': key }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as never }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
