import { describe, expect, it } from 'vitest'
import { decodeServerMessage } from '../../src/core/protocol/codec.ts'
import type { ServerMessage } from '../../src/core/protocol/messages.ts'
import { createRealtimeServer, memoryEventLog, type ServerLimits } from '../../src/server/index.ts'
import { manualClock } from './manual.ts'
import { startServer, TestClient } from './support.ts'

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A server on a clock of its own, and a subscribed client whose buffer the test fills and empties. */
async function startStalled(limits: Partial<ServerLimits>) {
  const time = manualClock()
  const server = createRealtimeServer({
    log: memoryEventLog({ epoch: 'e', now: time.clock.now }),
    authenticate: () => ({}),
    authorize: () => true,
    limits,
    platform: { clock: time.clock, defer: (run) => run() },
  })
  const sent: ServerMessage[] = []
  const socket = {
    bufferedAmount: 0,
    closedWith: undefined as { code: number; reason: string } | undefined,
    send(text: string) {
      const decoded = decodeServerMessage(text)
      if (decoded.ok) sent.push(decoded.message)
    },
    close(code: number, reason: string) {
      socket.closedWith = { code, reason }
    },
  }
  const connection = server.opened(socket, { headers: {} })
  connection.message('{"t":"hello"}')
  await settle()
  connection.message('{"t":"subscribe","topics":[{"topic":"t"}]}')
  await settle()
  const taken = () => sent.splice(0)
  expect(taken().map(({ t }) => t)).toEqual(['welcome', 'subscribed'])
  const publish = (data: unknown) => server.publish('t', { type: 'n', data })
  return { server, connection, socket, time, taken, publish }
}

/** Offsets of the events, and the kinds of all other messages. */
const offsetsOf = (messages: ServerMessage[]) =>
  messages.flatMap((message): (number | string)[] =>
    message.t === 'events' ? message.events.map(({ offset }) => offset) : [message.t],
  )

describe('S7 slow consumer', () => {
  it('gets what was held back once it reads again, as events without a hole', async () => {
    const { socket, time, taken, publish } = await startStalled({ maxBufferedBytes: 1_000 })
    await publish(1)
    socket.bufferedAmount = 1_001
    await publish(2)
    await publish(3)
    expect(offsetsOf(taken())).toEqual([1])
    time.advance(100)
    socket.bufferedAmount = 500
    time.advance(100)
    await settle()
    expect(offsetsOf(taken())).toEqual([2, 3])
    await publish(4)
    expect(offsetsOf(taken())).toEqual([4])
  })

  it('is reset when more was held back than may be replayed', async () => {
    const { socket, time, taken, publish } = await startStalled({
      maxBufferedBytes: 1_000,
      maxReplayEvents: 2,
    })
    socket.bufferedAmount = 1_001
    for (let n = 1; n <= 3; n++) await publish(n)
    socket.bufferedAmount = 0
    time.advance(100)
    await settle()
    await publish(4)
    expect(taken()).toMatchObject([
      { t: 'subscribed', outcome: 'reset', position: { epoch: 'e', offset: 3 } },
      { t: 'events', events: [{ offset: 4 }] },
    ])
  })

  it('misses nothing when it asks for a replay in the meantime', async () => {
    const { connection, socket, time, taken, publish } = await startStalled({ maxBufferedBytes: 1_000 })
    socket.bufferedAmount = 1_001
    await publish(1)
    connection.message('{"t":"subscribe","topics":[{"topic":"t","position":{"epoch":"e","offset":0}}]}')
    await settle()
    expect(taken()).toMatchObject([{ t: 'subscribed', outcome: 'reset', position: { offset: 1 } }])
    await publish(2)
    socket.bufferedAmount = 0
    time.advance(100)
    await settle()
    expect(offsetsOf(taken())).toEqual([2])
  })

  it('is cut with 4413 when it does not read for slowConsumerMs, and nothing is left behind', async () => {
    const { connection, socket, time, publish } = await startStalled({
      maxBufferedBytes: 1_000,
      slowConsumerMs: 300,
    })
    socket.bufferedAmount = 1_001
    await publish(1)
    time.advance(299)
    expect(socket.closedWith).toBeUndefined()
    time.advance(1)
    expect(socket.closedWith).toEqual({ code: 4413, reason: 'slow consumer' })
    connection.closed(4413, 'slow consumer')
    expect(time.pending()).toBe(0)
  })

  it('is noticed as well when it only asks and never reads the answers', async () => {
    const { connection, socket, time } = await startStalled({ maxBufferedBytes: 1_000, slowConsumerMs: 300 })
    socket.bufferedAmount = 1_001
    connection.message('{"t":"ping"}')
    time.advance(300)
    expect(socket.closedWith).toMatchObject({ code: 4413 })
  })

  it('is replayed as much as it has room for, however many topics it asks for at once', async () => {
    const topics = Array.from({ length: 100 }, (_, n) => `t${n}`)
    const { server, socket, connection, taken } = await startStalled({ maxBufferedBytes: 100_000 })
    for (const topic of topics) await server.publish(topic, { type: 'n', data: 'x'.repeat(20_000) })
    const { send } = socket
    socket.send = (text) => {
      socket.bufferedAmount += text.length
      send(text)
    }
    const position = { epoch: 'e', offset: 0 }
    connection.message(
      JSON.stringify({ t: 'subscribe', topics: topics.map((topic) => ({ topic, position })) }),
    )
    await settle()
    const outcomes = taken().flatMap((message) => (message.t === 'subscribed' ? [message.outcome] : []))
    expect(outcomes).toHaveLength(100)
    expect(outcomes.filter((outcome) => outcome === 'replayed').length).toBeGreaterThanOrEqual(3)
    expect(socket.bufferedAmount).toBeLessThan(120_000)
  })

  it('costs the others nothing: a paused socket is cut, a reading one gets every event', async () => {
    let reportCut = () => {}
    const cut = new Promise<void>((resolve) => (reportCut = resolve))
    const { server, url } = await startServer({
      limits: { maxBufferedBytes: 64 * 1024, slowConsumerMs: 50 },
      logger: { debug: (_, { code }) => code === 4413 && reportCut() },
    })
    const [slow, other] = [await TestClient.ready(url), await TestClient.ready(url)]
    for (const client of [slow, other]) {
      client.subscribe('t')
      await client.next('subscribed')
    }
    slow.socket.pause()
    // More than the system's socket buffers take, so that the rest stays with the server.
    const data = 'x'.repeat(100 * 1024)
    for (let n = 1; n <= 200; n++) {
      await server.publish('t', { type: 'n', data })
      expect(await other.events(1)).toMatchObject([{ offset: n }])
    }
    await cut
    slow.socket.resume()
    expect(await slow.closed).toEqual({ code: 4413, reason: 'slow consumer' })
    expect(slow.messages.length).toBeLessThan(200)
  })
})
