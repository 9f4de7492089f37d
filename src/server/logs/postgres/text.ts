import type { LogEvent } from '../../event-log.ts'

/**
 * A text of PostgreSQL holds neither NUL nor half a surrogate pair, which would all become the same U+FFFD. These are
 * written as DLE and four hexadecimal digits, as is DLE itself. Every other text stands as it is.
 */
const DLE = '\u0010'

// eslint-disable-next-line no-control-regex -- the control characters are the point
const NOT_TEXT = /[\0\u0010]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

export function toSqlText(text: string): string {
  return text.replace(NOT_TEXT, (unit) => DLE + unit.charCodeAt(0).toString(16).padStart(4, '0'))
}

export function fromSqlText(text: string): string {
  if (!text.includes(DLE)) return text
  // eslint-disable-next-line no-control-regex -- as above
  return text.replace(/\u0010([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
}

/** An event as a statement gives it back. */
export interface EventRow {
  readonly offset: number
  readonly type: string
  readonly json: string
  readonly mutationId: string | null
}

export function eventFromRow({ offset, type, json, mutationId }: EventRow): LogEvent {
  return {
    type: fromSqlText(type),
    json: fromSqlText(json),
    mutationId: mutationId === null ? undefined : fromSqlText(mutationId),
    offset: Number(offset),
  }
}
