/** The server that is flooded: it echoes sends, and tells what it takes of memory. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { attachWebSocket, createRealtimeServer } from '../../src/server/index.ts'

const http = createServer()
const realtime = createRealtimeServer({
  authenticate: ({ token }) => ({ userId: token ?? 'guest' }),
  authorize: () => true,
  onSend: ({ data }) => data,
  onError: () => {},
})
attachWebSocket(realtime, http)

http.listen(0, '127.0.0.1', () => process.send?.({ port: (http.address() as AddressInfo).port }))
const samples = setInterval(() => {
  const { rss, heapUsed } = process.memoryUsage()
  const { closed, messages, badMessages } = realtime.stats()
  process.send?.({ rss, heapUsed, cut: closed[4429] ?? 0, taken: messages + badMessages })
}, 100)
process.on('disconnect', () => {
  clearInterval(samples)
  process.exit()
})
