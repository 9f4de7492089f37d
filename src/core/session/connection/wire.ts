/**
 * One connection at a time, as the machine commands: dial, hello with a token, frames out, hang up. What comes late (a
 * token, a frame of the last connection) finds another `#link` or `#round`, and is ignored.
 */
import type { Clock } from '../../clock.ts'
import { encodeMessage } from '../../protocol/codec.ts'
import type { ClientMessage } from '../../protocol/messages.ts'
import type { CloseInfo, RawMessage, Transport, TransportConnection } from '../../transport.ts'
import { TokenSource } from './token-source.ts'

export interface WireOptions {
  readonly clock: Clock
  readonly transport: Transport
  readonly createId: () => string
  readonly onOpen: () => void
  readonly onMessage: (raw: RawMessage) => void
  /** The connection is gone, or good for nothing: what hangs on it goes too. */
  readonly onGone: () => void
  /** After `onGone`, when the other side has ended it. */
  readonly onClose: (code: number) => void
  /** This side cannot go on with the connection. */
  readonly onFailed: (message: string, cause: unknown) => void
  readonly onError: (message: string, cause: unknown) => void
}

export class Wire {
  readonly #options: WireOptions
  readonly #tokens: TokenSource
  /** The last token that was sent. */
  #token: string | undefined
  /** Names this client, as this user, over all its connections. */
  #clientId: string
  #connection: TransportConnection | undefined
  #isOpen = false
  /** Counts connections: a handler of an earlier one is deaf. */
  #link = 0
  /** Counts questions for a token: an earlier answer is void. */
  #round = 0

  constructor(options: WireOptions) {
    this.#options = options
    this.#tokens = new TokenSource(options.transport.token, options.clock)
    this.#clientId = options.createId()
  }

  /** Which connection it is. */
  get link(): number {
    return this.#link
  }

  /** The app has been asked for a token and has not answered. */
  get isAsking(): boolean {
    return this.#tokens.isAsking
  }

  dial(): void {
    const { transport, onOpen, onMessage, onClose, onFailed, onError } = this.#options
    const link = ++this.#link
    const ifOurs =
      <TArgs extends unknown[]>(handle: (...args: TArgs) => void) =>
      (...args: TArgs) => {
        if (link === this.#link) handle(...args)
      }
    try {
      this.#connection = transport.connect({
        onOpen: ifOurs(() => {
          // A managed source does not always tell that what was open before is gone.
          if (this.#isOpen) this.#gone()
          this.#isOpen = true
          onOpen()
        }),
        onMessage: ifOurs(onMessage),
        onClose: ifOurs(({ code }: CloseInfo) => {
          if (transport.mode !== 'managed') {
            this.#link++
            this.#connection = undefined
          }
          this.#gone()
          onClose(code)
        }),
        onError: ifOurs((cause: unknown) => {
          onError(`The ${transport.name} transport failed.`, cause)
        }),
        askToken: () => this.#tokens.ask(),
      })
    } catch (cause) {
      onFailed(`The ${transport.name} transport could not connect.`, cause)
    }
  }

  hangUp(code: number): void {
    this.#link++
    this.#gone()
    try {
      this.#connection?.close(code)
    } catch (cause) {
      this.#options.onError(`The ${this.#options.transport.name} transport could not close.`, cause)
    }
    this.#connection = undefined
  }

  /** The token is asked for on every connection anew. */
  async hello(): Promise<void> {
    const round = ++this.#round
    try {
      const token = await this.#tokens.ask()
      if (round !== this.#round) return
      this.#token = token
      this.send({ t: 'hello', token, clientId: this.#clientId })
    } catch (cause) {
      if (round !== this.#round) return
      this.#options.onFailed('The token provider failed. The next dial asks again.', cause)
    }
  }

  /** The token ends soon. Without another one the server ends the connection, and the next one asks again. */
  async renew(): Promise<void> {
    const round = this.#round
    try {
      const token = await this.#tokens.ask()
      if (round !== this.#round || token === undefined || token === this.#token) return
      this.#token = token
      this.send({ t: 'auth', token })
    } catch (cause) {
      if (round !== this.#round) return
      this.#options.onError('The token provider failed. The next connection asks again.', cause)
    }
  }

  send(message: ClientMessage): void {
    const { decode, heartbeat } = this.#options.transport
    try {
      // A plain backend is sent nothing but the ping that the app has given.
      const frame = decode ? heartbeat && heartbeat.ping?.() : encodeMessage(message)
      if (frame) this.#connection?.send(frame)
    } catch (cause) {
      this.#options.onFailed('The transport could not send.', cause)
    }
  }

  /** Who starts again may be somebody else: a token on its way is not for him. */
  stopped(): void {
    this.#tokens.forget()
    this.#options.transport.forget?.()
  }

  /** Another user: a client with another name. */
  forget(): void {
    this.stopped()
    this.#token = undefined
    this.#clientId = this.#options.createId()
  }

  #gone(): void {
    this.#isOpen = false
    this.#round++
    this.#options.onGone()
  }
}
