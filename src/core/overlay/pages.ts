import type { EffectContext } from '../routing/effect.ts'
import { isInfinite } from '../routing/list-draft.ts'

/**
 * An infinite query's base with one page more, taken from what TanStack made of the pages on screen (which may show
 * guesses). Like `fetchNextPage` it keeps `maxPages` at most.
 */
export function appendPage(
  base: unknown,
  fetched: unknown,
  { page, context }: { page: 'forward' | 'backward'; context: EffectContext },
): unknown {
  if (typeof base !== 'object' || base === null || !isInfinite(base)) return fetched
  if (typeof fetched !== 'object' || fetched === null || !isInfinite(fetched)) return fetched
  const { maxPages = 0 } = (context.options ?? {}) as { maxPages?: number }
  const isForward = page === 'forward'
  const join = (old: readonly unknown[], added: readonly unknown[]) => {
    const all = isForward ? [...old, added.at(-1)] : [added[0], ...old]
    if (maxPages === 0 || all.length <= maxPages) return all
    return isForward ? all.slice(1) : all.slice(0, -1)
  }
  return {
    ...base,
    pages: join(base.pages, fetched.pages),
    pageParams: join(base.pageParams, fetched.pageParams),
  }
}
