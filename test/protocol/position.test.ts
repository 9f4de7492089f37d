import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Position } from '../../src/core/event.ts'
import {
  formatPosition,
  formatPositions,
  parsePosition,
  parsePositions,
} from '../../src/core/protocol/position.ts'

/** Any character, but no half of a surrogate pair. */
const text = (maxLength: number) =>
  fc.string({ unit: 'binary', minLength: 1, maxLength }).filter((value) => value.length <= maxLength)

const position: fc.Arbitrary<Position> = fc.record({ epoch: text(64), offset: fc.maxSafeNat() })

/** Text with half surrogate pairs in it, and the characters of the format itself. */
const hostile = fc.oneof(
  fc.string(),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc
    .array(
      fc.constantFrom(
        '%',
        '%ff',
        '%E0%A4',
        ':',
        '=',
        ',',
        ' ',
        '1',
        '-1',
        '1e9',
        'a',
        '__proto__',
        '9007199254740993',
        '\ud800',
      ),
    )
    .map((parts) => parts.join('')),
)

describe('a formatted position', () => {
  it('is read back as it was', () => {
    fc.assert(
      fc.property(position, (value) => {
        expect(parsePosition(formatPosition(value))).toEqual(value)
      }),
    )
  })

  it('is plain text that fits into a header, a URL and an id of an event stream', () => {
    fc.assert(
      fc.property(position, (value) => {
        expect(formatPosition(value)).toMatch(/^[\w.!~*'()%-]+:\d+$/)
      }),
    )
    expect(formatPosition({ epoch: 'f3a1', offset: 42 })).toBe('f3a1:42')
  })

  it('names another epoch when the epoch has no encoding', () => {
    expect(parsePosition(formatPosition({ epoch: 'a\ud800', offset: 1 }))).toEqual({
      epoch: 'a\ufffd',
      offset: 1,
    })
  })

  it.each([
    '',
    ':',
    'a',
    'a:',
    ':1',
    'a:-1',
    'a:01',
    'a:1.5',
    'a:1e3',
    'a:1 ',
    'a:b:1',
    '%:1',
    '%ff:1',
    'a:9007199254740992',
    `${'a'.repeat(65)}:1`,
    `a:${'1'.repeat(10_000)}`,
  ])('is not %j', (value) => {
    expect(parsePosition(value)).toBeUndefined()
  })

  it('is a position or nothing, whatever the text', () => {
    fc.assert(
      fc.property(hostile, (value) => {
        const parsed = parsePosition(value)
        if (parsed) expect(parsePosition(formatPosition(parsed))).toEqual(parsed)
      }),
    )
  })
})

describe('formatted positions', () => {
  const record = fc.dictionary(fc.oneof(text(40), fc.constant('__proto__')), position, { maxKeys: 5 })

  it('are read back as they were, whatever the topics are called', () => {
    fc.assert(
      fc.property(record, (positions) => {
        const parsed = parsePositions(formatPositions(positions))
        expect(Object.entries(parsed)).toEqual(Object.entries(positions))
      }),
    )
  })

  it('are the value of a header', () => {
    fc.assert(
      fc.property(record, (positions) => {
        expect(() => new Headers({ 'Realtime-Position': formatPositions(positions) })).not.toThrow()
      }),
    )
    expect(
      formatPositions({ 'board:1': { epoch: 'f3a1', offset: 42 }, 'user:ada': { epoch: '9c02', offset: 7 } }),
    ).toBe('board%3A1=f3a1:42, user%3Aada=9c02:7')
  })

  it('are what PROTOCOL.md shows', () => {
    const protocol = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8')
    const [, example] = /### Formatted positions[^]*?```\n(.+)\n```/.exec(protocol)!
    expect(formatPositions(parsePositions(example!))).toBe(example)
    expect({ ...parsePositions(example!) }).toEqual({
      'board:1': { epoch: 'f3a1', offset: 42 },
      'user:ada': { epoch: '9c02', offset: 7 },
    })
  })

  it('leave out a topic that has no encoding, and what is no position', () => {
    const good = { epoch: 'e', offset: 1 }
    expect(
      formatPositions({
        '\ud800': good,
        a: good,
        b: { epoch: '', offset: 1 },
        c: { epoch: 'e', offset: -1 },
      }),
    ).toBe('a=e:1')
  })

  it('read the rest when a part of them is no position', () => {
    expect({ ...parsePositions('a=e:1,b=,=e:1,%ff=e:1,,c,  d=e%20:4  ,e=e:5=6') }).toEqual({
      a: { epoch: 'e', offset: 1 },
      d: { epoch: 'e ', offset: 4 },
      e: { epoch: 'e', offset: 5 },
    })
  })

  it('take the first position of a topic: of two that were joined it was read first', () => {
    const headers = new Headers()
    headers.append('Realtime-Position', 'a=e:1')
    headers.append('Realtime-Position', 'a=e:2, b=e:3')
    expect({ ...parsePositions(headers.get('Realtime-Position')!) }).toEqual({
      a: { epoch: 'e', offset: 1 },
      b: { epoch: 'e', offset: 3 },
    })
  })

  it('never throw, and hold nothing but positions, whatever the text', () => {
    fc.assert(
      fc.property(hostile, (value) => {
        const parsed = parsePositions(value)
        expect({ ...parsePositions(formatPositions(parsed)) }).toEqual({ ...parsed })
        expect(Object.getPrototypeOf(parsed)).toBeNull()
      }),
    )
  })

  it('are bounded on both sides', () => {
    const many = Object.fromEntries(
      Array.from({ length: 500 }, (_, index) => [`t${index}`, { epoch: 'e', offset: index }] as const),
    )
    expect(Object.keys(parsePositions(formatPositions(many)))).toHaveLength(128)
    const long = Object.fromEntries(
      Object.entries(many).map(([topic, value]) => [topic.padEnd(200, '-'), value] as const),
    )
    expect(formatPositions(long).length).toBeLessThanOrEqual(8_192)
    expect(Object.keys(parsePositions(formatPositions(long))).length).toBeGreaterThan(30)
    expect(Object.keys(parsePositions(`a=e:1,${' '.repeat(8_192)}`))).toEqual([])
    expect(Object.keys(parsePositions(Array(1_000).fill('').join(',') + 'a=e:1'))).toEqual([])
  })
})
