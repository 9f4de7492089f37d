import { RealtimeError } from '../core/errors.ts'

/** A value, or a function that gives it, now or later. A function is asked on every dial. */
export type Provided<T> = T | (() => T | Promise<T>)

export const provide = <T>(value: Provided<T>): T | Promise<T> =>
  typeof value === 'function' ? (value as () => T | Promise<T>)() : value

/** The value, when it is no function. */
export const fixed = (value: Provided<string>): string | undefined =>
  typeof value === 'string' ? value : undefined

/** The whole of a URL: a browser knows the origin of its page, elsewhere a path alone means nothing. */
export function absoluteUrl(url: string, example: string): string {
  try {
    return new URL(url, globalThis.location?.href).href
  } catch (cause) {
    throw new RealtimeError('usage', `"${url}" is no URL, or needs the origin of a page: ${example}.`, {
      cause,
    })
  }
}
