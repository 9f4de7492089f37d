/**
 * Who this window is. There are no passwords: it is a demo. The session lives in `sessionStorage`, so two
 * windows of one browser can be two people.
 */
import type { User } from '../shared/model.ts'
import { Store, useStore } from './store.ts'

export interface DemoSession {
  readonly user: User
  readonly token: string
}

const KEY = 'task-board.demo-session'

export const demoSession = new Store<DemoSession | null>(load())

/**
 * Makes this window somebody else's, or nobody's. The page starts anew, so that nothing that one person was
 * allowed to see is left for the next: no data, no connection, no write under way.
 */
export function enterAs(session: DemoSession | null): void {
  write(session)
  location.reload()
}

/** The same, before anything is shown. */
export function beginAs(session: DemoSession | null): void {
  write(session)
  demoSession.set(session)
}

function write(session: DemoSession | null): void {
  if (session === null) sessionStorage.removeItem(KEY)
  else sessionStorage.setItem(KEY, JSON.stringify(session))
}

/** The person in front of this window. Only for what is shown after signing in. */
export function useMe(): User {
  const session = useStore(demoSession)
  if (session === null) throw new Error('Nobody is signed in')
  return session.user
}

function load(): DemoSession | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as DemoSession | null
  } catch {
    return null
  }
}
