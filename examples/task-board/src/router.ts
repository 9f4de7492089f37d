/** The address is the state: which board, which view of it, which filters, which task is open. */
import { useMemo } from 'react'
import { TaskFilters } from '../shared/model.ts'
import { Store, useStore } from './store.ts'

export type View = 'board' | 'list' | 'activity'

export interface Route {
  readonly boardId: string | null
  readonly view: View
  readonly filters: TaskFilters
  readonly taskId: string | null
}

const address = new Store(location.pathname + location.search)
addEventListener('popstate', () => address.set(location.pathname + location.search))

export function useRoute(): Route {
  const current = useStore(address)
  return useMemo(() => parseRoute(current), [current])
}

export function parseRoute(current: string): Route {
  const url = new URL(current, location.origin)
  const [, boardId, view] = /^\/b\/([\w-]+)(?:\/(list|activity))?\/?$/.exec(url.pathname) ?? []
  const { task, ...rest } = Object.fromEntries(url.searchParams)
  const filters = TaskFilters.safeParse(rest)
  return {
    boardId: boardId ?? null,
    view: (view as View | undefined) ?? 'board',
    filters: filters.success ? filters.data : {},
    taskId: task ?? null,
  }
}

export function hrefOf(route: Route): string {
  if (route.boardId === null) return '/'
  const search = new URLSearchParams(
    Object.entries({ ...route.filters, task: route.taskId ?? undefined }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  ).toString()
  return `/b/${route.boardId}${route.view === 'board' ? '' : `/${route.view}`}${search === '' ? '' : `?${search}`}`
}

export function navigate(href: string, options: { replace?: boolean } = {}): void {
  if (href === address.get()) return
  if (options.replace === true) history.replaceState(null, '', href)
  else history.pushState(null, '', href)
  address.set(href)
}
