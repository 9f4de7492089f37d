/**
 * Socket.IO as a transport, for backends that send events of their own over it. An app's socket is followed as it comes
 * and goes, and is never connected or disconnected here; or one is dialled, and *when* is the session's.
 */
import { io, type ManagerOptions, type SocketOptions } from 'socket.io-client'
import { RealtimeError } from '../core/errors.ts'
import type { RealtimeEvent } from '../core/event.ts'
import type { Transport, TransportConnection, TransportHandlers } from '../core/transport.ts'

/** What a server has emitted; without the callback of one that asks for an acknowledgement. */
export interface SocketIoMessage {
  readonly event: string
  /** The first argument. */
  readonly data: unknown
  /** All of them. */
  readonly args: readonly unknown[]
}

export interface SocketIoTransportOptions {
  /**
   * Turns what a server has emitted into events; `null` or `undefined`: not for us.
   * @default ({ event, data }) => ({ type: event, data })
   */
  readonly decode?:
    ((message: SocketIoMessage) => RealtimeEvent | readonly RealtimeEvent[] | null | undefined) | undefined
  /**
   * The Socket.IO events to listen to, where the socket carries others, too.
   * @default all; one that the table does not have is reported as `unknown-event`
   */
  readonly listenTo?: readonly string[] | undefined
}

/** An app's own socket, of any version of Socket.IO 4: what `io(…)` gives. */
export interface SocketIoSocket {
  readonly connected: boolean
  /** Whether it will connect again by itself. */
  readonly active: boolean
  on(event: 'connect', listener: () => void): unknown
  on(event: 'disconnect', listener: (reason: string) => void): unknown
  on(event: 'connect_error', listener: (error: Error) => void): unknown
  off(event: 'connect', listener: () => void): unknown
  off(event: 'disconnect', listener: (reason: string) => void): unknown
  off(event: 'connect_error', listener: (error: Error) => void): unknown
  onAny(listener: (event: string, ...args: unknown[]) => void): unknown
  offAny(listener: (event: string, ...args: unknown[]) => void): unknown
}

/** Where to connect, and how. When to connect again is the session's. */
export interface SocketIoAddress extends Omit<
  Partial<ManagerOptions & SocketOptions>,
  'autoConnect' | 'forceNew' | 'multiplex' | 'reconnection' | `reconnection${string}` | 'randomizationFactor'
> {
  /** As `io` takes it: an origin, and a namespace as its path (`https://example.com/boards`); or `/boards` alone. */
  readonly url: string
}

/** Socket.IO tells why a connection ended in words, not in codes. */
const CODE = 1006

/**
 * Events that a backend emits over Socket.IO. Given the app's own socket it listens to that; given a `url` it makes one,
 * which the session dials, with a backoff that spreads a crowd. `auth` is asked on every dial. Rooms are the server's: what
 * it lets this socket join, it hears.
 *
 * After a break what is on screen is fetched again, also where Socket.IO has recovered the connection: what it hands in
 * later does not say where it stands.
 *
 * @example
 * socketIoTransport(socket, { listenTo: ['task.updated', 'task.deleted'] })
 * @example
 * socketIoTransport({ url: '/boards', auth: async (give) => give({ token: await auth.accessToken() }) })
 */
export function socketIoTransport(
  source: SocketIoSocket | SocketIoAddress,
  options: SocketIoTransportOptions = {},
): Transport {
  const { decode = ({ event, data }) => ({ type: event, data }) } = options
  const isAddress = 'url' in source
  return {
    name: 'socket.io',
    mode: isAddress ? 'dialled' : 'managed',
    address: isAddress ? source.url : undefined,
    decode: (raw) => decode(raw as SocketIoMessage),
    // It has its own: the server pings, and the client ends a connection that is not pinged.
    heartbeat: false,
    connect: (handlers) => (isAddress ? dial(source, options, handlers) : follow(source, options, handlers)),
  }
}

/** The app's socket: it connects again by itself, or the app sees to it. */
function follow(
  socket: SocketIoSocket,
  { listenTo }: SocketIoTransportOptions,
  handlers: TransportHandlers,
): TransportConnection {
  let isOver = false
  const lost = (reason: string) => {
    handlers.onClose({ code: CODE, reason })
    if (socket.active) return
    handlers.onError(
      new RealtimeError(
        'transport-failed',
        `Socket.IO does not connect again by itself after this (${reason}). Call socket.connect() when it is to.`,
      ),
    )
  }
  const onConnect = () => {
    handlers.onOpen()
  }
  const onConnectError = (error: Error) => {
    handlers.onError(error)
    lost(error.message)
  }
  const onAny = receiver(listenTo, handlers)
  socket.on('connect', onConnect)
  socket.on('disconnect', lost)
  socket.on('connect_error', onConnectError)
  socket.onAny(onAny)
  if (socket.connected) {
    // No handler is called before this has returned. If it has gone by then, `lost` has told.
    queueMicrotask(() => {
      if (!isOver && socket.connected) handlers.onOpen()
    })
  }
  return {
    send: () => undefined,
    close() {
      isOver = true
      socket.off('connect', onConnect)
      socket.off('disconnect', lost)
      socket.off('connect_error', onConnectError)
      socket.offAny(onAny)
    },
  }
}

/** A socket of its own, for one connection. */
function dial(
  { url, ...address }: SocketIoAddress,
  { listenTo }: SocketIoTransportOptions,
  handlers: TransportHandlers,
): TransportConnection {
  const socket = io(url, { ...address, autoConnect: false, forceNew: true, reconnection: false })
  let isOver = false
  const end = (reason: string) => {
    if (isOver) return
    isOver = true
    socket.disconnect()
    handlers.onClose({ code: CODE, reason })
  }
  socket.on('connect', () => {
    handlers.onOpen()
  })
  socket.on('disconnect', end)
  socket.on('connect_error', (error) => {
    if (isOver) return
    handlers.onError(error)
    end(error.message)
  })
  socket.onAny(receiver(listenTo, handlers))
  socket.connect()
  return {
    send: () => undefined,
    close() {
      isOver = true
      socket.off()
      socket.offAny()
      socket.disconnect()
    },
  }
}

function receiver(listenTo: readonly string[] | undefined, handlers: TransportHandlers) {
  const wanted = listenTo && new Set(listenTo)
  return (event: string, ...given: unknown[]) => {
    if (wanted?.has(event) === false) return
    const args = typeof given.at(-1) === 'function' ? given.slice(0, -1) : given
    handlers.onMessage({ event, data: args[0], args } satisfies SocketIoMessage)
  }
}
