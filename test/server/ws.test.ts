import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Server as SocketIoServer } from 'socket.io'
import { WebSocket, WebSocketServer } from 'ws'
import { attachWebSocket } from '../../src/server/index.ts'
import { startServer, TestClient } from './support.ts'

/** What the server answers instead of an upgrade. */
async function refusal(
  url: string,
  options: { protocols?: string[]; headers?: Record<string, string> } = {},
) {
  const socket = new WebSocket(url, options.protocols ?? ['rqb.v1'], { headers: options.headers ?? {} })
  socket.on('error', () => {})
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  let body = ''
  for await (const chunk of response) body += String(chunk)
  return { status: response.statusCode, body }
}

describe('attachWebSocket', () => {
  it('agrees on rqb.v1 among the subprotocols that the client offers', async () => {
    const { url } = await startServer()
    const client = new TestClient(url, {}, ['other', 'rqb.v1', 'rqb.v9'])
    await once(client.socket, 'open')
    expect(client.socket.protocol).toBe('rqb.v1')
  })

  it('lets an upgrade wait that comes before ws is loaded', async () => {
    const http = createServer()
    const { server } = await startServer()
    await once(http.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => void http.close())
    // Attached in the turn of the upgrade: nothing can be loaded yet.
    http.once('upgrade', (request, socket, head) => {
      attachWebSocket(server, http)
      http.emit('upgrade', request, socket, head)
    })
    const client = await TestClient.ready(`ws://127.0.0.1:${(http.address() as AddressInfo).port}/realtime`)
    client.subscribe('t')
    expect(await client.next('subscribed')).toMatchObject({ outcome: 'fresh' })
    client.socket.terminate()
  })

  it('refuses an upgrade that has waited with 503 when it is closed meanwhile', async () => {
    const http = createServer()
    const { server } = await startServer()
    await once(http.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => void http.close())
    http.once('upgrade', (request, socket, head) => {
      const attachment = attachWebSocket(server, http)
      http.emit('upgrade', request, socket, head)
      void attachment.close()
    })
    const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/realtime`
    expect(await refusal(url)).toMatchObject({ status: 503 })
  })

  it.each([[[]], [['rqb.v2']], [['rqb.v10', 'xrqb.v1']]])(
    'refuses a client that offers %j with 400',
    async (protocols) => {
      const { url } = await startServer()
      expect(await refusal(url, { protocols })).toMatchObject({
        status: 400,
        body: expect.stringContaining('rqb.v1'),
      })
    },
  )

  it('refuses a page of another origin with 403, before the upgrade', async () => {
    let isAsked = false
    const { url, host } = await startServer({ authenticate: () => ((isAsked = true), { user: 'ada' }) })
    expect(await refusal(url, { headers: { Origin: 'https://evil.example' } })).toMatchObject({ status: 403 })
    expect(await refusal(url, { headers: { Origin: 'null' } })).toMatchObject({ status: 403 })
    expect(isAsked).toBe(false)
    await TestClient.open(url, { headers: { Origin: `http://${host}` } })
  })

  it('allows the origins of the list and no other', async () => {
    const { url, host } = await startServer({ attach: { allowedOrigins: ['https://app.example.com'] } })
    await TestClient.open(url, { headers: { Origin: 'https://app.example.com' } })
    expect(await refusal(url, { headers: { Origin: `http://${host}` } })).toMatchObject({ status: 403 })
  })

  it('tells the app of each origin that it refuses, once and with the remedy', async () => {
    const { url, host, errors } = await startServer()
    for (const Origin of [
      'http://localhost:5173',
      'null',
      'http://localhost:5173',
      'HTTP://LOCALHOST:5173',
    ]) {
      expect(await refusal(url, { headers: { Origin } })).toMatchObject({ status: 403 })
    }
    expect(errors).toMatchObject([
      { code: 'origin-refused', details: { origin: 'http://localhost:5173', host } },
      { code: 'origin-refused', details: { origin: 'null', host } },
    ])
    expect(errors[0]!.message).toContain(
      "attachWebSocket(server, httpServer, { allowedOrigins: ['http://localhost:5173'] })",
    )
  })

  it('answers 404 on other paths when nobody else listens for upgrades', async () => {
    const { host } = await startServer()
    for (const path of ['', '/', '/realtimes', '/realtime/', '//realtime', '/x?/realtime']) {
      expect(await refusal(`ws://${host}${path}`)).toMatchObject({ status: 404 })
    }
  })

  it('leaves other paths to other listeners, and has its own beside them', async () => {
    const { http, host, server } = await startServer()
    const other = new WebSocketServer({ noServer: true })
    http.on('upgrade', (request, socket, head) => {
      if (request.url === '/hmr')
        other.handleUpgrade(request, socket, head, (webSocket) => webSocket.send('theirs'))
    })
    const second = attachWebSocket(server, http, { path: '/second' })
    onTestFinished(() => second.close())
    const theirs = new WebSocket(`ws://${host}/hmr`)
    const [data] = (await once(theirs, 'message')) as [Buffer]
    expect(data.toString()).toBe('theirs')
    theirs.terminate()
    await TestClient.ready(`ws://${host}/second`)
    await TestClient.ready(`ws://${host}/realtime?query=1`)
  })

  it('answers 404 once on paths of nobody, however many realtime servers share an HTTP server', async () => {
    const { http, host, server } = await startServer()
    const others = ['/a', '/b'].map((path) => attachWebSocket(server, http, { path }))
    expect(await refusal(`ws://${host}/nowhere`)).toMatchObject({ status: 404 })
    await others[0]!.close()
    expect(await refusal(`ws://${host}/a`)).toMatchObject({ status: 404 })
    await TestClient.ready(`ws://${host}/b`)
    await others[1]!.close()
    expect(await refusal(`ws://${host}/b`)).toMatchObject({ status: 404 })
    await TestClient.ready(`ws://${host}/realtime`)
  })

  it('has one realtime server for each path of an HTTP server, and says so at once', async () => {
    const { http, server, attachment } = await startServer()
    expect(() => attachWebSocket(server, http)).toThrow(/'\/realtime'.*close/)
    await attachment.close()
    onTestFinished(attachWebSocket(server, http).close)
  })

  it('lets go of upgrades that no listener takes, and of none that one has taken', async () => {
    const { http, host } = await startServer({ limits: { helloTimeoutMs: 20 } })
    const taken = new WebSocketServer({ noServer: true })
    http.on('upgrade', (request, socket, head) => {
      if (request.url === '/taken') taken.handleUpgrade(request, socket, head, () => {})
      if (request.url === '/read') socket.once('data', (data) => socket.write(data))
    })
    const upgrade = (path: string) => {
      const peer = connect(Number(host.split(':')[1]), '127.0.0.1')
      onTestFinished(() => void peer.destroy())
      peer.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n`)
      return peer
    }
    const theirs = new WebSocket(`ws://${host}/taken`)
    onTestFinished(() => theirs.terminate())
    await once(theirs, 'open')
    const reading = upgrade('/read')
    const stray = upgrade('/nowhere')
    const [answer] = (await once(stray, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 404 /)
    // Those that came before it are as they were.
    reading.write('still here')
    const [echo] = (await once(reading, 'data')) as [Buffer]
    expect(echo.toString()).toBe('still here')
    expect(theirs.readyState).toBe(theirs.OPEN)
  })

  it('stands beside Socket.IO', async () => {
    const { http, host } = await startServer()
    const io = new SocketIoServer(http)
    onTestFinished(() => void io.close())
    const theirs = new WebSocket(`ws://${host}/socket.io/?EIO=4&transport=websocket`)
    onTestFinished(() => theirs.terminate())
    const [data] = (await once(theirs, 'message')) as [Buffer]
    expect(data.toString()).toMatch(/^0\{"sid":/)
    const client = await TestClient.ready(`ws://${host}/realtime`)
    expect(await client.settled()).toEqual({})
  })

  it('leaves ordinary requests alone', async () => {
    const http = createServer((_, response) => response.end('rest'))
    const { host } = await startServer({ http })
    const [response] = (await once(get(`http://${host}/realtime`), 'response')) as [IncomingMessage]
    let body = ''
    for await (const chunk of response) body += String(chunk)
    expect(body).toBe('rest')
  })

  it('cuts a peer that answers no ping, and keeps one that does', async () => {
    const { url, host } = await startServer({ attach: { pingIntervalMs: 30 } })
    const alive = await TestClient.ready(url)
    // A peer that shakes hands and then reads nothing and says nothing.
    const dead = connect(Number(host.split(':')[1]), '127.0.0.1')
    const key = Buffer.from('0123456789abcdef').toString('base64')
    dead.write(
      `GET /realtime HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: rqb.v1\r\n\r\n`,
    )
    dead.on('error', () => {})
    dead.resume()
    await once(dead, 'close')
    await alive.settled()
  })

  it('reads messages as text and refuses bytes, whatever they say', async () => {
    const { url, errors } = await startServer()
    const client = await TestClient.ready(url)
    client.socket.send(Buffer.from('{"t":"ping"}'), { binary: true })
    expect(await client.next('error')).toMatchObject({ code: 'bad-message' })
    expect(errors).toMatchObject([{ code: 'undecodable' }])
    await client.settled()
  })

  it('closes a message that is not UTF-8 with 1007, and serves the others', async () => {
    const { url } = await startServer()
    const [client, other] = [await TestClient.ready(url), await TestClient.ready(url)]
    client.socket.send(Buffer.from([0xc3, 0x28]), { binary: false })
    expect(await client.closed).toMatchObject({ code: 1007 })
    await other.settled()
  })

  it('closes what is left with 1001 when it is closed, and takes no more', async () => {
    const { attachment, url, http } = await startServer()
    const client = await TestClient.ready(url)
    const closing = attachment.close()
    expect(await client.closed).toMatchObject({ code: 1001 })
    await closing
    http.on('upgrade', (_, socket) => socket.end('HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n'))
    expect(await refusal(url)).toMatchObject({ status: 410 })
    expect(http.listenerCount('upgrade')).toBe(1)
    expect(attachment.close()).toBe(closing)
  })

  it('survives a peer that is gone before its upgrade is refused', async () => {
    const { host, url } = await startServer()
    const peer = connect(Number(host.split(':')[1]), '127.0.0.1')
    peer.on('error', () => {})
    peer.write(`GET /nowhere HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`)
    peer.resetAndDestroy()
    await once(peer, 'close')
    await TestClient.ready(url)
  })

  it('needs a path that begins with a slash', async () => {
    const { server, http } = await startServer()
    expect(() => attachWebSocket(server, http, { path: 'realtime' })).toThrow("path must start with '/'")
    expect((http.address() as AddressInfo).port).toBeGreaterThan(0)
  })

  it('writes the answers of one turn at once, and what follows in order', async () => {
    const http = createServer()
    const sockets: Socket[] = []
    http.on('connection', (socket) => sockets.push(socket))
    const { server, url } = await startServer({ http })
    const client = await TestClient.ready(url)
    const [socket] = sockets
    if (!socket) throw new Error('Nobody has connected.')
    let writes = 0
    const count = <T extends object>(target: T, name: keyof T) => {
      const original = target[name] as (...args: unknown[]) => unknown
      target[name] = function (this: unknown, ...args: unknown[]) {
        writes++
        return original.apply(this, args)
      } as T[keyof T]
    }
    count(socket, '_write')
    count(socket, '_writev')
    client.send({ t: 'subscribe', topics: ['a', 'b', 'c', 'd', 'e'].map((topic) => ({ topic })) })
    for (let n = 0; n < 5; n++) await client.next('subscribed')
    expect(writes).toBe(1)
    await server.publish('a', { type: 'n' })
    await server.publish('b', { type: 'n' })
    await client.events(2)
    expect(await client.settled()).toMatchObject({ a: { offset: 1 }, b: { offset: 1 } })
    // A farewell and the close after it.
    void server.close({ graceMs: 0 })
    expect(await client.next('going-away')).toMatchObject({ t: 'going-away' })
    expect(await client.closed).toMatchObject({ code: 1012 })
  })
})
