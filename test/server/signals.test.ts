import { describe, expect, it } from 'vitest'
import { manualClock, memoryBus, settle, startManual } from './manual.ts'

const TICK = 20

/** Clients that are subscribed to `t`. */
async function startSubscribed(node = startManual(), users = ['ada', 'bob']) {
  const clients = []
  for (const user of users) {
    const client = await node.connect(user, 'c')
    client.send({ t: 'subscribe', topics: [{ topic: 't' }] })
    await client.take()
    clients.push(client)
  }
  return { ...node, clients }
}

describe('signals', () => {
  it('reach everybody else who is subscribed or present, once, with who sent them', async () => {
    const node = startManual()
    const { clients, time, connect } = await startSubscribed(node, ['ada', 'bob', 'eve'])
    const [ada, bob] = clients
    const present = await connect('guest')
    for (const client of [bob!, present]) client.send({ t: 'presence-join', topic: 't' })
    const stranger = await connect('stranger')
    await settle()
    time.advance(100)
    for (const client of [...clients, present]) await client.take()
    ada!.send({ t: 'signal', topic: 't', type: 'typing', data: { on: true } })
    await settle()
    time.advance(TICK)
    const signal = { type: 'typing', data: { on: true }, from: 'ada/c', user: 'ada' }
    for (const client of [bob!, clients[2]!, present]) {
      expect(await client.take()).toEqual([{ t: 'signals', topic: 't', signals: [signal] }])
    }
    expect(await ada!.take()).toEqual([])
    expect(await stranger.take()).toEqual([])
  })

  it('of one sender and type are one in a tick: the last', async () => {
    const { clients, time } = await startSubscribed()
    const [ada, bob] = clients
    for (let x = 1; x <= 30; x++) ada!.send({ t: 'signal', topic: 't', type: 'cursor', data: x })
    ada!.send({ t: 'signal', topic: 't', type: 'typing' })
    bob!.send({ t: 'signal', topic: 't', type: 'cursor', data: 'bob' })
    await settle()
    time.advance(TICK)
    expect(await bob!.take()).toMatchObject([{ signals: [{ type: 'cursor', data: 30 }, { type: 'typing' }] }])
    expect(await ada!.take()).toMatchObject([{ signals: [{ type: 'cursor', data: 'bob' }] }])
  })

  it('are not stored: who comes later hears nothing, and no position moves', async () => {
    const { clients, time, server, connect } = await startSubscribed()
    const before = await server.position(['t'])
    clients[0]!.send({ t: 'signal', topic: 't', type: 'x' })
    await settle()
    time.advance(TICK)
    expect(await server.position(['t'])).toEqual(before)
    const late = await connect('late')
    late.send({ t: 'subscribe', topics: [{ topic: 't', position: before['t'] }] })
    expect(await late.take()).toMatchObject([{ t: 'subscribed', events: [] }])
  })

  it('are the first that a slow client misses; events it does not miss', async () => {
    const { clients, time, server } = await startSubscribed()
    const [ada, slow] = clients
    slow!.socket.bufferedAmount = server.limits.maxBufferedBytes / 8
    ada!.send({ t: 'signal', topic: 't', type: 'x' })
    await settle()
    time.advance(TICK)
    await server.publish('t', { type: 'event' })
    expect(await slow!.take()).toMatchObject([{ t: 'events' }])
    expect(server.stats()).toMatchObject({ signals: 1, droppedSignals: 1 })
  })

  it('that are too large are refused, and a flood of them is told of once a second', async () => {
    const { clients, time } = await startSubscribed(startManual({ limits: { maxSignalBytes: 10 } }))
    const [ada, bob] = clients
    for (let n = 0; n < 5; n++) ada!.send({ t: 'signal', topic: 't', type: 'x', data: 'longer than ten' })
    await settle()
    time.advance(TICK)
    expect(await ada!.take()).toMatchObject([{ t: 'error', code: 'limit', topic: 't' }])
    expect(await bob!.take()).toEqual([])
    time.advance(1_000)
    ada!.send({ t: 'signal', topic: 't', type: 'x', data: 'longer than ten' })
    expect(await ada!.take()).toMatchObject([{ t: 'error' }])
  })

  it('reach the other node once', async () => {
    const [time, bus] = [manualClock(), memoryBus()]
    const one = await startSubscribed(startManual({ bus }, time), ['ada'])
    const two = await startSubscribed(startManual({ bus }, time), ['bob'])
    one.clients[0]!.send({ t: 'signal', topic: 't', type: 'x', data: 1 })
    await settle()
    time.advance(TICK)
    time.advance(TICK)
    time.advance(TICK)
    expect(await two.clients[0]!.take()).toMatchObject([{ signals: [{ data: 1, user: 'ada' }] }])
    expect(await one.clients[0]!.take()).toEqual([])
    expect(bus.said.filter((text) => text.includes('signals'))).toHaveLength(1)
  })

  it('whose bus is in trouble are reported and hold nobody up', async () => {
    const bus = { ...memoryBus(), publish: () => Promise.reject(new Error('no bus')) }
    const { clients, time, errors } = await startSubscribed(startManual({ bus }))
    clients[0]!.send({ t: 'signal', topic: 't', type: 'x' })
    await settle()
    time.advance(TICK)
    expect(await clients[1]!.take()).toMatchObject([{ t: 'signals' }])
    expect(errors.at(-1)).toMatchObject({ code: 'bus-failed' })
  })
})
