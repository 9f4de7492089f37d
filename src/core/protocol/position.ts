import type { Position } from '../event.ts'

/** The longest epoch name accepted from the wire, in characters. */
export const MAX_EPOCH_LENGTH = 64

/** Whether a value from the wire names an epoch. */
export function isEpoch(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_EPOCH_LENGTH
}

/** Whether a value from the wire is a position. */
export function isPosition(value: unknown): value is Position {
  if (typeof value !== 'object' || value === null) return false
  const { epoch, offset } = value as Partial<Position>
  return isEpoch(epoch) && Number.isSafeInteger(offset) && (offset as number) >= 0
}

/** The header in which a response says where its topics stood before its state was read. */
export const POSITION_HEADER = 'Realtime-Position'

/** What is beyond these is not read and not written. A position that is left out only means: not known. */
const MAX_POSITIONS = 128
const MAX_POSITIONS_LENGTH = 8_192

/**
 * A position as text without white space, `,` or `=`: `f3a1:42`. The epoch is percent-encoded. Never throws: half a
 * surrogate pair, which has no encoding, becomes U+FFFD.
 */
export function formatPosition({ epoch, offset }: Position): string {
  return `${encoded(epoch) ?? encodeURIComponent(epoch.replace(LONE_SURROGATE, '\ufffd'))}:${offset}`
}

/** Reads what `formatPosition` has written. Anything else is `undefined`; nothing throws. */
export function parsePosition(text: string): Position | undefined {
  // Each character of an epoch percent-encoded (9 characters), a colon and 16 digits.
  if (text.length > MAX_EPOCH_LENGTH * 9 + 17) return undefined
  const match = /^([^:]+):(0|[1-9]\d*)$/.exec(text)
  if (!match) return undefined
  const position = { epoch: decoded(match[1]!), offset: Number(match[2]) }
  return isPosition(position) ? position : undefined
}

/**
 * The positions of topics as the value of one header: `board%3A1=f3a1:42, user%3Aada=9c02:7`. At most 128 topics and
 * 8,192 characters; the topics beyond, and those that have no encoding (half a surrogate pair), are left out.
 */
export function formatPositions(positions: Readonly<Record<string, Position>>): string {
  let text = ''
  let count = 0
  for (const [topic, position] of Object.entries(positions)) {
    const name = encoded(topic)
    if (!name || !isPosition(position)) continue
    const next = `${text && `${text}, `}${name}=${formatPosition(position)}`
    if (next.length > MAX_POSITIONS_LENGTH) continue
    text = next
    if (++count === MAX_POSITIONS) break
  }
  return text
}

/**
 * Reads what `formatPositions` has written. Nothing throws: what is no position is left out, and a text that is too
 * long gives none. A topic that stands twice, as when two headers were joined, has its first position, which was
 * read first. The record has no prototype, so any topic is safe to look up.
 */
export function parsePositions(text: string): Record<string, Position> {
  const positions = Object.create(null) as Record<string, Position>
  if (text.length > MAX_POSITIONS_LENGTH) return positions
  for (const item of text.split(',', MAX_POSITIONS)) {
    const [name = '', value = ''] = item.trim().split('=', 2)
    const topic = decoded(name)
    const position = parsePosition(value)
    if (topic && position) positions[topic] ??= position
  }
  return positions
}

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

function encoded(text: string): string | undefined {
  try {
    return encodeURIComponent(text)
  } catch {
    return undefined
  }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
