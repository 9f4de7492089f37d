/** How names and events are written in Redis. */
import type { NewLogEvent } from '../../event-log.ts'

/**
 * The name of a topic within a key. UTF-8 has no code for half a surrogate pair and would make one name of all such
 * halves; JSON writes each as itself.
 */
export const encodeName = (topic: string) => JSON.stringify(topic).slice(1, -1)

export const decodeName = (name: string) => JSON.parse(`"${name}"`) as string

/** Type and mutation on the first line, which JSON never breaks; the data as it is after it. */
export function encodeEvent({ type, mutationId, json }: NewLogEvent): string {
  return `${JSON.stringify(mutationId === undefined ? [type] : [type, mutationId])}\n${json}`
}

/** Throws when it was not written by `encodeEvent`. */
export function decodeEvent(data: string): NewLogEvent {
  const end = data.indexOf('\n')
  const [type, mutationId] = JSON.parse(data.slice(0, end)) as [string, string?]
  return { type, json: data.slice(end + 1), mutationId }
}
