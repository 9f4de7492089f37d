import type { Clock } from '../../src/core/clock.ts'
import type { RealtimeError } from '../../src/core/errors.ts'
import { decodeServerMessage, encodeMessage } from '../../src/core/protocol/codec.ts'
import type { ClientMessage, ServerMessage } from '../../src/core/protocol/messages.ts'
import {
  createRealtimeServer,
  type RealtimeServerOptions,
  type ServerBus,
  type ServerSocket,
} from '../../src/server/index.ts'

/** A clock that stands until it is moved. */
export function manualClock() {
  let now = 0
  const timers = new Set<{ at: number; callback: () => void }>()
  const clock: Clock = {
    now: () => now,
    after(delayMs, callback) {
      const timer = { at: now + delayMs, callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
  }
  return {
    clock,
    advance(ms: number) {
      const end = now + ms
      const due = () => [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      for (let timer = due(); timer; timer = due()) {
        timers.delete(timer)
        now = timer.at
        timer.callback()
      }
      now = end
    },
    pending: () => timers.size,
  }
}

/** Whatever can happen without time going by has happened. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

interface Identity {
  readonly user: string
  readonly expiresAt?: number
}

type MessageOf<T extends ServerMessage['t']> = Extract<ServerMessage, { t: T }>

/** A server without sockets on a clock that the test moves. Several on one clock and bus are the nodes of a cluster. */
export function startManual(options: Partial<RealtimeServerOptions<Identity>> = {}, time = manualClock()) {
  const errors: RealtimeError[] = []
  const logs: { level: string; message: string; details: unknown }[] = []
  const server = createRealtimeServer<Identity>({
    authenticate: ({ token }) => (token === undefined ? null : { user: token.split(':')[0]! }),
    authorize: () => true,
    onError: (error) => errors.push(error),
    logger: {
      debug: (message, details) => logs.push({ level: 'debug', message, details }),
      warn: (message, details) => logs.push({ level: 'warn', message, details }),
    },
    ...options,
    platform: { clock: time.clock, random: () => 0.5, ...options.platform },
  })

  function open(address = '192.0.2.1') {
    let unread: ServerMessage[] = []
    const socket = {
      bufferedAmount: 0,
      closedWith: undefined as { code: number; reason: string } | undefined,
      send(text: string) {
        const decoded = decodeServerMessage(text)
        if (!decoded.ok) throw decoded.error
        unread.push(decoded.message)
      },
      close(code: number, reason: string) {
        socket.closedWith = { code, reason }
        connection.closed(code, reason)
      },
    } satisfies ServerSocket & Record<string, unknown>
    // A full server closes before it has given the connection.
    let connection = { closed: (_code: number, _reason: string) => {} } as ReturnType<typeof server.opened>
    connection = server.opened(socket, { headers: {}, remoteAddress: address })
    return {
      socket,
      connection,
      send: (message: ClientMessage) => connection.message(encodeMessage(message)),
      raw: (text: string) => connection.message(text),
      /** What has come since the last time. */
      async take(): Promise<ServerMessage[]> {
        await settle()
        const messages = unread
        unread = []
        return messages
      },
      /** Of what has come since the last time, the messages of one kind. */
      async takeAll<T extends ServerMessage['t']>(t: T): Promise<MessageOf<T>[]> {
        return (await this.take()).filter((message): message is MessageOf<T> => message.t === t)
      },
      /** The connection is lost: the client has not said goodbye. */
      lose: (code = 1006) => connection.closed(code, ''),
    }
  }

  return {
    server,
    time,
    errors,
    logs,
    open,
    /** Opened, and welcome. */
    async connect(token: string, clientId?: string) {
      const client = open()
      client.send({ t: 'hello', token, clientId })
      const [welcome] = await client.takeAll('welcome')
      if (!welcome) throw new Error(`${token} is not welcome: ${JSON.stringify(client.socket.closedWith)}`)
      return { ...client, connectionId: welcome.connectionId }
    },
  }
}

/** A bus of one process, in order and at once. `isDown`: what is said is lost. */
export function memoryBus(): ServerBus & { isDown: boolean; said: string[] } {
  const listeners = new Set<(message: string) => void>()
  return {
    isDown: false,
    said: [],
    publish(message) {
      if (this.isDown) return
      this.said.push(message)
      for (const listener of [...listeners]) listener(message)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
