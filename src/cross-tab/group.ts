/** Tabs that share, by the name of their lock and of the channel on which all of them hear each other. */

/** What is said to all tabs of a group. */
export type Call =
  | { readonly k: 'attach'; readonly link: string }
  /** To one that attaches: there is somebody, who is not connected yet; or who has no place left. */
  | { readonly k: 'wait' | 'full'; readonly link: string }
  /** Somebody has the lock now, or is connected now. */
  | { readonly k: 'holder'; readonly id: string; readonly isReady: boolean }

/** The channel of the holder and one other tab. */
export const linkOf = (group: string, id: string): string => `${group}:${id}`

/** By page: the groups that a transport of it is in. Two of one group would be two backends, or one too many. */
const groupsOfPage = new WeakMap<object, Set<string>>()

/** Gives what leaves the group again; `undefined`: another connection of this page is in it. */
export function enterGroup(page: object, group: string): (() => void) | undefined {
  const groups = groupsOfPage.get(page) ?? new Set<string>()
  groupsOfPage.set(page, groups)
  if (groups.has(group)) return undefined
  groups.add(group)
  return () => {
    groups.delete(group)
  }
}

export const SAME_NAME =
  'Two connections of this page would be shared under one name, so this one is not shared. Give each crossTab() a name of its own.'
