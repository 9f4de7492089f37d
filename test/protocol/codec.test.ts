import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RealtimeError } from '../../src/core/errors.ts'
import { decodeServerMessage, encodeMessage } from '../../src/core/protocol/codec.ts'
import { decodeClientMessage } from '../../src/core/protocol/decode-client-message.ts'
import { eventsFrame, signalsFrame, subscribedFrame } from '../../src/server/sockets/frames.ts'
import { clientMessage, serverMessage } from './arbitraries.ts'

const problemOf = (
  raw: unknown,
  decode: (raw: unknown) => ReturnType<typeof decodeServerMessage> = decodeServerMessage,
) => {
  const decoded = decode(raw)
  return decoded.ok
    ? undefined
    : decoded.error.message
        .replace('[realtime-query-bridge] Not a message of rqb.v1: ', '')
        .replace(/ A backend with .*$/, '')
}

/** Plain JSON, so that prototypes and `undefined` do not matter. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown

describe('codec', () => {
  it('gives back every message of the server', () => {
    fc.assert(
      fc.property(serverMessage, (message) => {
        const decoded = decodeServerMessage(encodeMessage(message))
        expect(decoded.ok && plain(decoded.message)).toEqual(plain(message))
      }),
      { numRuns: 500 },
    )
  })

  it('gives back every message of the client', () => {
    fc.assert(
      fc.property(clientMessage, (message) => {
        const decoded = decodeClientMessage(encodeMessage(message))
        expect(decoded.ok && plain(decoded.message)).toEqual(plain(message))
      }),
      { numRuns: 500 },
    )
  })

  it("reads the server's own frames as the messages that encodeMessage writes", () => {
    fc.assert(
      fc.property(serverMessage, (message) => {
        if (message.t === 'signals') {
          const frame = signalsFrame(
            message.topic,
            message.signals.map((signal) => JSON.stringify(signal)),
          )
          const decoded = decodeServerMessage(frame)
          expect(decoded.ok && plain(decoded.message)).toEqual(plain(message))
        }
        if (message.t !== 'events' && message.t !== 'subscribed') return
        const logged = message.events?.map(({ data, prev: _, ...event }) => ({
          ...event,
          json: JSON.stringify(data),
        }))
        const frame =
          message.t === 'events'
            ? eventsFrame(message.topic, message.epoch, logged ?? [])
            : subscribedFrame({ ...message, events: logged })
        const events = message.events?.map(({ prev: _, ...event }) => event)
        const decoded = decodeServerMessage(frame)
        expect(decoded.ok && plain(decoded.message)).toEqual(plain({ ...message, events }))
      }),
      { numRuns: 500 },
    )
  })

  it('reads an object that the transport has decoded already', () => {
    expect(decodeServerMessage({ t: 'welcome', connectionId: 'c' })).toEqual({
      ok: true,
      message: { t: 'welcome', connectionId: 'c' },
    })
  })

  it('ignores fields that it does not know', () => {
    expect(decodeServerMessage('{"t":"pong","later":{"a":1}}').ok).toBe(true)
    expect(decodeClientMessage('{"t":"ping","t2":1}').ok).toBe(true)
  })

  it.each<[unknown, string]>([
    ['', 'not JSON.'],
    ['{"t":"pong"', 'not JSON.'],
    ['null', 'no type.'],
    ['[]', 'no type.'],
    ['"pong"', 'no type.'],
    ['{"t":1}', 'no type.'],
    [undefined, 'no type.'],
    [new Uint8Array([123, 125]), 'no type.'],
    [new ArrayBuffer(2), 'no type.'],
    ['{"t":"hello"}', 'unknown type "hello".'],
    ['{"t":"constructor"}', 'unknown type "constructor".'],
    ['{"t":"__proto__"}', 'unknown type "__proto__".'],
    [`{"t":"${'x'.repeat(99)}"}`, `unknown type "${'x'.repeat(40)}".`],
    ['{"t":"welcome"}', 'bad "connectionId" in "welcome".'],
    ['{"t":"welcome","connectionId":""}', 'bad "connectionId" in "welcome".'],
    ['{"__proto__":{"t":"welcome","connectionId":"c"}}', 'no type.'],
    ['{"t":"welcome","__proto__":{"connectionId":"c"}}', 'bad "connectionId" in "welcome".'],
    ['{"t":"events","topic":"t","epoch":"e","events":[null]}', 'bad "events" in "events".'],
    [
      '{"t":"events","topic":"t","epoch":"e","events":[{"type":"a","offset":0}]}',
      'bad "events" in "events".',
    ],
    ['{"t":"events","topic":"t","epoch":"e","events":{"length":1}}', 'bad "events" in "events".'],
    [`{"t":"events","topic":"t","epoch":"${'e'.repeat(65)}","events":[]}`, 'bad "epoch" in "events".'],
    ['{"t":"going-away","retryAfterMs":-1}', 'bad "retryAfterMs" in "going-away".'],
    ['{"t":"going-away","retryAfterMs":1e999}', 'bad "retryAfterMs" in "going-away".'],
    ['{"t":"pong","heads":{"a":{"epoch":"e","offset":1.5}}}', 'bad "heads" in "pong".'],
    ['{"t":"pong","heads":null}', 'bad "heads" in "pong".'],
    [
      '{"t":"subscribed","topic":"t","outcome":"replayed","position":{"epoch":"e","offset":1}}',
      'replayed without "events".',
    ],
    ['{"t":"subscribed","topic":"t","outcome":"fresh","position":[]}', 'bad "position" in "subscribed".'],
  ])('says what is wrong with %j', (raw, problem) => {
    expect(problemOf(raw)).toBe(problem)
  })

  it('does not throw on an object whose getters do', () => {
    const hostile = {
      get t(): string {
        throw new Error('hostile')
      },
    }
    expect(problemOf(hostile)).toBe('not JSON.')
    expect(problemOf(new Proxy({}, { get: () => hostile.t }))).toBe('not JSON.')
  })

  it('survives nesting that is deeper than the stack', () => {
    const deep = '['.repeat(200_000) + ']'.repeat(200_000)
    for (const decode of [decodeServerMessage, decodeClientMessage]) {
      expect(decode(deep).ok).toBe(false)
      expect(decode(`{"t":${deep}}`).ok).toBe(false)
    }
    expect(decodeServerMessage(`{"t":"welcome","connectionId":"c","x":${deep}}`).ok).toBe(true)
  })

  it('never quotes a credential', () => {
    for (const frame of [
      '{"t":"hello","token":["canary"]}',
      '{"t":"hello","token":"canary"',
      '{"token":"canary"}',
      '{"t":"hallo","token":"canary"}',
    ]) {
      const decoded = decodeClientMessage(frame)
      expect(decoded.ok).toBe(false)
      expect(decoded).toMatchObject({ error: { code: 'undecodable' } })
      if (!decoded.ok)
        expect(JSON.stringify([decoded.error, decoded.error.message, decoded.error.cause])).not.toContain(
          'canary',
        )
    }
  })

  it('gives heads that any topic can be looked up in', () => {
    const decoded = decodeServerMessage('{"t":"pong","heads":{"__proto__":{"epoch":"e","offset":1}}}')
    const heads = decoded.ok && decoded.message.t === 'pong' ? decoded.message.heads : undefined
    expect(heads?.['__proto__']).toEqual({ epoch: 'e', offset: 1 })
    expect(heads?.['constructor']).toBeUndefined()
  })

  it('reports with the one error of the library', () => {
    const decoded = decodeClientMessage('?')
    expect(!decoded.ok && decoded.error).toBeInstanceOf(RealtimeError)
  })
})
