import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server, type Socket as ServerSocket } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { socketIoTransport, type SocketIoTransportOptions } from '../../src/transports/socket-io.ts'
import { SessionClient } from './session-client.ts'

/** As an app has it: its own events, rooms, and who may come. */
class Backend {
  readonly tokens: unknown[] = []
  /** Said to who is not let in. */
  refusal: string | undefined
  #http: HttpServer
  #server: Server
  #port = 0

  private constructor() {
    ;[this.#http, this.#server] = this.#make()
  }

  static async start(): Promise<Backend> {
    const backend = new Backend()
    await backend.open()
    onTestFinished(() => backend.stop())
    return backend
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get sockets(): ServerSocket[] {
    return [...this.#server.sockets.sockets.values()]
  }

  emit(event: string, ...args: unknown[]): void {
    this.#server.emit(event, ...args)
  }

  /** Lets every connection break without a word. */
  cut(): void {
    for (const { conn } of this.sockets) conn.close()
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#http.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#http.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    await this.#server.close()
  }

  async restart(): Promise<void> {
    await this.stop()
    ;[this.#http, this.#server] = this.#make()
    await this.open()
  }

  #make(): [HttpServer, Server] {
    const http = createServer()
    const server = new Server(http)
    server.use((socket, next) => {
      this.tokens.push(socket.handshake.auth['token'])
      next(this.refusal === undefined ? undefined : new Error(this.refusal))
    })
    return [http, server]
  }
}

const updated = (id: number) => ({ type: 'task.updated', data: { id } })

describe("over the app's own socket", () => {
  async function connect(options?: SocketIoTransportOptions) {
    const backend = await Backend.start()
    const socket: Socket = io(backend.url, {
      reconnectionDelay: 1,
      reconnectionDelayMax: 1,
      transports: ['websocket'],
    })
    onTestFinished(() => {
      socket.disconnect()
    })
    await new Promise<void>((resolve) => socket.once('connect', resolve))
    const client = new SessionClient(socketIoTransport(socket, options)).start()
    await client.untilStatus('live')
    return { backend, socket, client }
  }

  it('is live at once, and takes what the server emits as events of that name', async () => {
    const { backend, client } = await connect()
    backend.emit('task.updated', { id: 1 })
    backend.emit('task.updated', { id: 2 }, 'more')
    await client.until(() => client.events.length === 2)
    expect(client.events).toEqual([updated(1), updated(2)])
    expect(client.errors).toEqual([])
  })

  it('is live when the socket is, where the app connects it later', async () => {
    const backend = await Backend.start()
    const socket = io(backend.url, { autoConnect: false })
    onTestFinished(() => {
      socket.disconnect()
    })
    const client = new SessionClient(socketIoTransport(socket)).start()
    expect(client.statuses.at(-1)).toBe('connecting')
    socket.connect()
    await client.untilStatus('live')
    backend.emit('task.updated', { id: 1 })
    await client.until(() => client.events.length === 1)
  })

  it('listens to what it is told to, and leaves the rest to the app', async () => {
    const { backend, socket, client } = await connect({ listenTo: ['task.updated'] })
    const said: unknown[] = []
    socket.on('chat', (text) => said.push(text))
    backend.emit('chat', 'hello')
    backend.emit('task.updated', { id: 1 })
    await client.until(() => client.events.length === 1)
    expect(said).toEqual(['hello'])
    expect(client.events).toEqual([updated(1)])
  })

  it('gives decode the whole message, without the callback of an acknowledgement', async () => {
    const { backend, client } = await connect({
      decode: ({ event, data, args }) =>
        event === 'ping' ? null : { type: `${event}:${args.length}`, data },
    })
    backend.emit('ping')
    backend.sockets[0]!.timeout(60_000).emit('task', { id: 1 }, 'now', () => undefined)
    await client.until(() => client.events.length === 1)
    expect(client.events).toEqual([{ type: 'task:2', data: { id: 1 } }])
    expect(client.errors).toEqual([])
  })

  it('drops what decode says to be known, and notices a hole', async () => {
    const { backend, client } = await connect({
      decode: ({ event, data }) => {
        const { n } = data as { n: number }
        return { type: event, data: n, topic: 'tasks', position: { epoch: 'e', offset: n } }
      },
    })
    for (const n of [1, 1, 2, 4]) backend.emit('task', { n })
    await client.until(() => client.events.length === 3)
    expect(client.data).toEqual([1, 2, 4])
    expect(client.resyncs.filter(({ outcome }) => outcome === 'reset')).toMatchObject([
      { topic: 'tasks', position: { offset: 3 } },
    ])
  })

  it('follows it through a break and a restart of the server: what was missed is fetched', async () => {
    const { backend, client } = await connect()
    const lives = () => client.statuses.filter((status) => status === 'live').length
    const resets = () => client.resyncs.filter(({ outcome }) => outcome === 'reset').length
    backend.cut()
    await client.until(() => lives() === 2)
    expect(resets()).toBe(1)
    await backend.restart()
    await client.until(() => lives() === 3)
    expect(resets()).toBe(2)
    backend.emit('task.updated', { id: 1 })
    await client.until(() => client.events.length === 1)
  })

  it('says what to do when Socket.IO does not connect again: the server has ended it', async () => {
    const { backend, socket, client } = await connect()
    backend.sockets[0]!.disconnect()
    await client.until(() => client.errors.length > 0)
    expect(client.statuses.at(-1)).toBe('waiting')
    expect(client.errors).toMatchObject([
      { code: 'transport-failed', message: expect.stringContaining('socket.connect()') },
    ])
    socket.connect()
    await client.untilStatus('live')
  })

  it('says so too when it is not let in again', async () => {
    const { backend, socket, client } = await connect()
    backend.refusal = 'no such user'
    backend.cut()
    await client.until(() => client.errors.length === 2)
    expect(client.errors).toMatchObject([
      { code: 'transport-failed', cause: { message: 'no such user' } },
      { code: 'transport-failed', message: expect.stringContaining('socket.connect()') },
    ])
    backend.refusal = undefined
    socket.connect()
    await client.untilStatus('live')
  })

  it('leaves it connected and without listeners when it is stopped, and starts again', async () => {
    const { backend, socket, client } = await connect()
    client.session.stop()
    expect(socket.connected).toBe(true)
    expect(socket.listenersAny()).toEqual([])
    expect(['connect', 'disconnect', 'connect_error'].flatMap((name) => socket.listeners(name))).toEqual([])
    client.session.start()
    await client.untilStatus('live')
    backend.emit('task.updated', { id: 1 })
    await client.until(() => client.events.length === 1)
  })

  it('tells of nothing once it is stopped, not even that it was connected already', async () => {
    const { socket } = await connect()
    const calls: string[] = []
    const connection = socketIoTransport(socket).connect({
      onOpen: () => calls.push('open'),
      onMessage: () => calls.push('message'),
      onClose: () => calls.push('close'),
      onError: () => calls.push('error'),
    })
    connection.close()
    await Promise.resolve()
    socket.disconnect()
    expect(calls).toEqual([])
  })
})

describe('over a socket of its own', () => {
  async function start(address: Partial<Parameters<typeof io>[1]> = {}) {
    const backend = await Backend.start()
    const client = new SessionClient(
      socketIoTransport({ url: backend.url, transports: ['websocket'], ...address }),
    )
    return { backend, client }
  }

  it('dials when it is told to, and hangs up when it is stopped', async () => {
    const { backend, client } = await start()
    client.start()
    await client.untilStatus('live')
    backend.emit('task.updated', { id: 1 })
    await client.until(() => client.events.length === 1)
    expect(client.events).toEqual([updated(1)])
    const gone = new Promise((resolve) => backend.sockets[0]!.once('disconnect', resolve))
    client.session.stop()
    expect(await gone).toBe('client namespace disconnect')
  })

  it('asks for the credential on every dial', async () => {
    let asked = 0
    const { backend, client } = await start({
      auth: (give) => {
        give({ token: `t${++asked}` })
      },
    })
    client.start()
    await client.untilStatus('live')
    backend.cut()
    await client.until(() => client.statuses.filter((status) => status === 'live').length === 2)
    expect(backend.tokens).toEqual(['t1', 't2'])
  })

  it('is dialled again by the session, also when it was not let in', async () => {
    const { backend, client } = await start()
    backend.refusal = 'later'
    client.start()
    await client.until(() => client.errors.length === 2)
    expect(client.errors.map(({ cause }) => (cause as Error).message)).toEqual(['later', 'later'])
    backend.refusal = undefined
    await client.untilStatus('live')
    expect(backend.sockets).toHaveLength(1)
  })

  it('comes back after a restart of the server', async () => {
    const { backend, client } = await start()
    client.start()
    await client.untilStatus('live')
    await backend.restart()
    await client.until(() => client.statuses.filter((status) => status === 'live').length === 2)
    backend.emit('task.updated', { id: 1 })
    await client.until(() => client.events.length === 1)
    expect(client.resyncs.at(-1)).toMatchObject({ outcome: 'reset' })
  })
})

it('takes sockets whose events are typed', () => {
  interface FromServer {
    'task.updated': (task: { id: number }) => void
  }
  const socket: Socket<FromServer, { hello: () => void }> = io('http://127.0.0.1:1', { autoConnect: false })
  expect(socketIoTransport(socket)).toMatchObject({ name: 'socket.io', mode: 'managed' })
})
