import { RealtimeError } from '../errors.ts'

/** What is sent is what was given: nobody changes it while it waits. Throws what is no JSON, at who gives it. */
export function jsonCopy(call: string, data: unknown): unknown {
  try {
    const text = JSON.stringify(data) as string | undefined
    return text === undefined ? undefined : JSON.parse(text)
  } catch (cause) {
    throw new RealtimeError('usage', `${call} takes what JSON can hold.`, { cause })
  }
}
