import { RealtimeError } from '../core/errors.ts'
import type { ServerMessage } from '../core/protocol/messages.ts'
import type { CloseInfo, Transport, TransportConnection, TransportHandlers } from '../core/transport.ts'

export type FakeTransportOptions = Partial<Omit<Transport, 'connect'>>

/** A transport that is worked by hand: nothing happens unless the test makes it happen. */
export interface FakeTransport extends Transport {
  /** Every connection that was asked for, oldest first. */
  readonly connections: readonly FakeConnection[]
  /** The last one. Throws when none was asked for. */
  readonly connection: FakeConnection
}

/** One connection of a fake transport, seen from the server's side. */
export class FakeConnection implements TransportConnection {
  /** For tests of what must never happen: a transport that calls after `close`. */
  readonly handlers: TransportHandlers
  /** What the client has sent, oldest first; text that is JSON is parsed. */
  readonly sent: unknown[] = []
  state: 'connecting' | 'open' | 'closed' = 'connecting'
  /** How the client has closed it. */
  closedWith: { readonly code: number | undefined; readonly reason: string | undefined } | undefined

  constructor(handlers: TransportHandlers) {
    this.handlers = handlers
  }

  /** The connection opens. */
  open(): void {
    this.#expect('connecting', 'open()')
    this.state = 'open'
    this.handlers.onOpen()
  }

  /** Frames arrive, one for each message. Objects of `rqb.v1` go over the wire as JSON text. */
  deliver(...messages: (ServerMessage | string | Uint8Array)[]): void {
    for (const message of messages) {
      this.#expect('open', 'deliver()')
      const isFrame = typeof message === 'string' || message instanceof Uint8Array
      this.handlers.onMessage(isFrame ? message : JSON.stringify(message))
    }
  }

  /** The server, or the network, ends the connection; a dial that is under way fails. */
  end(info: Partial<CloseInfo> = {}): void {
    if (this.state === 'closed') throw this.#misuse('end()')
    this.state = 'closed'
    this.handlers.onClose({ code: info.code ?? 1006, reason: info.reason ?? '' })
  }

  /** A managed source opens again by itself. */
  reopen(): void {
    this.#expect('closed', 'reopen()')
    this.state = 'open'
    this.handlers.onOpen()
  }

  /** Something fails that does not end the connection. */
  fail(error: unknown): void {
    this.handlers.onError(error)
  }

  /** Called by the client. */
  send(data: string | Uint8Array): void {
    this.#expect('open', 'send()')
    this.sent.push(parsed(data))
  }

  /** Called by the client. */
  close(code?: number, reason?: string): void {
    this.closedWith ??= { code, reason }
    this.state = 'closed'
  }

  #expect(state: FakeConnection['state'], call: string): void {
    if (this.state !== state) throw this.#misuse(call)
  }

  #misuse(call: string): RealtimeError {
    return new RealtimeError('usage', `${call} on a fake connection that is ${this.state}.`)
  }
}

/**
 * Makes a transport for tests.
 *
 * @example
 * const transport = createFakeTransport()
 * const bridge = new RealtimeQueryBridge({ queryClient, events, transport })
 * bridge.start()
 * transport.connection.open()
 * transport.connection.deliver({ t: 'welcome', connectionId: '1' })
 */
export function createFakeTransport(options: FakeTransportOptions = {}): FakeTransport {
  const connections: FakeConnection[] = []
  return {
    name: 'fake',
    mode: 'dialled',
    ...options,
    connections,
    get connection() {
      const last = connections.at(-1)
      if (!last) throw new RealtimeError('usage', 'No connection was asked for. Start the bridge first.')
      return last
    },
    connect(handlers) {
      const connection = new FakeConnection(handlers)
      connections.push(connection)
      return connection
    },
  }
}

function parsed(data: string | Uint8Array): unknown {
  if (typeof data !== 'string') return data
  try {
    return JSON.parse(data) as unknown
  } catch {
    return data // A plain backend's ping need not be JSON.
  }
}
