/** One process, one port: the REST API, the events, and the built user interface. */
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'
import { attachWebSocket } from 'realtime-query-bridge/server'
import { createApi } from './api.ts'
import { readSetting } from './database.ts'
import { createRealtime } from './realtime.ts'
import { openStorage } from './storage.ts'
import { devRoutes, tellSupervisor } from './supervised.ts'

const root = join(import.meta.dirname, '..')
const port = Number(process.env['PORT'] ?? 4400)
const host = process.env['HOST'] ?? 'localhost'
const dataFolder = process.env['TASK_BOARD_DATA'] ?? join(root, '.data')

const storage = await openStorage(process.env['REALTIME_LOG'] ?? 'memory', dataFolder)
const sessionSecret = await readSetting(storage.db, 'session-secret')
const realtime = createRealtime(storage, sessionSecret)
const { api, drain } = createApi({ storage, sessionSecret, realtime })

const app = new Hono()
app.route('/api/dev', devRoutes())
app.route('/api', api)
app.use('*', serveStatic({ root: join(root, 'dist') }))
app.get('*', serveStatic({ path: join(root, 'dist', 'index.html') })) // every other address is the app's own

const answer = getRequestListener(app.fetch)
const http = createServer((request, response) => void answer(request, response))
attachWebSocket(realtime, http)
await listen(http)
tellSupervisor({ type: 'ready', url: urlOf(http) })

let isStopping = false
/** Answers what is under way, then closes the database, so that the next start finds it closed. */
async function stop() {
  if (isStopping) return
  isStopping = true
  const closed = new Promise((resolve) => http.close(resolve))
  http.closeIdleConnections()
  await drain()
  await realtime.close()
  setTimeout(() => http.closeAllConnections(), 500).unref()
  await closed
  await storage.close()
  process.exit(0)
}
process.on('SIGTERM', () => void stop())
process.on('SIGINT', () => void stop())
process.on('disconnect', () => void stop()) // the supervisor is gone

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve)
  })
}

function urlOf(server: Server): string {
  const address = server.address()
  return `http://${host}:${typeof address === 'object' && address !== null ? address.port : port}`
}
