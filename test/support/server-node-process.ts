/**
 * One node of a cluster of realtime servers, in a process of its own that can be killed. What it is asked to publish,
 * it publishes, and answers with the position. It ends with its parent.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { attachWebSocket, createRealtimeServer } from '../../src/server/index.ts'
import { openSharedLog, type SharedLogAddress } from './shared-log.ts'

const { port = 0, log: address } = JSON.parse(process.env['NODE'] ?? '{}') as {
  port?: number
  log: SharedLogAddress
}
const log = await openSharedLog(address)
const realtime = createRealtimeServer({
  log,
  authenticate: () => ({}),
  authorize: () => true,
  // Cut connections and a log that is away are the point of these tests.
  onError: () => {},
})
const http = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
  realtime.publish(pathname.slice(1), { type: 'noted', data: { id: searchParams.get('id') } }).then(
    (position) => response.end(JSON.stringify(position)),
    (error: unknown) => response.writeHead(500).end(String(error)),
  )
})
attachWebSocket(realtime, http)
process.on('disconnect', () => process.exit())
http.listen(port, '127.0.0.1', () => process.send?.((http.address() as AddressInfo).port))
