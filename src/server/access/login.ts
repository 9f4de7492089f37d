import { RealtimeError } from '../../core/errors.ts'
import { CloseCode } from '../../core/protocol/close-codes.ts'
import type { ServerMessage } from '../../core/protocol/messages.ts'
import { isSameUser, readCredential, type Credential, type CredentialAnswer } from './credential.ts'
import { NotAskedError } from './questions.ts'
import type { ServerContext } from '../server-context.ts'
import type { ConnectionRequest } from '../sockets/server-socket.ts'

/** The connection, as its login sees it. */
interface LoggingIn {
  readonly id: string
  readonly isReady: boolean
  readonly isClosed: boolean
  welcome(): void
  renewed(): void
  sendMessage(message: ServerMessage): void
  /** `isDrop`: the client may be back as the same. */
  close(code: number, reason: string, isDrop?: boolean): void
}

const NO_HEADERS: ConnectionRequest['headers'] = Object.freeze({})

/** A client that tells no name, or one that is none, has none. */
const CLIENT_ID = /^[\w-]{1,64}$/

/** Who one connection speaks for: from its `hello`, over renewed credentials, to their end. */
export class Login {
  readonly #context: ServerContext
  readonly #connection: LoggingIn
  readonly #url: string | undefined
  readonly #remoteAddress: string | undefined
  /** Let go of once the client is known: they are most of what an idle connection would keep. */
  #headers: ConnectionRequest['headers']
  /** What the credential says, from `welcome` on: not one more object for each of thousands of connections. */
  #identity: unknown
  #user: string | undefined
  #expiresAt: number | undefined
  #clientId: string | undefined
  #isEndTold = false
  /** Users that were revoked while the app is asked who this is; `undefined`: perhaps this very connection. */
  #doubted: (string | undefined)[] | undefined
  /** Set while the app is asked about a new credential; `next` is the newest that has come meanwhile. */
  #renewal: { next: string | undefined } | undefined
  /** Answered when it is known whether the address may have one more connection. */
  isAdmitted: Promise<boolean> | undefined

  constructor(context: ServerContext, connection: LoggingIn, request: ConnectionRequest) {
    this.#context = context
    this.#connection = connection
    this.#url = request.url
    this.#remoteAddress = request.remoteAddress
    this.#headers = request.headers
  }

  get identity(): unknown {
    return this.#identity
  }

  get user(): string | undefined {
    return this.#user
  }

  get clientId(): string | undefined {
    return this.#clientId
  }

  /** Never rejects. */
  async begin(token: string | undefined, clientId: string | undefined): Promise<void> {
    if (clientId !== undefined && CLIENT_ID.test(clientId)) this.#clientId = clientId
    if (this.isAdmitted && !(await this.isAdmitted)) return
    let answer: CredentialAnswer
    try {
      do {
        this.#doubted = undefined
        const input = { token, request: this.#request }
        answer = await readCredential(this.#context, input, () => !this.#connection.isClosed)
      } while (this.#isDoubted(answer) && !this.#connection.isClosed)
    } catch (cause) {
      if (cause instanceof NotAskedError) {
        this.#connection.close(CloseCode.HelloTimeout, 'too many others')
        return
      }
      this.#report('authenticate failed; the connection is closed.', cause)
      this.#connection.close(CloseCode.ServerError, 'authentication failed')
      return
    }
    if (this.#connection.isClosed) return
    if (!answer.ok) {
      this.#connection.close(answer.code, answer.reason)
      return
    }
    const { user } = answer.credential
    const { users, limits } = this.#context
    if (user !== undefined && !users.take(user, limits.maxConnectionsPerUser)) {
      this.#connection.close(CloseCode.LimitExceeded, 'too many connections of this user')
      return
    }
    this.#take(answer.credential)
    this.#headers = NO_HEADERS
    this.#doubted = undefined
    this.#connection.welcome()
  }

  /** A user was revoked, who may be the one that the app is asked about. */
  doubt(user: string | undefined): void {
    ;(this.#doubted ??= []).push(user)
  }

  /** A new credential on the open connection. One is looked at at a time, and the newest counts. Never rejects. */
  async renew(token: string): Promise<void> {
    if (this.#renewal) {
      this.#renewal.next = token
      return
    }
    const renewal: { next: string | undefined } = (this.#renewal = { next: undefined })
    for (let next: string | undefined = token; next !== undefined; next = renewal.next) {
      renewal.next = undefined
      await this.#renewBy(next, () => !this.#connection.isReady || renewal.next !== undefined)
    }
    this.#renewal = undefined
  }

  /** Never rejects. */
  async #renewBy(token: string, isStale: () => boolean): Promise<void> {
    let answer: CredentialAnswer
    try {
      const input = { token, request: this.#request, previous: this.identity }
      answer = await readCredential(this.#context, input, () => this.#connection.isReady)
    } catch (cause) {
      this.#report('authenticate failed; the old credential stays in force.', cause)
      if (isStale()) return
      const message = 'The credential could not be checked now.'
      this.#connection.sendMessage({ t: 'error', code: 'unavailable', message })
      return
    }
    if (isStale()) return
    if (!answer.ok) {
      this.#connection.close(answer.code, answer.reason, answer.code === CloseCode.TokenExpired)
    } else if (!isSameUser(answer.credential, this)) {
      this.#connection.close(CloseCode.Unauthorized, 'another user', false)
    } else {
      this.#take(answer.credential)
      this.#isEndTold = false
      this.#connection.renewed()
    }
  }

  /** `false`: the credential has ended, and the connection with it. */
  sweep(): boolean {
    const expiresAt = this.#expiresAt
    if (expiresAt === undefined) return true
    const now = this.#context.timeOfDay()
    if (now >= expiresAt) {
      this.#connection.close(CloseCode.TokenExpired, 'token expired')
      return false
    }
    if (!this.#isEndTold && expiresAt - now <= this.#context.renewBeforeMs) {
      this.#isEndTold = true
      this.#connection.sendMessage({ t: 'token-expires', inMs: Math.ceil(expiresAt - now) })
    }
    return true
  }

  /** Asks the app whose another request is. Never rejects. */
  async isSameUser(token: string | undefined, request: ConnectionRequest): Promise<boolean> {
    try {
      const isWanted = () => this.#connection.isReady
      const answer = await readCredential(this.#context, { token, request }, isWanted)
      return answer.ok && this.#connection.isReady && isSameUser(answer.credential, this)
    } catch (cause) {
      this.#report('authenticate failed; a message is not taken.', cause)
      return false
    }
  }

  #isDoubted(answer: CredentialAnswer): boolean {
    const { user } = answer.ok ? answer.credential : {}
    return answer.ok && (this.#doubted?.some((one) => one === undefined || one === user) ?? false)
  }

  get #request(): ConnectionRequest {
    return { url: this.#url, remoteAddress: this.#remoteAddress, headers: this.#headers }
  }

  end(): void {
    if (this.user !== undefined) this.#context.users.release(this.user)
    this.#identity = this.#user = this.#expiresAt = undefined
  }

  #take({ identity, user, expiresAt }: Credential): void {
    this.#identity = identity
    this.#user = user
    this.#expiresAt = expiresAt
  }

  #report(message: string, cause: unknown): void {
    const details = { connectionId: this.#connection.id }
    this.#context.report(new RealtimeError('callback-failed', message, { cause, details }))
  }
}
