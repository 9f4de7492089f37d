import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished, vi } from 'vitest'
import { attachWebSocket, createRealtimeServer } from '../../src/server/index.ts'

vi.mock('ws', () => {
  throw new Error("Cannot find package 'ws'")
})

it('says what to install where ws is missing, and refuses upgrades', async () => {
  const http = createServer()
  const server = createRealtimeServer({ authenticate: () => ({}), authorize: () => true })
  const attachment = attachWebSocket(server, http)
  await expect(attachment.ready).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('npm install ws'),
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void http.close())
  const request = get({
    port: (http.address() as AddressInfo).port,
    path: '/realtime',
    headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-protocol': 'rqb.v1' },
  })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  expect(response.resume().statusCode).toBe(500)
  await attachment.close()
})
