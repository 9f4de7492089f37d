import { notifyManager, type QueryClient } from '@tanstack/query-core'

/**
 * Takes everything of the last user out of a QueryClient (L10). What nobody watches is removed. What is on screen is
 * reset: its data is gone at once, its fetch under way is given up, and it is fetched anew, as the new user. Mutations
 * are removed, so that none that is paused goes out under another name.
 */
export function forgetUser(queryClient: QueryClient): void {
  notifyManager.batch(() => {
    const cache = queryClient.getQueryCache()
    for (const query of cache.getAll()) {
      if (query.observers.length === 0) cache.remove(query)
    }
    queryClient.getMutationCache().clear()
    // What goes wrong with a fetch is told by its query.
    queryClient.resetQueries().catch(() => undefined)
  })
}
