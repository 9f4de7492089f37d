import { CloseCode } from '../../core/protocol/close-codes.ts'
import { tokenExpired, type ConnectionRequest } from '../sockets/server-socket.ts'
import { isSameIdentity } from './same-identity.ts'
import type { ServerContext } from '../server-context.ts'

/** Who a connection speaks for, and until when. */
export interface Credential {
  readonly identity: unknown
  readonly user: string | undefined
  /** In ms since the epoch. `undefined`: it does not end. */
  readonly expiresAt: number | undefined
}

/** The app's answer, or how the connection is closed for it. */
export type CredentialAnswer =
  | { readonly ok: true; readonly credential: Credential }
  | { readonly ok: false; readonly code: number; readonly reason: string }

type Hooks = Pick<ServerContext, 'authenticate' | 'authentications' | 'userId' | 'expiresAt' | 'timeOfDay'>

/**
 * Asks the app who it is, when its turn has come. Rejects when a function of the app fails. `isWanted`: whether somebody
 * still waits for the answer by then.
 */
export async function readCredential(
  hooks: Hooks,
  input: { token: string | undefined; request: ConnectionRequest; previous?: unknown },
  isWanted: () => boolean,
): Promise<CredentialAnswer> {
  const identity = await hooks.authentications.ask(() => (isWanted() ? hooks.authenticate(input) : null))
  if (identity === tokenExpired) return EXPIRED
  if (identity === null || identity === undefined || identity === false) {
    return { ok: false, code: CloseCode.Unauthorized, reason: 'not authenticated' }
  }
  const expiresAt = hooks.expiresAt(identity)
  if (expiresAt !== undefined && !(expiresAt >= -Infinity)) {
    throw new TypeError(
      `expiresAt must give a time in ms since the epoch, or undefined. It gave ${String(expiresAt)}.`,
    )
  }
  if (expiresAt !== undefined && expiresAt <= hooks.timeOfDay()) return EXPIRED
  return { ok: true, credential: { identity, user: nameOf(hooks.userId(identity)), expiresAt } }
}

const EXPIRED: CredentialAnswer = { ok: false, code: CloseCode.TokenExpired, reason: 'token expired' }

/** Clients read it, and nodes compare it: it is text, or there is none. */
function nameOf(user: unknown): string | undefined {
  if (user === undefined || user === null || user === '') return undefined
  if (typeof user === 'string') return user
  if (typeof user === 'number' || typeof user === 'bigint') return String(user)
  throw new TypeError(`userId must give text, or undefined. It gave ${typeof user}.`)
}

type Named = Pick<Credential, 'identity' | 'user'>

/** By the user where there is one: the rest of an identity (an expiry, a role) may change. */
export function isSameUser(a: Named, b: Named): boolean {
  if (a.user !== undefined || b.user !== undefined) return a.user === b.user
  return isSameIdentity(a.identity, b.identity)
}

/**
 * The default of `userId`: an identity that is text or a number, or the first such among its `userId`, `id`, `sub` and
 * `user`.
 */
export function guessUserId(identity: unknown): string | undefined {
  const asText = (value: unknown) =>
    (typeof value === 'string' && value !== '') || typeof value === 'number' ? String(value) : undefined
  if (typeof identity !== 'object' || identity === null) return asText(identity)
  const { userId, id, sub, user } = identity as Record<'userId' | 'id' | 'sub' | 'user', unknown>
  return asText(userId) ?? asText(id) ?? asText(sub) ?? asText(user)
}
