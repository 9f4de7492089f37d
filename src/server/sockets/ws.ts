import type { IncomingMessage } from 'node:http'
import type * as Ws from 'ws'
import type { WebSocket, WebSocketServer } from 'ws'
import { RealtimeError } from '../../core/errors.ts'
import type { FrameCodec } from '../../core/protocol/frame-codec.ts'
import { inTurns } from './in-turns.ts'
import { originCheck, refusedOrigins, type AllowedOrigins } from '../access/origin.ts'
import type { RealtimeServer } from '../realtime-server.ts'
import { pathOf, refuse, UpgradePath, type UpgradeListener, type UpgradingServer } from './upgrade-path.ts'
import { WireFormat } from './wire-format.ts'
import { withoutListeners, WsSocket } from './ws-socket.ts'

export type { UpgradingServer } from './upgrade-path.ts'

export interface AttachWebSocketOptions {
  /**
   * Upgrades of this path are ours; every other path is left to other listeners, and refused when none of them touches it
   * within `limits.helloTimeoutMs`. @default '/realtime'
   */
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
  /**
   * Other forms of the frames than JSON, for clients that ask for them: `[msgpackCodec()]`. An event is encoded once
   * for each form that somebody in its audience speaks.
   * @default [] // JSON
   */
  readonly codecs?: readonly FrameCodec[] | undefined
  /**
   * Compresses messages from a size on (permessage-deflate) for the clients that can. An event is compressed once for
   * all of them, and no connection keeps a compressor; still it costs several times what sending does, so it pays
   * where bandwidth is dear and events are large.
   * @default false
   */
  readonly compression?: boolean | CompressionOptions | undefined
}

export interface CompressionOptions {
  /** Smaller messages are sent as they are. @default 1_024 */
  readonly thresholdBytes?: number | undefined
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

const DEFAULT_THRESHOLD_BYTES = 1_024

/**
 * Serves `rqb.v1` over WebSocket on a Node HTTP server, with the package `ws`. Path, Origin and subprotocol are
 * checked before the upgrade.
 *
 * @example
 * const realtime = createRealtimeServer({ authenticate, authorize })
 * attachWebSocket(realtime, httpServer)
 */
export function attachWebSocket(
  server: Pick<RealtimeServer, 'limits' | 'opened' | 'report'>,
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
  const tellRefused = refusedOrigins(options.allowedOrigins, {
    adapter: 'attachWebSocket(server, httpServer',
    report: server.report,
  })
  const { compression = false } = options
  const { thresholdBytes = DEFAULT_THRESHOLD_BYTES } = typeof compression === 'object' ? compression : {}
  const formats = wireFormats(options.codecs, thresholdBytes)
  let webSockets: WebSocketServer | undefined
  const loaded = loadWs().then(({ WebSocket, WebSocketServer }) => {
    webSockets = new WebSocketServer({
      noServer: true,
      WebSocket: withoutListeners(WebSocket),
      clientTracking: false,
      maxPayload: maxPayloadBytes,
      // The client's first choice of those that are known here; one of them was offered.
      // One text for all sockets, and not the part of each request's headers.
      handleProtocols: (offered) =>
        formats.get([...offered].find((name) => formats.has(name)) ?? '')?.protocol ?? false,
      // Without what went before, so that one compressed frame fits every client.
      perMessageDeflate: compression !== false && {
        threshold: thresholdBytes,
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
      },
    })
    return webSockets
  })
  const sockets = new Set<WsSocket>()
  let onGone = () => {}
  const owner = {
    closed(socket: WsSocket) {
      sockets.delete(socket)
      onGone()
    },
  }

  function accept(webSocket: WebSocket, request: IncomingMessage): void {
    const socket = new WsSocket(webSocket, formats.get(webSocket.protocol)!, owner)
    sockets.add(socket)
    const { headers } = request
    // One text for all sockets, where it is the same.
    const url = request.url === path ? path : request.url
    socket.connection = server.opened(socket, { url, headers, remoteAddress: request.socket.remoteAddress })
  }

  const onUpgrade: UpgradeListener = (request, socket, head) => {
    if (pathOf(request) !== path) {
      ours.stray(request, socket, server.limits.helloTimeoutMs)
      return
    }
    const { origin, host } = request.headers
    const question = { origin, host, isEncrypted: 'encrypted' in socket && socket.encrypted === true }
    if (!isOriginAllowed(question)) {
      tellRefused(question)
      refuse(socket, '403 Forbidden', 'This origin is not allowed. See allowedOrigins of attachWebSocket.')
    } else if (!offersOneOf(formats, request)) {
      const known = [...formats.keys()].join(' or ')
      refuse(socket, '400 Bad Request', `Connect with the WebSocket subprotocol ${known}.`)
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
  const ours = new UpgradePath(httpServer, path)
  httpServer.on('upgrade', onUpgrade)

  const pings = setInterval(() => {
    void inTurns(sockets, (socket) => {
      socket.probe()
    })
  }, pingIntervalMs)
  // The HTTP server keeps the process alive, not its pings.
  pings.unref()

  let closing: Promise<void> | undefined
  return {
    ready: loaded.then(() => undefined),
    close() {
      return (closing ??= new Promise<void>((resolve) => {
        httpServer.off('upgrade', onUpgrade)
        ours.release()
        clearInterval(pings)
        onGone = () => {
          if (sockets.size === 0) resolve()
        }
        void inTurns(sockets, (socket) => {
          socket.close(1001, 'server is going away')
        }).then(() => {
          onGone()
        })
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

/** What breaks a socket is noticed elsewhere: by its close, or when its turn has come. */
const ignore = () => {}

function wireFormats(codecs: readonly FrameCodec[] = [], thresholdBytes: number): Map<string, WireFormat> {
  const formats = new Map<string, WireFormat>()
  for (const codec of [undefined, ...codecs]) {
    const format = new WireFormat(codec, thresholdBytes)
    if (formats.has(format.protocol) || (codec && !/^[a-z\d-]+$/i.test(codec.name))) {
      throw new RealtimeError(
        'usage',
        `Every codec needs a name of its own, of letters, digits and '-'. Got '${codec?.name}'.`,
      )
    }
    formats.set(format.protocol, format)
  }
  return formats
}

function offersOneOf(formats: ReadonlyMap<string, unknown>, request: IncomingMessage): boolean {
  const offered = request.headers['sec-websocket-protocol'] ?? ''
  return offered.split(',').some((name) => formats.has(name.trim()))
}
