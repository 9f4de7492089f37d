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

/**
 * Middleware for Express, Connect and whatever else hands on `(request, response, next)`: sets `Realtime-Position`, and
 * only then lets the route read the state. When the log fails, `next` is told.
 *
 * @param topicsOf - what the answer to a request is about; none: no header is set.
 * @example
 * app.use('/boards/:id', positionMiddleware(realtime, (request) => [`board:${request.params.id}`]))
 */
export function positionMiddleware<TRequest = unknown>(
  server: Pick<RealtimeServer, 'position'>,
  topicsOf: (request: TRequest) => readonly string[] | undefined,
): (
  request: TRequest,
  response: { setHeader(name: string, value: string): unknown },
  next: (error?: unknown) => void,
) => void {
  const read = async (request: TRequest) => {
    const topics = topicsOf(request) ?? []
    return topics.length > 0 ? positionHeader(server, topics) : undefined
  }
  return (request, response, next) => {
    void read(request)
      .then((header) => {
        if (header !== undefined) response.setHeader(POSITION_HEADER, header)
      })
      .then(() => {
        next()
      }, next)
  }
}
