import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CloseCode, closePolicy } from '../../src/core/protocol/close-codes.ts'
import { decodeServerMessage } from '../../src/core/protocol/codec.ts'
import { decodeClientMessage } from '../../src/core/protocol/decode-client-message.ts'
import { WIRE_SCHEMA } from '../../src/core/protocol/schema.ts'
import { resolveLimits } from '../../src/server/limits.ts'

const text = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8')

/** What stands under a heading, up to the next of its level or above. */
function section(heading: string): string {
  const level = /^#+/.exec(heading)![0].length
  const lines = text.split('\n')
  const start = lines.indexOf(heading)
  if (start < 0) throw new Error(`PROTOCOL.md has no heading "${heading}".`)
  const length = lines.slice(start + 1).findIndex((line) => new RegExp(`^#{1,${level}} `).test(line))
  return lines.slice(start + 1, length < 0 ? undefined : start + 1 + length).join('\n')
}

/** The rows of the first table, header left out, each as its cells. */
function table(part: string): string[][] {
  const lines = part.split('\n')
  const start = lines.findIndex((line) => line.startsWith('|---'))
  if (start < 0) return []
  const rest = lines.slice(start + 1)
  const length = rest.findIndex((line) => !line.startsWith('|'))
  return rest.slice(0, length < 0 ? undefined : length).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  )
}

const unquoted = (cell: string | undefined) => cell?.replaceAll('`', '')

const fieldsIn = (part: string) =>
  Object.fromEntries(table(part).map(([field, type]) => [unquoted(field), type]))

describe('the wire schema', () => {
  it('is the one that rqb.v1 names', () => {
    const hash = createHash('sha256').update(JSON.stringify(WIRE_SCHEMA)).digest('hex').slice(0, 16)
    expect(
      hash,
      `The wire has changed. If a peer that speaks ${WIRE_SCHEMA.protocol} could misread it, bump the protocol version (version.ts); if not ("Versions" in PROTOCOL.md), only pin the new hash here. Either way, describe the change in PROTOCOL.md.`,
    ).toBe('efa852a21e54f01a')
  })
})

describe('PROTOCOL.md', () => {
  it.each(WIRE_SCHEMA.messages.map((message) => [message.type, message] as const))(
    'documents %s: direction, fields, and an example that decodes',
    (type, { direction, fields }) => {
      const part = section(`### \`${type}\``)
      expect(part).toContain(`Direction: ${direction}\n`)
      expect(fieldsIn(part)).toEqual(fields)
      const examples = [...part.matchAll(/```json\n([^]*?)```/g)].map(([, json]) => json)
      expect(examples.length).toBeGreaterThan(0)
      const decode = direction === 'client → server' ? decodeClientMessage : decodeServerMessage
      for (const example of examples)
        expect(decode(example)).toMatchObject({ ok: true, message: { t: type } })
    },
  )

  it('documents no message that does not exist', () => {
    const documented = [...text.matchAll(/^### `(.+)`$/gm)].map(([, type]) => type)
    expect(documented.sort()).toEqual(WIRE_SCHEMA.messages.map(({ type }) => type).sort())
  })

  it.each(Object.entries(WIRE_SCHEMA.structures))('documents the fields of %s', (name, fields) => {
    expect(fieldsIn(section(`### ${name}`))).toEqual(fields)
  })

  it('documents every close code with its name and its policy', () => {
    const rows = table(section('## Close codes'))
    const ours = rows.filter(([code]) => code!.startsWith('4'))
    expect(Object.fromEntries(ours.map(([code, name]) => [name, Number(code)]))).toEqual(CloseCode)
    for (const [code, , , policy] of rows)
      expect([code, unquoted(policy)]).toEqual([code, closePolicy(Number(code))])
    const documented = new Set(rows.map(([code]) => Number(code)))
    for (let code = 1000; code < 5000; code++) {
      if (closePolicy(code) !== 'retry') expect(documented).toContain(code)
    }
  })

  it('documents every limit with its default', () => {
    const rows = table(section('## Limits'))
    expect(Object.fromEntries(rows.map(([name, value]) => [unquoted(name), Number(value)]))).toEqual(
      resolveLimits(),
    )
  })

  it('names the version it describes', () => {
    expect(table(section('## Versions')).map(([name]) => unquoted(name))).toContain(WIRE_SCHEMA.protocol)
  })
})
