import { RealtimeError } from '../../errors.ts'
import { bytesOf } from '../bytes-of.ts'

/**
 * What is sent is what was given: nobody changes it while it waits. Throws what is no JSON, or more than servers take, at
 * who gives it.
 */
export function jsonCopy(call: string, data: unknown, maxBytes = Infinity): unknown {
  let text: string | undefined
  try {
    text = JSON.stringify(data)
  } catch (cause) {
    throw new RealtimeError('usage', `${call} takes what JSON can hold.`, { cause })
  }
  if (text === undefined) return undefined
  if (bytesOf(text) > maxBytes) {
    throw new RealtimeError('usage', `${call}: more than ${maxBytes} bytes (limits.maxMessageBytes).`)
  }
  return JSON.parse(text)
}
