import { describe, expect, it } from 'vitest'
import { decodeServerMessage } from '../../src/core/protocol/codec.ts'
import type { ServerMessage } from '../../src/core/protocol/messages.ts'
import { createRealtimeServer, memoryEventLog, type SharedFrames } from '../../src/server/index.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const bytesOf = (text: string) => Buffer.from(text)

/** A server whose turns the test takes one by one, and whose every look at the clock takes a ms, or as long as is said. */
function start({ msPerLook = 1 } = {}) {
  const turns: (() => void)[] = []
  let now = 0
  const server = createRealtimeServer({
    log: memoryEventLog({ epoch: 'e' }),
    authenticate: () => ({}),
    authorize: () => true,
    platform: {
      defer: (run) => void turns.push(run),
      clock: { now: () => (now += msPerLook), after: () => () => {} },
    },
  })
  const takeTurn = () => {
    for (const run of turns.splice(0)) run()
  }
  /** Until a turn has brought nothing more, so that a round has begun. */
  const takeFirstTurns = () => {
    takeTurn()
    takeTurn()
  }
  return { server, takeTurn, takeFirstTurns, hasTurns: () => turns.length > 0 }
}

/** A socket that keeps what each write held. */
class RecordingSocket {
  readonly writes: ServerMessage[][] = []
  readonly buffers: Uint8Array[] = []
  bufferedAmount = 0

  send(text: string): void {
    this.writes.push([this.#read(text)])
  }

  sendShared(frames: SharedFrames): void {
    this.buffers.push(frames.joined(bytesOf))
    this.writes.push(frames.list.map(({ text }) => this.#read(text)))
  }

  close(): void {
    this.writes.push([])
  }

  #read(text: string): ServerMessage {
    const decoded = decodeServerMessage(text)
    if (!decoded.ok) throw decoded.error
    return decoded.message
  }

  /** The topics and offsets of the events in each write since the last call. */
  taken(): string[][] {
    return this.writes
      .splice(0)
      .map((messages) =>
        messages.flatMap((message) =>
          message.t === 'events'
            ? message.events.map(({ offset }) => `${message.topic}${offset}`)
            : [message.t],
        ),
      )
  }
}

async function connect({ server }: Pick<ReturnType<typeof start>, 'server'>, ...topics: string[]) {
  const socket = new RecordingSocket()
  const connection = server.opened(socket, { headers: {} })
  connection.message('{"t":"hello"}')
  await turn()
  connection.message(JSON.stringify({ t: 'subscribe', topics: topics.map((topic) => ({ topic })) }))
  await turn()
  socket.taken()
  return { socket, connection }
}

describe('fan-out', () => {
  it('serves a large audience over several turns, all of it with one buffer', async () => {
    const host = start()
    const clients = []
    for (let n = 0; n < 500; n++) clients.push(await connect(host, 'a'))
    await host.server.publish('a', { type: 'n' })
    let turns = 0
    const servedAfter: number[] = []
    while (host.hasTurns()) {
      host.takeTurn()
      turns += 1
      servedAfter.push(clients.filter(({ socket }) => socket.writes.length > 0).length)
    }
    expect(turns).toBeGreaterThan(3)
    expect(servedAfter[0]).toBeLessThan(250)
    expect(servedAfter.at(-1)).toBe(500)
    expect(new Set(clients.flatMap(({ socket }) => socket.buffers)).size).toBe(1)
    for (const { socket } of clients) expect(socket.taken()).toEqual([['a1']])
  })

  it('keeps the order, and puts what comes while a socket waits into its next write', async () => {
    const host = start()
    const clients = []
    for (let n = 0; n < 300; n++) clients.push(await connect(host, 'a', 'b'))
    await host.server.publish('a', { type: 'n' })
    host.takeFirstTurns()
    const last = clients.at(-1)!.socket
    expect(last.writes).toEqual([])
    await host.server.publish('b', { type: 'n' })
    await host.server.publish('a', { type: 'n' })
    while (host.hasTurns()) host.takeTurn()
    for (const { socket } of clients) {
      expect(socket.taken()).toEqual([['a1'], ['b1', 'a2']])
    }
    expect(clients.at(-1)!.socket.buffers).toHaveLength(2)
  })

  it('leaves nobody out when many go while it is under way', async () => {
    const host = start()
    const clients = []
    for (let n = 0; n < 200; n++) clients.push(await connect(host, 'a'))
    await host.server.publish('a', { type: 'n' })
    host.takeFirstTurns()
    const gone = clients.splice(0, 120)
    expect(gone[0]!.socket.taken()).toEqual([['a1']])
    expect(gone.at(-1)!.socket.taken()).toEqual([])
    for (const { connection } of gone) connection.closed(1001, '')
    while (host.hasTurns()) host.takeTurn()
    for (const { socket } of clients) expect(socket.taken()).toEqual([['a1']])
    expect(gone.at(-1)!.socket.taken()).toEqual([])
  })

  it('sends one buffer to all sockets that are sent the same frames, and their own to the others', async () => {
    const host = start()
    const both = [await connect(host, 'a', 'b'), await connect(host, 'a', 'b')]
    const one = [await connect(host, 'b'), await connect(host, 'b')]
    await host.server.publish('a', { type: 'n' })
    await host.server.publish('b', { type: 'n' })
    while (host.hasTurns()) host.takeTurn()
    const buffers = [...both, ...one].map(({ socket }) => socket.buffers)
    expect(buffers.map(({ length }) => length)).toEqual([1, 1, 1, 1])
    expect(buffers[0]![0]).toBe(buffers[1]![0])
    expect(buffers[2]![0]).toBe(buffers[3]![0])
    expect(both[0]!.socket.taken()).toEqual([['a1', 'b1']])
    expect(one[0]!.socket.taken()).toEqual([['b1']])
  })

  it('puts what turns that follow each other publish into one frame', async () => {
    const host = start({ msPerLook: 0 })
    const { socket } = await connect(host, 'a', 'b')
    for (const topic of ['a', 'b', 'a', 'a']) {
      await host.server.publish(topic, { type: 'n' })
      host.takeTurn()
      expect(socket.writes).toEqual([])
    }
    host.takeTurn()
    expect(socket.taken()).toEqual([['a1', 'a2', 'a3', 'b1']])
  })

  it('does not wait long for a turn without a publish', async () => {
    const host = start()
    const { socket } = await connect(host, 'a')
    let published = 0
    while (socket.writes.length === 0 && published < 100) {
      await host.server.publish('a', { type: 'n' })
      published += 1
      host.takeTurn()
    }
    expect(published).toBeLessThan(5)
    while (host.hasTurns()) host.takeTurn()
    const offsets = Array.from({ length: published }, (_, n) => `a${n + 1}`)
    expect(socket.taken().flat()).toEqual(offsets)
  })

  it('waits no longer when the clock is set back', async () => {
    const host = start({ msPerLook: -1 })
    const { socket } = await connect(host, 'a')
    await host.server.publish('a', { type: 'n' })
    host.takeTurn()
    expect(socket.taken()).toEqual([['a1']])
  })

  it('tells everybody in a single turn of a burst that would wait without a bound', async () => {
    const host = start()
    const clients = []
    for (let n = 0; n < 200; n++) clients.push(await connect(host, 'a'))
    await host.server.publish('a', { type: 'n' })
    host.takeFirstTurns()
    // 64 full batches, and one that is growing.
    for (let n = 0; n < 6_500; n++) void host.server.publish('a', { type: 'n' })
    expect(clients.at(-1)!.socket.writes).toEqual([])
    for (let n = 0; n < 100; n++) void host.server.publish('a', { type: 'n' })
    while (host.hasTurns()) host.takeTurn()
    for (const { socket } of clients) {
      const offsets = socket.taken().flat()
      expect(offsets).toEqual(Array.from({ length: 6_601 }, (_, n) => `a${n + 1}`))
    }
  })

  it('keeps the order of a socket that is about to write when another one, by its write, makes a burst', async () => {
    const host = start()
    const [first, second] = [await connect(host, 'a', 'b'), await connect(host, 'a', 'b')]
    const { sendShared } = first.socket
    first.socket.sendShared = (frames) => {
      first.socket.sendShared = sendShared
      first.socket.sendShared(frames)
      for (let n = 0; n < 6_500; n++) void host.server.publish('a', { type: 'n' })
      void host.server.publish('b', { type: 'n' })
    }
    await host.server.publish('a', { type: 'n' })
    while (host.hasTurns()) host.takeTurn()
    for (const { socket } of [first, second]) {
      const offsets = socket.taken().flat()
      expect(offsets).toEqual([...Array.from({ length: 6_501 }, (_, n) => `a${n + 1}`), 'b1'])
    }
  })

  it('writes the events of several topics to a socket at once', async () => {
    const host = start()
    const { socket } = await connect(host, 'a', 'b', 'c')
    for (const topic of ['a', 'b', 'c', 'a']) await host.server.publish(topic, { type: 'n' })
    while (host.hasTurns()) host.takeTurn()
    expect(socket.taken()).toEqual([['a1', 'a2', 'b1', 'c1']])
  })

  it('writes what waits for a socket before an answer, and before a close', async () => {
    const host = start()
    const clients = []
    for (let n = 0; n < 300; n++) clients.push(await connect(host, 'a', 'b'))
    await host.server.publish('a', { type: 'n' })
    await host.server.publish('b', { type: 'n' })
    while (clients[0]!.socket.writes.length === 0) host.takeTurn()
    const [asking, leaving] = [clients.at(-1)!, clients.at(-2)!]
    expect(asking.socket.writes).toEqual([])
    asking.connection.message('{"t":"ping"}')
    expect(asking.socket.taken()).toEqual([['a1', 'b1'], ['pong']])
    leaving.connection.message('{"t":"hello"}')
    expect(leaving.socket.taken()).toEqual([['a1', 'b1'], []])
    while (host.hasTurns()) host.takeTurn()
    expect([...asking.socket.taken(), ...leaving.socket.taken()]).toEqual([])
  })

  it('counts what waits for a turn as buffered, so that it stays bounded', async () => {
    const host = start()
    const clients = []
    for (let n = 0; n < 300; n++) clients.push(await connect(host, 'a'))
    const last = clients.at(-1)!.socket
    const data = 'x'.repeat(200_000)
    await host.server.publish('a', { type: 'n', data })
    host.takeFirstTurns()
    // One publish and no more than one turn at a time: the last socket never gets its turn.
    let published = 1
    while (last.writes.length === 0 && published < 20) {
      await host.server.publish('a', { type: 'n', data })
      published += 1
      host.takeTurn()
    }
    while (host.hasTurns()) host.takeTurn()
    const bytes = last.buffers.reduce((sum, { length }) => sum + length, 0)
    expect(bytes).toBeLessThan(host.server.limits.maxBufferedBytes + 2 * data.length)
  })

  it('goes on with the others when a socket fails', async () => {
    const errors: unknown[] = []
    const turns: (() => void)[] = []
    const server = createRealtimeServer({
      authenticate: () => ({}),
      authorize: () => true,
      onError: (error) => errors.push(error.code),
      platform: { defer: (run) => void turns.push(run) },
    })
    const host = { server }
    const clients = [await connect(host, 'a'), await connect(host, 'a'), await connect(host, 'a')]
    clients[1]!.socket.sendShared = () => {
      throw new Error('gone')
    }
    await server.publish('a', { type: 'n' })
    while (turns.length > 0) turns.shift()!()
    expect(clients.map(({ socket }) => socket.taken())).toEqual([[['a1']], [[]], [['a1']]])
    expect(errors).toEqual(['transport-failed'])
    for (const { connection } of clients) connection.closed(1000, '')
    await server.close({ graceMs: 0 })
  })
})
