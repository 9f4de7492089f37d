/** How much of a value is written out, in characters. */
const MAX_CHARS = 20_000
const MAX_DEPTH = 12

/** Any value as text of one line. */
export const textOf = (value: unknown, maxChars = 500): string => write(value, '', maxChars)

/** Any value as text of many lines, for people. What is too long is cut off: a list may hold a million rows. */
export const prettyOf = (value: unknown, maxChars = MAX_CHARS): string => write(value, '  ', maxChars)

/** Like `JSON.stringify`, but it stops in time, and fails on nothing. */
function write(root: unknown, indent: string, maxChars: number): string {
  let text = ''
  const open: object[] = []
  /** False: there is no room for more. */
  const put = (more: string): boolean => {
    if (text.length > maxChars) return false
    text += more
    return text.length <= maxChars
  }
  const many = (value: object, size: number, each: (index: number) => boolean) => {
    const ends = Array.isArray(value) ? '[]' : '{}'
    if (size === 0) return put(ends)
    if (open.includes(value)) return put('"(a cycle)"')
    if (open.length >= MAX_DEPTH) return put('"(deeper)"')
    open.push(value)
    put(ends.charAt(0))
    for (let index = 0; index < size; index++) {
      const line = indent && `\n${indent.repeat(open.length)}`
      if (!put(`${index > 0 ? `,${indent ? '' : ' '}` : ''}${line}`) || !each(index)) break
    }
    open.pop()
    return put(`${indent && `\n${indent.repeat(open.length)}`}${ends.charAt(1)}`)
  }
  const one = (value: unknown): boolean => {
    if (typeof value === 'string') return put(JSON.stringify(value.slice(0, maxChars)))
    if (typeof value !== 'object' || value === null) return put(scalar(value))
    if (value instanceof Date) return put(Number.isNaN(value.getTime()) ? String(value) : value.toISOString())
    if (value instanceof Error) return put(JSON.stringify(`${value.name}: ${value.message}`))
    if (value instanceof Map || value instanceof Set) {
      const items = [...value].slice(0, maxChars)
      return put(value instanceof Map ? 'Map ' : 'Set ') && one(items)
    }
    if (Array.isArray(value)) return many(value, value.length, (index) => one(value[index]))
    const keys = Object.keys(value)
    return many(value, keys.length, (index) => {
      const key = keys[index] ?? ''
      return put(`${JSON.stringify(key)}: `) && one((value as Record<string, unknown>)[key])
    })
  }
  try {
    one(root)
  } catch (cause) {
    return `(cannot be shown: ${String(cause)})` // A getter or a proxy of the app's has thrown.
  }
  return text.length > maxChars ? `${text.slice(0, maxChars)}…` : text
}

function scalar(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return `(function ${value.name})`
  return String(value)
}
