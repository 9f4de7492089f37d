import { Encoder, ExtData } from '@msgpack/msgpack'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { msgpackCodec } from '../../src/codecs/msgpack.ts'
import { clientMessage, serverMessage } from '../protocol/arbitraries.ts'

const codec = msgpackCodec()
const bytesOf = (...bytes: number[]) => Uint8Array.from(bytes)
const packed = (value: unknown) => new Encoder({ maxDepth: 10_000 }).encode(value)

/** What the codec makes of JSON text: the value, or `undefined` when it says that this goes as text. */
function roundTrip(json: string): { value: unknown } | undefined {
  let bytes: Uint8Array
  try {
    bytes = codec.encode(json)
  } catch {
    return undefined
  }
  return { value: codec.decode(bytes) }
}

describe('msgpackCodec', () => {
  it('brings every JSON value to the other side as JSON would, or says that it cannot', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = JSON.stringify(value)
        const result = roundTrip(json)
        if (result) expect(result.value).toEqual(JSON.parse(json))
        else expect(json).toMatch(/__proto__|\\u/)
      }),
      { numRuns: 2_000 },
    )
  })

  it('brings every message of the protocol to the other side as JSON would', () => {
    fc.assert(
      fc.property(fc.oneof(clientMessage, serverMessage), (message) => {
        const json = JSON.stringify(message)
        const result = roundTrip(json)
        if (result) expect(result.value).toEqual(JSON.parse(json))
        else expect(json).toMatch(/__proto__|\\u/)
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    0,
    -1,
    -33,
    127,
    128,
    65_536,
    2 ** 32,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
    1.5,
    1e300,
    5e-324,
    1e21,
  ])('keeps the number %s', (number) => {
    expect(roundTrip(JSON.stringify([number]))).toEqual({ value: [number] })
  })

  it('leaves text to JSON that MessagePack would change, or the decoder refuse', () => {
    for (const json of [
      '{"__proto__":1}',
      '{"\\u005f_proto__":1}',
      '"\\ud800"',
      '['.repeat(600) + ']'.repeat(600),
    ]) {
      expect(() => codec.encode(json)).toThrow()
    }
  })

  it('is smaller than JSON for a usual event', () => {
    const json = JSON.stringify({
      t: 'events',
      topic: 'board:1',
      epoch: 'f3a1',
      events: [{ type: 'task.moved', data: { id: 4711, column: 'done', order: 12.5, by: 7 }, offset: 1234 }],
    })
    expect(codec.encode(json).length).toBeLessThan(json.length * 0.85)
  })
})

describe('hostile MessagePack', () => {
  it('gives what JSON could hold, or throws: nothing else, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        let value: unknown
        try {
          value = codec.decode(bytes)
        } catch {
          return
        }
        expect(JSON.parse(JSON.stringify(value))).toEqual(value === 0 ? 0 : value)
      }),
      { numRuns: 20_000 },
    )
  })

  it('throws for a message with flipped or lost bytes, or gives another JSON value', () => {
    fc.assert(
      fc.property(clientMessage, fc.nat(), fc.nat(255), fc.boolean(), (message, at, byte, isCut) => {
        const bytes = packed(message)
        const index = at % bytes.length
        const broken = isCut ? bytes.subarray(0, index) : bytes.with(index, byte)
        let value: unknown
        try {
          value = codec.decode(broken)
        } catch {
          return
        }
        // A whole value cannot be cut and still be whole.
        expect(isCut).toBe(false)
        expect(JSON.stringify(value)).toBeTypeOf('string')
      }),
      { numRuns: 5_000 },
    )
  })

  it.each<[string, Uint8Array]>([
    ['an array that claims four billion items', bytesOf(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ['a map that claims four billion entries', bytesOf(0xdf, 0xff, 0xff, 0xff, 0xff)],
    ['text that claims four billion bytes', bytesOf(0xdb, 0xff, 0xff, 0xff, 0xff, 0x61)],
    [
      'arrays in arrays, each of which claims what there is',
      Uint8Array.from({ length: 3_000 }, (_, n) => (n % 3 === 0 ? 0xdc : n % 3 === 1 ? 0x0b : 0xb8)),
    ],
    ['nesting without end', new Uint8Array(60_000).fill(0x91)],
    ['deep nesting that ends', new Uint8Array(5_000).fill(0x91, 0, 4_999).fill(0xc0, 4_999)],
    ['a key that is __proto__', packed(JSON.parse('{"t":"ping","__proto__":{"isAdmin":true}}'))],
    ['a key that is a number', bytesOf(0x81, 0x01, 0x02)],
    ['a key that is an array', bytesOf(0x81, 0x90, 0x02)],
    ['binary data', packed({ t: 'ping', data: new Uint8Array(4) })],
    ['empty binary data', packed(new Uint8Array(0))],
    ['a date', packed(new Date(0))],
    ['an extension', packed(new ExtData(7, new Uint8Array(3)))],
    ['a type that is never used', bytesOf(0xc1)],
    ['NaN', packed(Number.NaN)],
    ['Infinity as a short float', bytesOf(0xca, 0x7f, 0x80, 0, 0)],
    ['two values', bytesOf(0xc0, 0xc0)],
    ['nothing', bytesOf()],
  ])('throws for %s', (_, bytes) => {
    expect(() => codec.decode(bytes)).toThrow()
    expect(({} as { isAdmin?: unknown }).isAdmin).toBeUndefined()
  })

  it('decodes on after what it refused', () => {
    expect(() => codec.decode(bytesOf(0x92, 0x01))).toThrow()
    expect(codec.decode(packed({ t: 'ping' }))).toEqual({ t: 'ping' })
  })

  it('reads bytes that stand in the middle of a larger buffer', () => {
    const inner = packed({ t: 'ping' })
    const outer = new Uint8Array(inner.length + 20).fill(0xff)
    outer.set(inner, 7)
    expect(codec.decode(outer.subarray(7, 7 + inner.length))).toEqual({ t: 'ping' })
  })
})
