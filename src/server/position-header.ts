import { formatPositions, POSITION_HEADER } from '../core/protocol/position.ts'
import type { RealtimeServer } from './realtime-server.ts'

/**
 * Where topics stand now, as the value of `Realtime-Position`. Await it **before** the state is read: a response that
 * is older than its position would hide what happened between the two. Rejects with what the log rejects with.
 *
 * @example
 * app.get('/tasks', async (request, response) => {
 *   response.set(POSITION_HEADER, await positionHeader(realtime, ['tasks']))
 *   response.json(await database.tasks())
 * })
 */
export async function positionHeader(
  server: Pick<RealtimeServer, 'position'>,
  topics: readonly string[],
): Promise<string> {
  return formatPositions(await server.position(topics))
}

/**
 * Answers with `Realtime-Position`, for web-standard responses (Hono, Next.js route handlers): reads where the topics
 * stand, then lets `respond` read the state.
 *
 * @example
 * app.get('/tasks', (c) => withPosition(realtime, ['tasks'], async () => c.json(await database.tasks())))
 */
export async function withPosition(
  server: Pick<RealtimeServer, 'position'>,
  topics: readonly string[],
  respond: () => Response | Promise<Response>,
): Promise<Response> {
  const header = await positionHeader(server, topics)
  const response = await respond()
  try {
    response.headers.set(POSITION_HEADER, header)
    return response
  } catch {
    // What `fetch` and `Response.redirect` have made cannot be changed.
    const copy = new Response(response.body, response)
    copy.headers.set(POSITION_HEADER, header)
    return copy
  }
}
