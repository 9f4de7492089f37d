/** Many clients in one process: bare TCP sockets that do what a handshake needs, and then only count messages. */
import { connect, type Socket } from 'node:net'
import { MARK, TOPICS, type ClientAnswer, type ClientCommand, type Contender } from './messages.ts'

const AT_A_TIME = 100
const MARK_BYTES = Buffer.from(MARK)

const answer = (message: ClientAnswer) => process.send!(message)

/** A client's frame whose mask is zero, so that the text stands in it as it is. */
function frame(text: string): Buffer {
  const payload = Buffer.from(text)
  if (payload.length > 65_535) throw new Error('too long')
  const head =
    payload.length < 126
      ? [0x81, 0x80 | payload.length]
      : [0x81, 0x80 | 126, payload.length >> 8, payload.length & 255]
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload])
}

const upgrade = (path: string, protocol?: string) =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n` +
  `${protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : ''}\r\n`

interface Step {
  readonly say: string | Buffer
  /** The step is done when this has come so many times. */
  readonly until: string
  readonly times?: number
}

const HANDSHAKES: Record<Contender, readonly Step[]> = {
  bridge: [
    { say: upgrade('/realtime', 'rqb.v1'), until: '\r\n\r\n' },
    { say: frame('{"t":"hello"}'), until: '"welcome"' },
    {
      say: frame(JSON.stringify({ t: 'subscribe', topics: TOPICS.map((topic) => ({ topic })) })),
      until: '"subscribed"',
      times: TOPICS.length,
    },
  ],
  ws: [
    { say: upgrade('/'), until: '\r\n\r\n' },
    { say: frame(JSON.stringify(TOPICS)), until: '"subscribed"' },
  ],
  'socket.io': [
    { say: upgrade('/socket.io/?EIO=4&transport=websocket'), until: '"sid"' },
    { say: frame('40'), until: '40{' },
  ],
  // So that the server has seen the connection, too.
  net: [{ say: 'hello', until: 'welcome' }],
}

const occurrences = (text: string, part: string) => text.split(part).length - 1

let expected = 0
let received = 0
let perSocket = 0
const sockets: Counter[] = []

class Counter {
  count = 0
  readonly #socket: Socket
  /** The beginning of a mark at the end of what came last. */
  #tail: Buffer | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('close', () => {
      if (!isDisconnecting) throw new Error('The server has closed a connection.')
    })
  }

  cut(): void {
    this.#socket.resetAndDestroy()
  }

  #take(chunk: Buffer): void {
    const bytes = this.#tail ? Buffer.concat([this.#tail, chunk]) : chunk
    this.#tail = undefined
    let end = 0
    for (let at = bytes.indexOf(MARK_BYTES); at >= 0; at = bytes.indexOf(MARK_BYTES, end)) {
      end = at + MARK_BYTES.length
      this.count += 1
      received += 1
    }
    const quote = bytes.indexOf(0x22, Math.max(end, bytes.length - MARK_BYTES.length + 1))
    for (let at = quote; at >= 0; at = bytes.indexOf(0x22, at + 1)) {
      const rest = bytes.subarray(at)
      if (!rest.equals(MARK_BYTES.subarray(0, rest.length))) continue
      this.#tail = Buffer.from(rest)
      break
    }
    if (received < expected || perSocket === 0) return
    if (received > expected || sockets.some(({ count }) => count !== perSocket)) {
      throw new Error('Some sockets have had more messages than others.')
    }
    perSocket = 0
    answer({ is: 'received' })
  }
}

function open(contender: Contender, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const steps = [...HANDSHAKES[contender]]
    let text = ''
    const next = () => {
      text = ''
      if (steps[0]) {
        socket.write(steps[0].say)
        return
      }
      socket.removeAllListeners()
      sockets.push(new Counter(socket))
      resolve()
    }
    socket.on('error', reject)
    socket.on('connect', next)
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      const [step] = steps
      if (step && occurrences(text, step.until) >= (step.times ?? 1)) {
        steps.shift()
        next()
      }
    })
  })
}

let isDisconnecting = false

async function connectAll(contender: Contender, port: number, count: number): Promise<void> {
  isDisconnecting = false
  for (let left = count; left > 0; left -= AT_A_TIME) {
    await Promise.all(Array.from({ length: Math.min(left, AT_A_TIME) }, () => open(contender, port)))
  }
}

process.on('message', (command: ClientCommand) => {
  switch (command.do) {
    case 'connect':
      void connectAll(command.contender, command.port, command.count).then(() => answer({ is: 'connected' }))
      break
    case 'expect':
      for (const socket of sockets) socket.count = 0
      received = 0
      perSocket = command.messages
      expected = command.messages * sockets.length
      answer({ is: 'expecting' })
      break
    case 'disconnect':
      isDisconnecting = true
      for (const socket of sockets.splice(0)) socket.cut()
      answer({ is: 'disconnected' })
      break
  }
})
process.on('disconnect', () => process.exit())
