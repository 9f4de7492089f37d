/**
 * Builds the user interface when it has changed, then runs the server process and starts it again whenever it
 * ends: by itself, killed, or asked to by the network panel.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { build } from 'vite'
import type { ServerMessage } from './supervised.ts'

/** A process that ends sooner than this after its start has failed to start. */
const TOO_SOON_MS = 3_000
const MAX_FAILED_STARTS = 5

const root = join(import.meta.dirname, '..')
let isStopping = false
let child: ChildProcess | undefined

if (isUiOutdated()) {
  console.log('Building the user interface…')
  const startedAt = new Date()
  await build({ root, logLevel: 'warn' })
  // What is changed while it builds is newer than what was built.
  utimesSync(join(root, 'dist', 'index.html'), startedAt, startedAt)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    isStopping = true
    child?.kill('SIGTERM')
  })
}

console.log('Starting the server… (the first time takes a few seconds: it makes the database)')
let hasBeenReady = false
let failedStarts = 0
while (!isStopping) {
  const startedAt = Date.now()
  const { stoppedForMs, exit } = await runServer()
  if (isStopping) break
  if (stoppedForMs !== undefined) {
    console.log(`Stopped for ${stoppedForMs} ms, as asked`)
    await sleep(stoppedForMs)
    continue
  }
  failedStarts = Date.now() - startedAt < TOO_SOON_MS ? failedStarts + 1 : 0
  if (!hasBeenReady || failedStarts >= MAX_FAILED_STARTS) {
    console.error(`The server does not start (${exit}).`)
    process.exit(1)
  }
  console.log(`The server has ended (${exit}); starting it again`)
  await sleep(200)
}

/** Runs the server until its process ends. */
function runServer(): Promise<{ stoppedForMs: number | undefined; exit: string }> {
  return new Promise((resolve) => {
    let stoppedForMs: number | undefined
    const server = fork(join(import.meta.dirname, 'main.ts'), { execArgv: ['--import', 'tsx'] })
    child = server
    server.on('message', (message: ServerMessage) => {
      if (message.type === 'ready') {
        if (!hasBeenReady) console.log(`\n  Task board: ${message.url}\n  Open it in two windows.\n`)
        hasBeenReady = true
      } else {
        stoppedForMs = message.forMs
        server.kill('SIGTERM')
      }
    })
    server.on('exit', (code, signal) => resolve({ stoppedForMs, exit: signal ?? `exit code ${code}` }))
  })
}

function isUiOutdated(): boolean {
  const built = join(root, 'dist', 'index.html')
  if (!existsSync(built)) return true
  const builtAt = statSync(built).mtimeMs
  const library = join(root, '..', '..', 'dist')
  const sources = ['src', 'shared', 'index.html', 'vite.config.ts', 'package.json'].map((name) =>
    join(root, name),
  )
  return [...sources, library].some((path) => newest(path) > builtAt)
}

/** When a file, or the newest file in a folder, was last changed. */
function newest(path: string): number {
  if (!existsSync(path)) return 0
  const stats = statSync(path)
  if (!stats.isDirectory()) return stats.mtimeMs
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))))
}
