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

demoSession.subscribe(() => {
  const session = demoSession.get()
  if (session === null) sessionStorage.removeItem(KEY)
  else sessionStorage.setItem(KEY, JSON.stringify(session))
})

export const useDemoSession = () => useStore(demoSession)

/** The person in front of this window. Only for what is shown after signing in. */
export function useMe(): User {
  const session = useDemoSession()
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
