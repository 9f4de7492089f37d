import type { ClientMessage } from '../../core/protocol/messages.ts'
import { PresenceSeats, type SeatHost } from './presence-seats.ts'
import type { RealtimeAction } from '../access/rights.ts'
import { SendQueue, type SendHost } from '../sends/sends.ts'
import type { ServerContext } from '../server-context.ts'
import { SignalDesk } from './signal-desk.ts'

/** The connection, as its participation sees it. */
interface ParticipatingConnection extends SendHost, SeatHost {
  known(topic: string, action: RealtimeAction): boolean | undefined
}

type Part = Extract<ClientMessage, { t: 'send' | 'signal' | `presence-${string}` }>

export const isPart = (message: ClientMessage): message is Part =>
  message.t === 'send' || message.t === 'signal' || message.t.startsWith('presence-')

/** What one client does beyond listening: its sends, its signals, its presence. Most clients only listen. */
export class Participation {
  readonly #context: ServerContext
  readonly #connection: ParticipatingConnection
  readonly seats: PresenceSeats
  #sends: SendQueue | undefined
  #signals: SignalDesk | undefined
  #heardAt: number
  #isSilent = false

  constructor(context: ServerContext, connection: ParticipatingConnection, now: number) {
    this.#context = context
    this.#connection = connection
    this.seats = new PresenceSeats(context.presence, connection)
    this.#heardAt = now
  }

  take(message: Part): void {
    switch (message.t) {
      case 'send':
        this.#sends ??= new SendQueue(this.#context, this.#connection)
        this.#sends.add(message)
        break
      case 'signal':
        this.#signals ??= new SignalDesk(this.#context, this.#connection)
        void this.#signals.add(message)
        break
      case 'presence-join':
        this.seats.join(message.topic, message.state)
        break
      case 'presence-update':
        this.seats.update(message.topic, message.state)
        break
      case 'presence-leave':
        this.seats.leave(message.topic)
        break
    }
  }

  /** The client has said something. */
  heard(now: number): void {
    this.#heardAt = now
    if (this.#isSilent) this.#setSilent(false)
  }

  sweep(now: number): void {
    if (!this.#isSilent && now - this.#heardAt >= this.#context.presenceTtlMs) this.#setSilent(true)
  }

  end(isDrop: boolean): void {
    this.seats.end(isDrop)
    this.#sends?.end()
  }

  #setSilent(isSilent: boolean): void {
    this.#isSilent = isSilent
    this.seats.setSilent(isSilent)
  }
}
