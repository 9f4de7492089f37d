import { api } from './api.ts'
import { demoSession, beginAs } from './demo-session.ts'

/** `?as=mina` signs in at once, before anything is shown: for links in a README, and for tests. */
export async function signInFromAddress(): Promise<void> {
  const url = new URL(location.href)
  const userId = url.searchParams.get('as')
  if (userId === null) return
  url.searchParams.delete('as')
  history.replaceState(null, '', url)
  if (demoSession.get()?.user.id === userId) return
  // Whoever cannot be signed in this way gets the picker.
  beginAs(await api.signIn(userId).catch(() => null))
}
