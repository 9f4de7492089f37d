/**
 * Sessions of a demo: whoever picks a name is that person. The token is signed, so it cannot be made up, but
 * nothing proves who asks for one. A real app puts its own sign-in here.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

export function signDemoToken(userId: string, secret: string): string {
  return `${userId}.${createHmac('sha256', secret).update(userId).digest('base64url')}`
}

/** The user that the token was made for, or null when it was not made here. */
export function readDemoToken(token: string, secret: string): string | null {
  const userId = token.slice(0, token.lastIndexOf('.'))
  const expected = Buffer.from(signDemoToken(userId, secret))
  const given = Buffer.from(token)
  return given.length === expected.length && timingSafeEqual(given, expected) ? userId : null
}
