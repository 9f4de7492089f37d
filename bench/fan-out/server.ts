/** One server of the fan-out bench in a process of its own: `node server.js <contender>`. */
import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import {
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
  type Socket,
} from 'node:net'
import { Server as SocketIoServer } from 'socket.io'
import { WebSocketServer, type WebSocket } from 'ws'
import { attachWebSocket, createRealtimeServer } from '../../src/server/index.ts'
import { row, TOPICS, TYPE, type Contender, type ServerAnswer, type ServerCommand } from './messages.ts'

/** No heartbeats while something is measured: the clients only count. */
const NEVER_MS = 2 ** 31 - 1

interface Publisher {
  readonly server: Server | TcpServer
  /** Sends messages `from` to `from + count` to everybody. */
  publish(from: number, count: number): void
}

function bridge(): Publisher {
  const server = createServer()
  // What an app keeps of its users is not counted.
  const guest = {}
  const realtime = createRealtimeServer({
    authenticate: () => guest,
    authorize: () => true,
    limits: { maxConnections: 100_000 },
  })
  attachWebSocket(realtime, server, { pingIntervalMs: NEVER_MS })
  return {
    server,
    publish(from, count) {
      for (let n = from; n < from + count; n++) void realtime.publish(TOPICS[0], { type: TYPE, data: row(n) })
    },
  }
}

/** What an app does by hand: a set of sockets for each topic, and each message made text once. */
function plainWs(): Publisher {
  const server = createServer()
  const rooms = new Map<string, Set<WebSocket>>(TOPICS.map((topic) => [topic, new Set()]))
  new WebSocketServer({ server, clientTracking: false }).on('connection', (socket) => {
    socket.on('error', () => {})
    socket.on('message', (data) => {
      for (const topic of JSON.parse((data as Buffer).toString()) as string[]) rooms.get(topic)?.add(socket)
      socket.send('"subscribed"')
    })
    socket.on('close', () => {
      for (const room of rooms.values()) room.delete(socket)
    })
  })
  return {
    server,
    publish(from, count) {
      for (let n = from; n < from + count; n++) {
        const text = JSON.stringify({ type: TYPE, topic: TOPICS[0], seq: n, data: row(n) })
        for (const socket of rooms.get(TOPICS[0])!) socket.send(text)
      }
    },
  }
}

function socketIo(): Publisher {
  const server = createServer()
  const io = new SocketIoServer(server, {
    pingInterval: NEVER_MS,
    transports: ['websocket'],
    serveClient: false,
  })
  io.on('connection', (socket) => {
    void socket.join([...TOPICS])
  })
  return {
    server,
    publish(from, count) {
      for (let n = from; n < from + count; n++) io.to(TOPICS[0]).emit(TYPE, row(n))
    },
  }
}

/** The floor: the bytes that the bridge sends, in one buffer that is written to every socket. */
function bareNet(): Publisher {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.resume()
    socket.once('data', () => socket.write('welcome'))
  })
  const epoch = randomUUID()
  return {
    server,
    publish(from, count) {
      const events = Array.from({ length: count }, (_, n) => ({ type: TYPE, data: row(from + n), offset: n }))
      const text = JSON.stringify({ t: 'events', topic: TOPICS[0], epoch, events })
      const frame = Buffer.from(`head${text}`)
      for (const socket of sockets) socket.write(frame)
    },
  }
}

const PUBLISHERS: Record<Contender, () => Publisher> = {
  bridge,
  ws: plainWs,
  'socket.io': socketIo,
  net: bareNet,
}

const answer = (message: ServerAnswer) => process.send!(message)

/** The longest time between two turns of the event loop, by the clock and by what this process used of the processor. */
class LoopWatch {
  #isOn = true
  #longestMs = 0
  #longestCpuUs = 0
  #at = performance.now()
  #cpu = process.cpuUsage()

  start(): void {
    setImmediate(() => {
      const now = performance.now()
      const { user, system } = process.cpuUsage(this.#cpu)
      this.#longestMs = Math.max(this.#longestMs, now - this.#at)
      this.#longestCpuUs = Math.max(this.#longestCpuUs, user + system)
      this.#at = now
      this.#cpu = process.cpuUsage()
      if (this.#isOn) this.start()
    })
  }

  stop(): { blockMs: number; blockCpuMs: number } {
    this.#isOn = false
    return { blockMs: this.#longestMs, blockCpuMs: this.#longestCpuUs / 1_000 }
  }
}

const { server, publish } = PUBLISHERS[process.argv[2] as Contender]()
let published = 0
let watch: LoopWatch | undefined

process.on('message', (command: ServerCommand) => {
  switch (command.do) {
    case 'tick':
      publish(published, command.messages)
      published += command.messages
      break
    case 'usage': {
      const { user, system } = process.cpuUsage()
      const { rss, heapUsed, external } = process.memoryUsage()
      answer({ is: 'usage', cpuUs: user + system, rss, heap: heapUsed + external })
      break
    }
    case 'collect-garbage':
      globalThis.gc?.()
      globalThis.gc?.()
      // The collector goes on for a while beside the program.
      setTimeout(() => answer({ is: 'collected' }), 100)
      break
    case 'watch-loop':
      watch = new LoopWatch()
      watch.start()
      // A few turns first, so that the message itself is not in what is measured.
      setTimeout(() => answer({ is: 'watching' }), 20)
      break
    case 'stop-watching':
      if (watch) answer({ is: 'watched', ...watch.stop() })
      break
  }
})
process.on('disconnect', () => process.exit())

/** Where each request publishes one message, as the requests of an app do. */
const publishing = createServer((_, response) => {
  publish(published, 1)
  published += 1
  response.writeHead(204).end()
})
// Its connections are idle while the others are measured.
publishing.keepAliveTimeout = 0

const listening = (one: Server | TcpServer) =>
  new Promise<number>((resolve) => {
    one.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
      resolve((one.address() as AddressInfo).port)
    })
  })
const [port, publishPort] = await Promise.all([listening(server), listening(publishing)])
answer({ is: 'listening', port, publishPort })
