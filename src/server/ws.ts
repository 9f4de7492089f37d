import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type * as Ws from 'ws'
import type { WebSocket, WebSocketServer } from 'ws'
import { RealtimeError } from '../core/errors.ts'
import { PROTOCOL } from '../core/protocol/version.ts'
import { originCheck, type AllowedOrigins } from './origin.ts'
import type { RealtimeServer } from './realtime-server.ts'

export interface AttachWebSocketOptions {
  /** Upgrades of this path are ours; every other path is left to other listeners. @default '/realtime' */
  readonly path?: string | undefined
  /**
   * Which pages may connect: exact origins, or `'any'`. A request without an `Origin` does not come from a page
   * and is allowed. List the origins when a proxy changes `Host`, or when the server can be reached by a name that
   * is not yours. `'any'` is for servers that take no cookies.
   * @default pages of the same host and port
   */
  readonly allowedOrigins?: AllowedOrigins | undefined
  /** A larger message closes the connection (1009) before it is read. @default server.limits.maxPayloadBytes */
  readonly maxPayloadBytes?: number | undefined
  /**
   * A client that has answered no WebSocket ping for one to two intervals is cut, in ms.
   * @default 30_000 // the usual idle limit of proxies is 60 s
   */
  readonly pingIntervalMs?: number | undefined
}

export interface WebSocketAttachment {
  /**
   * Resolves when upgrades are served; those that come earlier wait. Rejects with `usage` when the package `ws` is
   * not installed, which ends the process unless somebody handles it.
   */
  readonly ready: Promise<void>
  /**
   * Takes no more upgrades, closes the connections that are left (1001) and resolves when they are gone. To let
   * clients go gently, `await server.close()` first.
   */
  close(): Promise<void>
}

/** An `http.Server`, `https.Server`, Fastify's `server`, what Hono's `serve` returns. */
export interface UpgradingServer {
  on(event: 'upgrade', listener: UpgradeListener): unknown
  off(event: 'upgrade', listener: UpgradeListener): unknown
  listenerCount(event: 'upgrade'): number
}

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** How long a client may take to answer a close before its socket is destroyed. */
const CLOSE_TIMEOUT_MS = 5_000

/**
 * Serves `rqb.v1` over WebSocket on a Node HTTP server, with the package `ws`. Path, Origin and subprotocol are
 * checked before the upgrade.
 *
 * @example
 * const realtime = createRealtimeServer({ authenticate, authorize })
 * attachWebSocket(realtime, httpServer)
 */
export function attachWebSocket(
  server: RealtimeServer,
  httpServer: UpgradingServer,
  options: AttachWebSocketOptions = {},
): WebSocketAttachment {
  const {
    path = '/realtime',
    maxPayloadBytes = server.limits.maxPayloadBytes,
    pingIntervalMs = 30_000,
  } = options
  if (!path.startsWith('/')) throw new RealtimeError('usage', `path must start with '/'. Got '${path}'.`)
  const isOriginAllowed = originCheck(options.allowedOrigins)
  let webSockets: WebSocketServer | undefined
  const loaded = loadWs().then(({ WebSocketServer }) => {
    webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: maxPayloadBytes,
      handleProtocols: () => PROTOCOL,
    })
    return webSockets
  })
  /** Open sockets, and whether each has been heard of since the last ping. */
  const sockets = new Map<WebSocket, { isAlive: boolean }>()
  let onGone = () => {}

  function accept(webSocket: WebSocket, request: IncomingMessage): void {
    const liveness = { isAlive: true }
    sockets.set(webSocket, liveness)
    const connection = server.opened(
      {
        send: (text) => {
          webSocket.send(text)
        },
        close: (code, reason) => {
          closeSoon(webSocket, code, reason)
        },
        get bufferedAmount() {
          return webSocket.bufferedAmount
        },
      },
      { url: request.url, headers: request.headers, remoteAddress: request.socket.remoteAddress },
    )
    webSocket.on('message', (data, isBinary) => {
      liveness.isAlive = true
      const bytes = data as Buffer
      connection.message(isBinary ? bytes : bytes.toString())
    })
    webSocket.on('pong', () => {
      liveness.isAlive = true
    })
    // What breaks a socket (too large a message, bad UTF-8, a reset) is told by the close code that follows.
    webSocket.on('error', () => {})
    webSocket.on('close', (code, reason) => {
      sockets.delete(webSocket)
      connection.closed(code, reason.toString())
      onGone()
    })
  }

  const onUpgrade: UpgradeListener = (request, socket, head) => {
    if (request.url?.split('?', 1)[0] !== path) {
      // With nobody else to take it, it would hang.
      if (httpServer.listenerCount('upgrade') === 1)
        refuse(socket, '404 Not Found', `WebSockets are at ${path}.`)
      return
    }
    const { origin, host } = request.headers
    const isEncrypted = 'encrypted' in socket && socket.encrypted === true
    if (!isOriginAllowed({ origin, host, isEncrypted })) {
      refuse(socket, '403 Forbidden', 'This origin is not allowed. See allowedOrigins of attachWebSocket.')
    } else if (!offersProtocol(request)) {
      refuse(socket, '400 Bad Request', `Connect with the WebSocket subprotocol ${PROTOCOL}.`)
    } else if (webSockets) {
      webSockets.handleUpgrade(request, socket, head, accept)
    } else {
      socket.on('error', ignore)
      loaded.then(
        (server) => {
          socket.off('error', ignore)
          if (closing) refuse(socket, '503 Service Unavailable', 'The server is going away.')
          else server.handleUpgrade(request, socket, head, accept)
        },
        () => {
          refuse(socket, '500 Internal Server Error', 'This server has no WebSockets.')
        },
      )
    }
  }
  httpServer.on('upgrade', onUpgrade)

  const pings = setInterval(() => {
    for (const [webSocket, liveness] of sockets) {
      if (liveness.isAlive) {
        liveness.isAlive = false
        webSocket.ping()
      } else {
        webSocket.terminate()
      }
    }
  }, pingIntervalMs)
  // The HTTP server keeps the process alive, not its pings.
  pings.unref()

  let closing: Promise<void> | undefined
  return {
    ready: loaded.then(() => undefined),
    close() {
      return (closing ??= new Promise<void>((resolve) => {
        httpServer.off('upgrade', onUpgrade)
        clearInterval(pings)
        onGone = () => {
          if (sockets.size === 0) resolve()
        }
        for (const webSocket of sockets.keys()) closeSoon(webSocket, 1001, 'server is going away')
        onGone()
      }))
    },
  }
}

/** Only here, so that everything else works without the package. */
async function loadWs(): Promise<typeof Ws> {
  try {
    return await import('ws')
  } catch (cause) {
    throw new RealtimeError('usage', 'attachWebSocket needs the package ws: npm install ws.', { cause })
  }
}

/** For a socket that waits: that the other side is gone is noticed when its turn has come. */
const ignore = () => {}

function offersProtocol(request: IncomingMessage): boolean {
  const offered = request.headers['sec-websocket-protocol'] ?? ''
  return offered.split(',').some((name) => name.trim() === PROTOCOL)
}

/** Closes, and does not wait long for a client that does not answer. */
function closeSoon(webSocket: WebSocket, code: number, reason: string): void {
  webSocket.close(code, reason)
  const timer = setTimeout(() => {
    webSocket.terminate()
  }, CLOSE_TIMEOUT_MS)
  timer.unref()
  webSocket.once('close', () => {
    clearTimeout(timer)
  })
}

function refuse(socket: Duplex, status: string, text: string): void {
  // The other side may be gone already; there is nobody left to tell.
  socket.on('error', () => {})
  socket.once('finish', () => socket.destroy())
  const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}`
  socket.end(`${head}\r\n\r\n${text}`)
}
