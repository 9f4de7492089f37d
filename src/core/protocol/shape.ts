import { RealtimeError } from '../errors.ts'
import type { Position } from '../event.ts'
import { isPosition } from './position.ts'
import { PROTOCOL } from './version.ts'

/** A message, or why there is none. What comes from the wire never throws. */
export type Decoded<TMessage> =
  { readonly ok: true; readonly message: TMessage } | { readonly ok: false; readonly error: RealtimeError }

type Check = (value: unknown) => boolean

type Guard<T> = (value: unknown) => value is T

/** The checks of every field of every message of a direction; TypeScript holds them to the message types. */
export type Shapes<TMessage extends { readonly t: string }> = {
  readonly [T in TMessage['t']]: Fields<Omit<Extract<TMessage, { readonly t: T }>, 't'>>
}

export type Fields<T> = { readonly [K in keyof T]-?: Guard<T[K]> }

export const isString = (value: unknown): value is string => typeof value === 'string'

/** A string with something in it: a topic, an event's type, an id. */
export const isName = (value: unknown): value is string => isString(value) && value !== ''

export const isAnything = (_value: unknown): _value is unknown => true

/** Checks no more than `isAnything`; it only tells the reader of the schema that the field may be absent. */
export const optionalAnything = (_value: unknown): _value is unknown => true

/** A whole number from 0. */
export const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0

const optional =
  <T>(check: Guard<T>): Guard<T | undefined> =>
  (value): value is T | undefined =>
    value === undefined || check(value)

export const optionalString = /* @__PURE__ */ optional(isString)
export const optionalName = /* @__PURE__ */ optional(isName)
export const optionalCount = /* @__PURE__ */ optional(isCount)
export const optionalPosition: Guard<Position | undefined> = /* @__PURE__ */ optional(isPosition)

export const isNames = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every(isName)

/** The name of the first field that does not fit, or `undefined`. Fields that are not in the table are ignored. */
export function misfit(fields: Readonly<Record<string, Check>>, value: unknown): string | undefined {
  for (const field in fields) {
    if (!(fields[field] as Check)((value as Record<string, unknown>)[field])) return field
  }
  return undefined
}

export const isArrayOf = <T>(fields: Fields<T>, value: unknown): value is readonly T[] =>
  Array.isArray(value) &&
  value.every((item: unknown) => typeof item === 'object' && item !== null && !misfit(fields, item))

/** `raw` is JSON text, or an object that was decoded already. The error never quotes more than the type: frames carry tokens. `whatToDo` is said of what has none. */
export function decodeWith<TMessage extends { readonly t: string }>(
  shapes: Shapes<TMessage>,
  raw: unknown,
  whatToDo?: string,
): Decoded<TMessage> {
  let problem = 'not JSON'
  let isForeign = true
  try {
    const value: unknown = isString(raw) ? JSON.parse(raw) : raw
    const t = (value as { t?: unknown } | null | undefined)?.t
    isForeign = !isString(t)
    // hasOwn: a type named `constructor` is unknown like any other.
    if (isString(t) && Object.hasOwn(shapes, t)) {
      const field = misfit(shapes[t as TMessage['t']], value)
      if (!field) return { ok: true, message: value as TMessage }
      problem = `bad "${field}" in "${t}"`
    } else {
      problem = isString(t) ? `unknown type "${t.slice(0, 40)}"` : 'no type'
    }
  } catch {
    // JSON.parse, or a getter of an object that somebody else decoded: told below.
  }
  return undecodable(problem, isForeign ? whatToDo : undefined)
}

export function undecodable(
  problem: string,
  whatToDo?: string,
): { readonly ok: false; readonly error: RealtimeError } {
  const message = `Not a message of ${PROTOCOL}: ${problem}.`
  return { ok: false, error: new RealtimeError('undecodable', message, { remedy: whatToDo }) }
}
