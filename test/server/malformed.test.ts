import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeMessage } from '../../src/core/protocol/codec.ts'
import { decodeClientMessage } from '../../src/core/protocol/decode-client-message.ts'
import { clientMessage } from '../protocol/arbitraries.ts'
import { startServer, TestClient } from './support.ts'

const MALFORMED = [
  '',
  'null',
  '{',
  '[]',
  '"ping"',
  '{"t":"pinG"}',
  '{"t":"constructor"}',
  '{"t":"subscribe"}',
  '{"t":"subscribe","topics":[{"topic":1}]}',
  '{"t":"subscribe","topics":[{"topic":"t","position":{"epoch":"e","offset":-1}}]}',
  '{"t":"unsubscribe","topics":[null]}',
  '{"__proto__":{"t":"ping","polluted":true}}',
  '{"t":"welcome","connectionId":"c"}',
]

const message = clientMessage.filter(({ t }) => t !== 'hello' && t !== 'auth')

/** Flipped bits and lost bytes. */
const brokenBytes = fc.tuple(message, fc.nat(), fc.nat(7), fc.boolean()).map(([whole, at, bit, isCut]) => {
  const bytes = Buffer.from(encodeMessage(whole))
  const index = at % bytes.length
  if (isCut) return bytes.subarray(0, index).toString()
  bytes[index] = bytes[index]! ^ (1 << bit)
  return bytes.toString()
})

/** What no field is meant to be, as JSON. */
const hostile = fc.constantFrom(
  'null',
  'true',
  '-1',
  '1.5',
  '1e309',
  '9007199254740993',
  '""',
  '[]',
  '[null]',
  '{}',
  '{"topic":null}',
  '[{"topic":"a","position":{"epoch":"","offset":1e99}}]',
  '{"__proto__":{"polluted":true}}',
  `"${'x'.repeat(5_000)}"`,
  '['.repeat(100) + ']'.repeat(100),
)

/** Whole JSON, of which fields are missing, stand twice, or hold something else. */
const brokenStructure = fc
  .tuple(
    message,
    fc.array(fc.tuple(fc.nat(), fc.constantFrom('lose', 'replace', 'repeat', 'wrap'), hostile), {
      minLength: 1,
      maxLength: 3,
    }),
  )
  .map(([whole, changes]) => {
    let fields = Object.entries(whole).map(([name, value]) => [name, JSON.stringify(value)] as const)
    let wrap = (text: string) => text
    for (const [at, change, value] of changes) {
      const index = at % Math.max(1, fields.length)
      const name = fields[index]?.[0] ?? 't'
      if (change === 'lose') fields = fields.filter((_, other) => other !== index)
      else if (change === 'repeat') fields.push([name, value])
      else if (change === 'replace') fields[index] = [name, value]
      else wrap = (text) => `[${text}]`
    }
    return wrap(`{${fields.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join()}}`)
  })

describe('S8 S9 malformed frames', () => {
  it.each(MALFORMED)('answers %j with an error, reports it once and goes on', async (frame) => {
    const { server, url, errors } = await startServer()
    const client = await TestClient.ready(url)
    client.subscribe('t')
    await client.next('subscribed')
    client.socket.send(frame)
    expect(await client.next('error')).toMatchObject({
      code: 'bad-message',
      message: expect.stringContaining('rqb.v1'),
    })
    await server.publish('t', { type: 'still here' })
    expect(await client.events(1)).toMatchObject([{ type: 'still here' }])
    expect(errors).toMatchObject([{ code: 'undecodable', details: { connectionId: expect.any(String) } }])
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('closes with 4400 when one comes before welcome', async () => {
    const { url } = await startServer()
    const client = await TestClient.open(url)
    client.socket.send('{"t":"hello","token":1}')
    expect(await client.closed).toEqual({ code: 4400, reason: 'bad message' })
    expect(client.messages).toEqual([])
  })

  it('closes with 4429 when there are many', async () => {
    const { url, errors } = await startServer()
    const client = await TestClient.ready(url)
    for (let n = 0; n < 500; n++) client.socket.send('?')
    expect(await client.closed).toMatchObject({ code: 4429 })
    expect(errors.length).toBeLessThan(60)
  })

  it('keep nobody from being served: 10,000 broken frames, by structure and by bytes, on 10 connections', async () => {
    const { server, url, errors } = await startServer({
      limits: {
        maxMessagesPerSecond: 1e9,
        maxJoinsPerSecond: 1e9,
        maxTopicsPerConnection: 50,
        maxBufferedBytes: 1e9,
      },
    })
    const witness = await TestClient.ready(url)
    witness.subscribe('witness')
    await witness.next('subscribed')
    const frames = fc
      .sample(fc.oneof(brokenStructure, brokenBytes), { seed: 20_261_123, numRuns: 20_000 })
      .filter((frame) => !decodeClientMessage(frame).ok)
      .slice(0, 10_000)
    expect(frames).toHaveLength(10_000)
    const noisy = await Promise.all(Array.from({ length: 10 }, () => TestClient.ready(url)))
    frames.forEach((frame, index) => noisy[index % noisy.length]!.socket.send(frame))
    // The barrier: a last word that is answered after all the others.
    await Promise.all(
      noisy.map(async (client) => {
        client.socket.send('{"t":"the last word"}')
        for (;;) {
          const message = await client.nextOfAny()
          if (message.t === 'error' && message.message.includes('the last word')) return
        }
      }),
    )
    expect(errors).toHaveLength(frames.length + noisy.length)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    await server.publish('witness', { type: 'a' })
    expect(await witness.events(1)).toMatchObject([{ type: 'a', offset: 1 }])
  })
})
