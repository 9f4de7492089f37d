import type { CloseInfo } from '../../core/transport.ts'

/** A stream ended without a word, or was never reached. */
export const LOST = 1006

/** What an answer that is no stream means. The server kit says it itself; of others the status tells. */
export async function refusalOf(response: Response): Promise<CloseInfo> {
  const text = (await response.text()).slice(0, 500)
  const said = closeInfoOf(fieldsOf(text))
  if (said) return said
  const { status } = response
  const code =
    status === 401 ? 4401 : status === 403 ? 4403 : status === 429 ? 4429 : status === 204 ? 1008 : LOST
  return { code, reason: /^text\/plain\b/i.test(response.headers.get('content-type') ?? '') ? text : '' }
}

/** A close as the server kit writes it: in an event of the stream, or in the body of an answer. */
export function closeInfoOf({ code, reason }: Record<string, unknown>): CloseInfo | undefined {
  if (typeof code !== 'number' || !(code >= 1000 && code <= 4999)) return undefined
  return { code, reason: typeof reason === 'string' ? reason : '' }
}

/** The fields of a JSON object; none when it is not one. */
export function fieldsOf(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
