/**
 * Server-Sent Events as a transport: what the server says comes as an event stream (GET), what the client says goes
 * by POST. `fetch` carries both, since an `EventSource` can send no header and reconnects when it likes; *when* to
 * dial is the session's.
 */
import type { RealtimeEvent } from '../core/event.ts'
import type { HeartbeatOptions, Transport } from '../core/transport.ts'
import { fixed, type Provided } from './provided.ts'
import { NO_MEMORY, SseConnection } from './sse/connection.ts'

/** One event of a stream, as a plain backend has sent it. */
export interface SseMessage {
  /** Absent: the backend named none, which an `EventSource` calls `message`. */
  readonly event?: string | undefined
  readonly data: string
  readonly id?: string | undefined
}

export interface SseTransportOptions {
  /**
   * Where the stream is: an absolute URL, or a path on the page's own origin (`/realtime/events`). Tokens do not belong
   * here, since URLs are logged: use `token`.
   */
  readonly url: Provided<string>
  /** Sent with every request. A function is asked on every dial. */
  readonly headers?: Provided<HeadersInit | undefined> | undefined
  /** Asked on every dial; what it gives goes into `Authorization: Bearer …` of every request. */
  readonly token?: Transport['token']
  /**
   * Whether cookies go to another origin, too.
   * @default 'same-origin'
   */
  readonly credentials?: RequestCredentials | undefined
  /**
   * A `fetch` whose response bodies are streams.
   * @default globalThis.fetch
   */
  readonly fetch?: typeof globalThis.fetch | undefined
  /**
   * Present: the backend speaks its own messages, and this turns an event of the stream into events. Absent: it speaks
   * `rqb.v1` (`sseHandler` of the server kit).
   */
  readonly decode?:
    ((message: SseMessage) => RealtimeEvent | readonly RealtimeEvent[] | null | undefined) | undefined
  /**
   * With `decode`, nothing is ever sent, and a stream is given up when not even a comment has come for `intervalMs` and
   * `timeoutMs` together. There it is off unless it is given, since not every backend sends comments.
   * @default { intervalMs: 25_000, timeoutMs: 5_000 }
   */
  readonly heartbeat?: Omit<HeartbeatOptions, 'ping'> | false | undefined
}

/**
 * Connects over Server-Sent Events, to a server that speaks `rqb.v1` or, with `decode`, to any backend. Making it
 * touches nothing, so it may stand in a module that is also loaded on a server. Without HTTP/2, browsers open six
 * connections to a host, and each stream takes one.
 *
 * @example
 * sseTransport({ url: '/realtime/events', token: () => auth.accessToken() })
 * @example
 * sseTransport({ url: '/feed', decode: ({ event, data }) => ({ type: event ?? 'message', data: JSON.parse(data) }) })
 */
export function sseTransport(options: SseTransportOptions): Transport {
  const { decode, heartbeat, token } = options
  const memory = { ...NO_MEMORY }
  return {
    name: 'sse',
    mode: 'dialled',
    address: fixed(options.url),
    decode: decode && ((raw) => decode(raw as SseMessage)),
    // The session asks once for the hello, which the dial has answered already; later for another one.
    token:
      token && !decode
        ? () => {
            const { freshToken } = memory
            memory.freshToken = undefined
            return freshToken ?? token()
          }
        : undefined,
    // A plain backend is sent nothing: the connection itself looks for silence.
    heartbeat: decode ? false : heartbeat,
    forget: () => {
      Object.assign(memory, NO_MEMORY)
    },
    connect: (handlers) => new SseConnection(options, handlers, memory),
  }
}
