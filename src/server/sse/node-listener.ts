import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { callSafely } from '../call-safely.ts'
import { noteRemoteAddress } from '../sockets/remote-address.ts'

/**
 * Makes a listener for Node's `http`, Express and Fastify's raw requests of a handler for web-standard requests, such
 * as `sseHandler` gives. The response is written as fast as the client reads, and a client that goes away ends it.
 * The body must not have been read: mount it before, or outside of, body parsers. What the handler throws is answered
 * with 500 and passed to `onError`.
 *
 * @example
 * app.all('/realtime/events', nodeListener(sseHandler(realtime)))
 */
export function nodeListener(
  handler: (request: Request) => Promise<Response>,
  // eslint-disable-next-line no-console -- nothing is swallowed
  onError: (error: unknown) => void = (error) => console.error(error),
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  return (incoming, outgoing) => {
    answer(handler, incoming, outgoing).catch((error: unknown) => {
      if (!outgoing.headersSent) outgoing.writeHead(500)
      outgoing.end()
      callSafely(
        () => onError(error),
        (failure) => {
          // eslint-disable-next-line no-console -- nothing is swallowed
          console.error(failure)
        },
      )
    })
  }
}

async function answer(
  handler: (request: Request) => Promise<Response>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const gone = new AbortController()
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort()
  })
  const request = requestOf(incoming, gone.signal)
  if (!request) {
    outgoing.writeHead(400).end()
    return
  }
  noteRemoteAddress(request, incoming.socket.remoteAddress)
  const response = await handler(request)
  if (outgoing.destroyed) {
    await response.body?.cancel()
    return
  }
  outgoing.writeHead(response.status, [...response.headers].flat())
  if (!response.body) {
    outgoing.end()
    return
  }
  // Clients wait for the head of a stream, not only for its first event.
  outgoing.flushHeaders()
  await pump(response.body, outgoing)
}

/** `undefined`: its URL or its Host is none. */
function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request | undefined {
  const { method = 'GET', headers, socket } = incoming
  // Express strips the path that a router is mounted at.
  const path = (incoming as { originalUrl?: string }).originalUrl ?? incoming.url ?? '/'
  // HTTP/2 has it among its pseudo-headers, which are no headers to anybody else.
  const host = headers.host ?? headers[':authority']?.toString()
  const scheme = 'encrypted' in socket && socket.encrypted === true ? 'https' : 'http'
  const hasBody = method !== 'GET' && method !== 'HEAD'
  try {
    return new Request(new URL(path, `${scheme}://${host ?? 'localhost'}`), {
      method,
      signal,
      headers: Object.entries(headers).flatMap(([name, value]) =>
        name.startsWith(':') ? [] : [value ?? []].flat().map((one): [string, string] => [name, one]),
      ),
      ...(hasBody && { body: Readable.toWeb(incoming) as ReadableStream, duplex: 'half' as const }),
    })
  } catch {
    return undefined
  }
}

async function pump(body: ReadableStream<Uint8Array>, outgoing: ServerResponse): Promise<void> {
  const reader = body.getReader()
  let wake = () => {}
  outgoing.on('drain', () => {
    wake()
  })
  outgoing.once('close', () => {
    wake()
    // Also ends a read that waits. One that has ended already has nothing left to cancel.
    reader.cancel().catch(() => {})
  })
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done || outgoing.destroyed) break
      if (!outgoing.write(value)) await new Promise<void>((resolve) => (wake = resolve))
    }
    outgoing.end()
  } catch {
    // The source has failed: the client must not take what it has for the whole.
    outgoing.destroy()
  }
}
