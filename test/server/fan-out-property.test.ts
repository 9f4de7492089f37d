/**
 * Clients come, subscribe, ask for what they have missed, unsubscribe and leave while rounds of the fan-out are under
 * way: each is sent every event after what it was told, once and in order. Of a topic that it has left it may be sent
 * what was on its way already.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeServerMessage } from '../../src/core/protocol/codec.ts'
import type { ServerMessage } from '../../src/core/protocol/messages.ts'
import {
  createRealtimeServer,
  memoryEventLog,
  type ServerConnection,
  type SharedFrames,
} from '../../src/server/index.ts'

const TOPICS = ['a', 'b', 'c']
const CLIENTS = 40

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Knows what one client may be sent next. */
class CheckedSocket {
  connection!: ServerConnection
  readonly bufferedAmount = 0
  /** The topics that it wants; of those that are answered, how far it has been brought. */
  readonly wanted = new Set<string>()
  readonly offsets = new Map<string, number>()
  wrong: string[] = []

  send(text: string): void {
    const decoded = decodeServerMessage(text)
    if (decoded.ok) this.#take(decoded.message)
    else this.wrong.push(text)
  }

  sendShared({ list }: SharedFrames): void {
    for (const { text } of list) this.send(text)
  }

  close(): void {}

  unsubscribe(topic: string): void {
    this.wanted.delete(topic)
    this.connection.message(JSON.stringify({ t: 'unsubscribe', topics: [topic] }))
  }

  #take(message: ServerMessage): void {
    if (message.t === 'subscribed') {
      const { topic, events = [], position } = message
      if (!this.wanted.has(topic)) this.wrong.push(`answered ${topic}`)
      if (message.outcome === 'reset') this.wrong.push(`reset ${topic}`)
      const from = position.offset - events.length
      if (message.outcome === 'replayed' && from > (this.offsets.get(topic) ?? 0)) {
        this.wrong.push(`skipped ${topic}${from}`)
      }
      this.offsets.set(topic, position.offset)
    } else if (message.t === 'events') {
      for (const { offset } of message.events) {
        const before = this.offsets.get(message.topic)
        if (before === undefined || offset !== before + 1) this.wrong.push(`${message.topic}${offset}`)
        this.offsets.set(message.topic, offset)
      }
    }
  }
}

type Step =
  | { readonly do: 'publish'; readonly topic: string; readonly count: number }
  | {
      readonly do: 'subscribe' | 'ask again' | 'unsubscribe'
      readonly topic: string
      readonly client: number
    }
  | { readonly do: 'leave'; readonly client: number }
  | { readonly do: 'unsubscribe many'; readonly topic: string; readonly client: number }
  | { readonly do: 'turn' }
  | { readonly do: 'settle' }

const topic = fc.constantFrom(...TOPICS)
const client = fc.nat(CLIENTS - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      topic,
      count: fc.integer({ min: 1, max: 130 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('subscribe' as const, 'ask again' as const, 'unsubscribe' as const),
      topic,
      client,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), client }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unsubscribe many' as const), topic, client }) },
  { weight: 6, arbitrary: fc.constant({ do: 'turn' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'settle' as const }) },
)

/** Where a look at the clock takes 4 ms, a turn is a few steps and a round takes several; otherwise rounds wait for what turns bring. */
async function play(steps: readonly Step[], msPerLook: number) {
  const turns: (() => void)[] = []
  let now = 0
  const log = memoryEventLog({ epoch: 'e', maxEventsPerTopic: 100_000 })
  const server = createRealtimeServer({
    log,
    authenticate: () => ({}),
    authorize: () => true,
    limits: {
      maxMessagesPerSecond: 1e9,
      maxJoinsPerSecond: 1e9,
      maxReplayEvents: 100_000,
      maxReplayBytes: 1e9,
    },
    platform: {
      defer: (run) => void turns.push(run),
      clock: { now: () => (now += msPerLook), after: () => () => {} },
    },
  })
  const takeTurn = () => {
    for (const run of turns.splice(0)) run()
  }
  const connect = async () => {
    const socket = new CheckedSocket()
    socket.connection = server.opened(socket, { headers: {} })
    socket.connection.message('{"t":"hello"}')
    await settle()
    return socket
  }
  const subscribe = (socket: CheckedSocket, name: string, withPosition: boolean) => {
    socket.wanted.add(name)
    const offset = withPosition ? socket.offsets.get(name) : undefined
    const position = offset === undefined ? undefined : { epoch: 'e', offset }
    socket.connection.message(JSON.stringify({ t: 'subscribe', topics: [{ topic: name, position }] }))
  }
  const sockets: CheckedSocket[] = []
  for (let n = 0; n < CLIENTS; n++) sockets.push(await connect())
  for (const [n, socket] of sockets.entries()) {
    for (const name of TOPICS.slice(0, 1 + (n % 3))) subscribe(socket, name, false)
  }
  await settle()
  const all = [...sockets]
  for (const one of steps) {
    if (one.do === 'publish') {
      for (let n = 0; n < one.count; n++) void server.publish(one.topic, { type: 'n' })
    } else if (one.do === 'turn') {
      takeTurn()
    } else if (one.do === 'settle') {
      await settle()
    } else if (one.do === 'leave') {
      sockets[one.client]!.connection.closed(1001, '')
      all.push((sockets[one.client] = await connect()))
    } else if (one.do === 'unsubscribe many') {
      for (let n = 0; n < CLIENTS * 0.7; n++) sockets[(one.client + n) % CLIENTS]!.unsubscribe(one.topic)
    } else {
      const socket = sockets[one.client]!
      const isWanted = socket.wanted.has(one.topic)
      if (one.do === 'unsubscribe') socket.unsubscribe(one.topic)
      else if (isWanted === (one.do === 'ask again')) subscribe(socket, one.topic, isWanted)
    }
  }
  for (let n = 0; n < 4; n++) {
    while (turns.length > 0) takeTurn()
    await settle()
  }
  const heads = new Map<string, number>()
  for (const name of TOPICS) heads.set(name, (await log.head(name)).offset)
  return { all, sockets, heads }
}

describe('rounds of the fan-out', () => {
  it('bring each client every event of its topics once and in order, whoever comes and goes meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.constantFrom(4, 0.1),
        async (steps, msPerLook) => {
          const { all, sockets, heads } = await play(steps, msPerLook)
          expect(all.flatMap(({ wrong }) => wrong)).toEqual([])
          for (const { wanted, offsets } of sockets) {
            for (const name of wanted) expect(`${name}${offsets.get(name)}`).toBe(`${name}${heads.get(name)}`)
          }
        },
      ),
      { numRuns: 150 },
    )
  })
})
