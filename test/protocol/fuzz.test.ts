import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RealtimeError } from '../../src/core/errors.ts'
import { decodeServerMessage, encodeMessage } from '../../src/core/protocol/codec.ts'
import { decodeClientMessage } from '../../src/core/protocol/decode-client-message.ts'
import type { ClientMessage, ServerMessage } from '../../src/core/protocol/messages.ts'
import { WIRE_SCHEMA } from '../../src/core/protocol/schema.ts'
import { clientMessage, serverMessage } from './arbitraries.ts'

/**
 * 10,000 malformed frames in each direction. Each begins as a good message and is broken in one known way, so that
 * it is known, and not only hoped, that it must be refused. The seed is fixed: a failure is the same everywhere.
 */
const RUN = { seed: 20_261_123, numRuns: 10_000 }

/** Values that no field of any message takes, as JSON text. */
const UNFIT = [
  'false',
  '-1',
  '1.5',
  '1e999',
  '9007199254740993',
  '[null]',
  '[[]]',
  '[{"topic":1}]',
  '{"epoch":1}',
  '{"a":null}',
]

const fields = new Map(WIRE_SCHEMA.messages.map((message) => [message.type, Object.entries(message.fields)]))

type Break =
  | { readonly how: 'unfit'; readonly field: number; readonly value: string }
  | { readonly how: 'leave out'; readonly field: number }
  | { readonly how: 'type'; readonly value: string }
  | { readonly how: 'cut'; readonly at: number }
  | { readonly how: 'wrap'; readonly value: readonly [string, string] }
  | { readonly how: 'prototype' }

const breaks: fc.Arbitrary<Break> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      how: fc.constant('unfit' as const),
      field: fc.nat(9),
      value: fc.constantFrom(...UNFIT),
    }),
  },
  { weight: 2, arbitrary: fc.record({ how: fc.constant('leave out' as const), field: fc.nat(9) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      how: fc.constant('type' as const),
      value: fc.constantFrom(
        'null',
        '0',
        '""',
        '"Hello"',
        '"constructor"',
        '"__proto__"',
        '"hasOwnProperty"',
        '["ping"]',
        '{}',
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ how: fc.constant('cut' as const), at: fc.nat(1_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      how: fc.constant('wrap' as const),
      value: fc.constantFrom<readonly [string, string]>(
        ['[', ']'],
        ['{"a":', '}'],
        ['', ',{}'],
        ['\u0000', ''],
        ['{"t":', '}'],
      ),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ how: 'prototype' as const }) },
)

/** The text of an object, its fields as JSON text, in order; so that values that JSON.stringify cannot write fit in. */
const objectText = (entries: readonly (readonly [string, string])[]) =>
  `{${entries.map(([field, json]) => `${JSON.stringify(field)}:${json}`).join(',')}}`

function broken(message: ClientMessage | ServerMessage, change: Break): string {
  const text = encodeMessage(message)
  const entries = Object.entries(JSON.parse(text) as object).map(
    ([field, value]) => [field, JSON.stringify(value)] as const,
  )
  const known = fields.get(message.t)!
  switch (change.how) {
    case 'unfit': {
      const checked = known.filter(([, type]) => !type.startsWith('any JSON'))
      if (checked.length === 0) return '{"t":false}'
      const [field] = checked[change.field % checked.length]!
      return objectText([...entries.filter(([key]) => key !== field), [field, change.value]])
    }
    case 'leave out': {
      const required = known.filter(([, type]) => !type.endsWith('?'))
      const field = required.length > 0 ? required[change.field % required.length]![0] : 't'
      return objectText(entries.filter(([key]) => key !== field))
    }
    case 'type':
      return objectText([['t', change.value], ...entries.filter(([key]) => key !== 't')])
    case 'cut':
      return text.slice(0, change.at % text.length)
    case 'wrap':
      return change.value[0] + text + change.value[1]
    case 'prototype':
      return objectText([
        ['__proto__', text],
        ['constructor', `{"prototype":${text}}`],
      ])
  }
}

describe.each([
  ['server', serverMessage, decodeServerMessage],
  ['client', clientMessage, decodeClientMessage],
] as const)(
  'malformed frames of the %s',
  (_, messages: fc.Arbitrary<ClientMessage | ServerMessage>, decode) => {
    it('are refused, all 10,000, each with its reason, and change nothing', () => {
      const before = Object.getOwnPropertyNames(Object.prototype)
      const reasons = new Set<string>()
      let refused = 0
      fc.assert(
        fc.property(messages, breaks, (message, change) => {
          const frame = broken(message, change)
          const decoded = decode(frame)
          if (decoded.ok) throw new Error(`accepted: ${frame}`)
          expect(decoded.error).toBeInstanceOf(RealtimeError)
          reasons.add(decoded.error.message.replace(/"[^]*/, ''))
          refused++
        }),
        RUN,
      )
      expect(refused).toBeGreaterThanOrEqual(RUN.numRuns)
      expect(reasons.size).toBeGreaterThanOrEqual(4)
      expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before)
    })

    it('never throw when bits flip, and what is still accepted is a message', () => {
      fc.assert(
        fc.property(messages, fc.nat(), fc.nat(7), (message, at, bit) => {
          const bytes = Buffer.from(encodeMessage(message))
          const index = at % bytes.length
          bytes[index] = bytes[index]! ^ (1 << bit)
          const decoded = decode(bytes.toString())
          if (!decoded.ok) return
          const again = decode(encodeMessage(decoded.message))
          expect(again.ok && JSON.stringify(again.message)).toBe(JSON.stringify(decoded.message))
        }),
        RUN,
      )
    })

    it('never throw when they are anything at all', () => {
      fc.assert(
        fc.property(
          fc.anything({ withNullPrototype: true, withTypedArray: true, withBigInt: true }),
          (raw) => {
            expect(decode(raw).ok).toBeTypeOf('boolean')
          },
        ),
        RUN,
      )
    })
  },
)
