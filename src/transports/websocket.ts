/**
 * A WebSocket as a transport, on partysocket: it owns *how* a socket is dialled (an async URL and protocols, the
 * timeout of a dial, the binary type). *When* to dial is the session's: partysocket's own retry is off
 * (`maxRetries: 0`), and nothing waits in its queue.
 */
import PartySocketWs, { CloseEvent as OwnCloseEvent } from 'partysocket/ws'
import { RealtimeError } from '../core/errors.ts'
import type { FrameCodec } from '../core/protocol/frame-codec.ts'
import { PROTOCOL } from '../core/protocol/version.ts'
import type { CloseInfo, DecodeMessage, HeartbeatOptions, Transport } from '../core/transport.ts'
import { absoluteUrl, fixed, provide, type Provided } from './provided.ts'

export type { Provided } from './provided.ts'

/** A WebSocket class: the platform's, or that of `ws`. */
export type WebSocketClass = new (url: string, protocols?: string[]) => unknown

export interface WebSocketTransportOptions {
  /**
   * Where to connect: `wss://…`, or a path on the page's own origin (`/realtime`). Tokens do not belong here, since
   * URLs are logged: use `token`.
   */
  readonly url: Provided<string>
  /**
   * Asked on every connect; what it gives goes into the first message. Only with `rqb.v1`: a backend with messages
   * of its own has its own way in (a cookie, `protocols`).
   */
  readonly token?: Transport['token']
  /** Subprotocols to offer, after `rqb.v1` when that is spoken. */
  readonly protocols?: Provided<string | readonly string[]> | undefined
  /**
   * Another form of the frames of `rqb.v1` than JSON, such as `msgpackCodec()`. It is offered to the server, which
   * takes it when it knows it.
   */
  readonly codec?: FrameCodec | undefined
  /**
   * The WebSocket class, where there is no global one (Node before 22): `ws`'s.
   * @default globalThis.WebSocket
   */
  readonly WebSocket?: WebSocketClass | undefined
  /** Present: the backend speaks its own messages, and this turns a frame into events. Absent: it speaks `rqb.v1`. */
  readonly decode?: DecodeMessage | undefined
  /**
   * With `decode` there is a heartbeat only if `ping` says what to send.
   * @default { intervalMs: 25_000, timeoutMs: 5_000 }
   */
  readonly heartbeat?: HeartbeatOptions | false | undefined
  /**
   * What a binary frame is handed over as. Not with `codec`.
   * @default 'arraybuffer'
   */
  readonly binaryType?: BinaryType | undefined
  /**
   * How long a dial may take, in ms, from when the URL is known. The session gives up an attempt of its own accord
   * after `limits.connectTimeoutMs`.
   * @default 10_000
   */
  readonly connectTimeoutMs?: number | undefined
}

/**
 * Connects over a WebSocket, to a server that speaks `rqb.v1` or, with `decode`, to any backend. Making it touches
 * nothing, so it may stand in a module that is also loaded on a server.
 *
 * @throws RealtimeError `usage`: `token` or `codec` together with `decode`.
 * @example
 * webSocketTransport({ url: '/realtime', token: () => auth.accessToken() })
 * @example
 * webSocketTransport({ url: 'wss://example.com/feed', decode: (raw) => JSON.parse(raw as string) })
 */
export function webSocketTransport(options: WebSocketTransportOptions): Transport {
  const { url, token, protocols = [], codec, decode, heartbeat } = options
  const coded = codec && `${PROTOCOL}+${codec.name}`
  if (codec && decode) {
    throw new RealtimeError(
      'usage',
      '`codec` is a form of rqb.v1, which `decode` replaces. Let `decode` read the bytes, or leave it out.',
    )
  }
  if (token && decode) {
    throw new RealtimeError(
      'usage',
      '`token` is a part of rqb.v1, which `decode` replaces. Use a cookie, or `protocols`, or leave `decode` out.',
    )
  }

  return {
    name: 'websocket',
    mode: 'dialled',
    address: fixed(url),
    decode,
    token,
    heartbeat,
    connect(handlers) {
      const { WebSocket = globalThis.WebSocket } = options
      if (!WebSocket) {
        throw new RealtimeError('usage', "There is no WebSocket here. Pass one: import WebSocket from 'ws'.")
      }
      let isOver = false
      let failure: unknown
      const end = (info: CloseInfo) => {
        if (!isOver) handlers.onClose(info)
        isOver = true
      }
      /** partysocket keeps only the message of what a provider throws, and asks providers after `close`, too. */
      const asked =
        <T>(get: () => Promise<T>) =>
        async () => {
          if (isOver) throw new Error('closed')
          try {
            return await get()
          } catch (cause) {
            failure = cause
            throw new Error(String(cause), { cause })
          }
        }

      const socket = new PartySocketWs(
        // `ws` for `http`: not every browser's WebSocket takes that.
        asked(async () => absoluteUrl(await provide(url), 'wss://host/path').replace(/^http/, 'ws')),
        asked(async () => {
          const offered = [decode ? [] : [coded ?? [], PROTOCOL], await provide(protocols)].flat(3)
          return offered.length > 0 ? offered : null
        }),
        {
          WebSocket,
          connectionTimeout: options.connectTimeoutMs ?? 10_000,
          maxRetries: 0,
          maxEnqueuedMessages: 0,
          shouldReconnectOnClose: () => false,
        },
      )
      socket.binaryType = codec ? 'arraybuffer' : (options.binaryType ?? 'arraybuffer')
      socket.onopen = () => {
        handlers.onOpen()
      }
      const negotiated = () => (socket.protocol === coded ? codec : undefined)
      socket.onmessage = ({ data }) => {
        handlers.onMessage(decoded(negotiated(), data))
      }
      socket.onclose = (event: { code: number; reason: string }) => {
        // Before it tells of an error, partysocket makes a close of its own, with code 1000. `onerror` knows better.
        if (!(event instanceof OwnCloseEvent)) end({ code: event.code, reason: event.reason })
      }
      socket.onerror = ({ error, message }) => {
        // A browser tells no more than that something failed.
        handlers.onError(failure ?? error ?? new Error('The WebSocket failed.'))
        end({ code: 1006, reason: message })
      }
      return {
        send(data) {
          socket.send(encoded(negotiated(), data))
        },
        close(code, reason) {
          isOver = true
          socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null
          socket.close(code, reason)
        },
      }
    },
  }
}

/** Bytes that the codec refuses are handed over as they are, and so are reported and skipped like any bad frame. */
function decoded(codec: FrameCodec | undefined, data: unknown): unknown {
  if (!codec || !(data instanceof ArrayBuffer)) return data
  try {
    return codec.decode(new Uint8Array(data))
  } catch {
    return data
  }
}

/** Text that the codec cannot hold goes as text, which every connection understands. */
function encoded<T extends string | Uint8Array>(codec: FrameCodec | undefined, data: T) {
  if (!codec || typeof data !== 'string') return data
  try {
    return codec.encode(data)
  } catch {
    return data
  }
}
