/**
 * `rqb.v1` over Server-Sent Events: the server's messages are events of a stream (GET), the client's come by POST.
 * See PROTOCOL.md, "Over Server-Sent Events".
 */
import { systemClock } from '../../core/clock.ts'
import { RealtimeError } from '../../core/errors.ts'
import { closePolicy } from '../../core/protocol/close-codes.ts'
import { encodeMessage } from '../../core/protocol/codec.ts'
import { parsePositions } from '../../core/protocol/position.ts'
import type { ConnectionRequest } from '../connection.ts'
import { inTurns } from '../sockets/in-turns.ts'
import { originCheck, refusedOrigins, type AllowedOrigins } from '../access/origin.ts'
import type { RealtimeServer, ServerConnection } from '../realtime-server.ts'
import { remoteAddressOf } from '../sockets/remote-address.ts'
import { TrackedPositions } from './sse-positions.ts'
import { SseStream, type SseBeginning } from './sse-stream.ts'

export interface SseHandlerOptions {
  /**
   * Which pages may connect: exact origins, or `'any'`. A request without an `Origin` does not come from a page, or
   * comes from one of the same origin, and is allowed. Pages of listed origins get the CORS headers that they need.
   * `'any'` is for servers that take no cookies.
   * @default pages of the same host and port
   */
  readonly allowedOrigins?: AllowedOrigins | undefined
  /**
   * A stream that was silent for this long, in ms, is sent a comment, so that no proxy takes it for dead.
   * @default 15_000
   */
  readonly heartbeatMs?: number | undefined
  /**
   * When a client that reconnects by itself (`EventSource`) comes back, in ms. `sseTransport` has a backoff of its own.
   * @default 2_000
   */
  readonly retryMs?: number | undefined
  /**
   * The address of a client, for `authenticate`.
   * @default what `nodeListener` has seen; elsewhere unknown
   */
  readonly remoteAddress?: ((request: Request) => string | undefined) | undefined
}

/** Answers a web-standard request. Never rejects for what a client does. */
export type SseHandler = (request: Request) => Promise<Response>

/** Names the stream that the messages of a POST belong to. */
export const CONNECTION_HEADER = 'Realtime-Connection'

/** The `clientId` of the hello. */
const CLIENT_HEADER = 'Realtime-Client'

interface OpenStream {
  readonly stream: SseStream
  readonly connection: ServerConnection
  /** What the stream was opened with. A POST with the same needs no second look. */
  readonly credential: string
}

/**
 * Serves `rqb.v1` over Server-Sent Events, with web-standard requests and responses: in Hono, Next.js route handlers,
 * Bun, Deno, and through `nodeListener` in Express and Fastify. GET opens a stream, POST takes its client's messages;
 * route both to it. On several nodes, POSTs must reach the node that holds the stream.
 *
 * @throws RealtimeError `usage`: `allowedOrigins` holds what is no origin.
 * @example
 * const realtime = createRealtimeServer({ authenticate, authorize })
 * const events = sseHandler(realtime)
 * app.on(['GET', 'POST', 'OPTIONS'], '/realtime/events', (c) => events(c.req.raw))
 */
export function sseHandler(
  server: Pick<RealtimeServer, 'limits' | 'opened' | 'report'>,
  options: SseHandlerOptions = {},
): SseHandler {
  const { heartbeatMs = 15_000, retryMs = 2_000, remoteAddress = remoteAddressOf } = options
  if (!(heartbeatMs > 0)) throw new RealtimeError('usage', 'heartbeatMs must be a number above 0.')
  const isOriginAllowed = originCheck(options.allowedOrigins)
  const tellRefused = refusedOrigins(options.allowedOrigins, {
    adapter: 'sseHandler(server',
    report: server.report,
  })
  const streams = new Map<string, OpenStream>()
  let stopBeating: (() => void) | undefined

  function beatLater(): void {
    stopBeating ??= systemClock.after(heartbeatMs, () => {
      stopBeating = undefined
      void inTurns(streams.values(), ({ stream }) => {
        stream.beat()
      })
      if (streams.size > 0) beatLater()
    })
  }

  function isAllowed(request: Request): boolean {
    if (options.allowedOrigins === 'any') return true
    const url = new URL(request.url)
    const origin = request.headers.get('origin') ?? undefined
    // A page's GET without CORS (an image, a script) has no Origin. Its answer is unreadable, yet it holds a stream.
    if (origin === undefined && /^(cross|same)-site$/.test(request.headers.get('sec-fetch-site') ?? ''))
      return false
    const host = request.headers.get('host') ?? url.host
    const question = { origin, host, isEncrypted: url.protocol === 'https:' }
    const isOurs = isOriginAllowed(question)
    if (!isOurs) tellRefused(question)
    return isOurs
  }

  async function open(request: Request): Promise<Response> {
    const id = crypto.randomUUID()
    /** A full or a draining server ends the stream before it has given the connection. */
    let isOpened = false
    let end: { code: number; reason: string } | undefined
    const abort = () => {
      stream.abort()
    }
    const stream = new SseStream({
      id,
      retryMs,
      clock: systemClock,
      onClosed(code, reason) {
        streams.delete(id)
        if (streams.size === 0) {
          stopBeating?.()
          stopBeating = undefined
        }
        request.signal.removeEventListener('abort', abort)
        end = { code, reason }
        if (isOpened) connection.closed(code, reason)
      },
    })
    request.signal.addEventListener('abort', abort)
    const connection = server.opened(stream, connectionRequest(request))
    isOpened = true
    if (end) connection.closed(end.code, end.reason)
    else if (request.signal.aborted) abort()
    const clientId = request.headers.get(CLIENT_HEADER) ?? undefined
    connection.message(encodeMessage({ t: 'hello', token: tokenOf(request), clientId }))
    const beginning = await stream.beginning
    if (beginning.isWelcome) {
      if (!end) streams.set(id, { stream, connection, credential: credentialOf(request) })
      beatLater()
      subscribe(request, stream, connection)
    } else if (isRefusal(beginning)) {
      abort()
      return refusal(beginning)
    }
    return new Response(stream.body, {
      headers: {
        'Content-Type': 'text/event-stream',
        // `no-transform` and the last one ask proxies and middleware not to hold events back.
        'Cache-Control': 'no-cache, no-transform',
        'X-Accel-Buffering': 'no',
      },
    })
  }

  /** What stands in the URL, for clients that send nothing else. The id of the last event is newer than the URL. */
  function subscribe(request: Request, stream: SseStream, connection: ServerConnection): void {
    const query = new URL(request.url).searchParams
    const names = [...new Set(query.getAll('topic'))].filter((topic) => topic !== '')
    if (names.length === 0) return
    stream.positions = new TrackedPositions()
    const seen = parsePositions(request.headers.get('last-event-id') ?? '')
    const given = parsePositions(query.getAll('position').join(','))
    const topics = names.map((topic) => ({ topic, position: seen[topic] ?? given[topic] }))
    connection.message(encodeMessage({ t: 'subscribe', topics }))
  }

  async function receive(request: Request): Promise<Response> {
    const found = streams.get(request.headers.get(CONNECTION_HEADER) ?? '')
    if (!found) {
      return text(410, `There is no stream of the ${CONNECTION_HEADER} that was sent: open another one.`)
    }
    const { connection, credential } = found
    const isOwner =
      credential === credentialOf(request) ||
      (await connection.isOwnedBy(tokenOf(request), connectionRequest(request)))
    if (!isOwner) return text(403, 'The stream belongs to somebody else: open another one.')
    const { maxPayloadBytes } = server.limits
    let body: string | undefined
    try {
      body = await bodyOf(request, maxPayloadBytes)
    } catch {
      return text(400, 'The message did not come whole.')
    }
    if (body === undefined) return text(413, `At most ${maxPayloadBytes} bytes (limits.maxPayloadBytes).`)
    for (const line of body.split('\n')) if (line.trim() !== '') connection.message(line)
    return new Response(null, { status: 204 })
  }

  function connectionRequest(request: Request): ConnectionRequest {
    const { pathname, search } = new URL(request.url)
    return {
      url: `${pathname}${search}`,
      headers: Object.fromEntries(request.headers),
      remoteAddress: remoteAddress(request),
    }
  }

  async function answer(request: Request): Promise<Response> {
    if (!isAllowed(request)) {
      return text(403, 'This origin is not allowed. See allowedOrigins of sseHandler.')
    }
    switch (request.method) {
      case 'GET':
        return open(request)
      case 'POST':
        return receive(request)
      case 'OPTIONS':
        return preflight(request)
      default:
        return text(405, 'GET opens a stream, POST sends.', { Allow: 'GET, POST, OPTIONS' })
    }
  }

  return async (request) => {
    const response = await answer(request)
    const origin = request.headers.get('origin')
    response.headers.append('Vary', 'Origin')
    if (options.allowedOrigins === 'any') response.headers.set('Access-Control-Allow-Origin', '*')
    else if (origin !== null && response.status !== 403) {
      response.headers.set('Access-Control-Allow-Origin', origin)
      response.headers.set('Access-Control-Allow-Credentials', 'true')
    }
    return response
  }
}

function preflight(request: Request): Response {
  const headers = new Headers({
    'Access-Control-Allow-Methods': 'GET, POST',
    'Access-Control-Max-Age': '600',
  })
  const asked = request.headers.get('access-control-request-headers')
  if (asked !== null) headers.set('Access-Control-Allow-Headers', asked)
  return new Response(null, { status: 204, headers })
}

const text = (status: number, body: string, headers: Record<string, string> = {}) =>
  new Response(body, { status, headers: { 'Content-Type': 'text/plain', ...headers } })

type Refusal = Extract<SseBeginning, { isWelcome: false }>

/**
 * An `EventSource` never comes back after an answer that is no stream. So only what is final is answered with an error;
 * everything else is a stream that ends at once and says when to come back.
 */
const isRefusal = ({ code }: Refusal): boolean => /^(final|refresh-token)$/.test(closePolicy(code))

function refusal({ code, reason }: Refusal): Response {
  const status = code === 4403 ? 403 : code === 4401 || code === 4402 ? 401 : 400
  const headers: Record<string, string> = status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}
  return Response.json({ code, reason }, { status, headers })
}

/** The credential in the one header that has a scheme for it. Cookies are left to `authenticate`. */
function tokenOf(request: Request): string | undefined {
  return /^Bearer +(.*)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
}

const credentialOf = ({ headers }: Request) => `${headers.get('authorization')}\n${headers.get('cookie')}`

/** `undefined`: it is longer than `maxBytes`. What is no UTF-8 is no message, and is told as such. */
async function bodyOf(request: Request, maxBytes: number): Promise<string | undefined> {
  if (!request.body) return ''
  const decoder = new TextDecoder()
  const reader = (request.body as ReadableStream<Uint8Array>).getReader()
  let size = 0
  let body = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return body + decoder.decode()
    size += value.byteLength
    if (size > maxBytes) {
      await reader.cancel()
      return undefined
    }
    body += decoder.decode(value, { stream: true })
  }
}
