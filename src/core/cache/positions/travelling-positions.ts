/**
 * Positions that travel with data: from the server that renders a page to the browser, or from one page to the next.
 * They stand in the `meta` of a dehydrated query, which TanStack hands over as it is.
 */
import type { Query, QueryMeta } from '@tanstack/query-core'
import type { Position } from '../../event.ts'
import type { Positions } from '../../overlay/fact.ts'
import { isPosition } from '../../protocol/position.ts'

const META = 'realtimePositions'

interface Travelling {
  readonly positions: Readonly<Record<string, Position>>
  /** Of the data that they belong to. */
  readonly dataUpdatedAt: number
}

/** The meta of a query, with the positions of its data; without those that came once, when none are known now. */
export function withPositions(
  meta: QueryMeta | undefined,
  travelling: Travelling | undefined,
): { meta?: QueryMeta } {
  if (travelling === undefined && meta?.[META] === undefined) return meta ? { meta } : {}
  const { [META]: _, ...rest } = meta ?? {}
  return { meta: travelling ? { ...rest, [META]: travelling } : rest }
}

/** The meta of a query whose data is on its way, with a promise. */
export function withPromise(meta: QueryMeta | undefined): QueryMeta {
  return { ...meta, [META]: { isComing: true } }
}

/**
 * Whether the fetch that begins only waits for a promise that was handed over: its data was asked for elsewhere, and
 * earlier. query-core does not say so; what it builds from dehydrated state has no queryFn, unless there is a default.
 */
export function isHandedOver({ options, meta, state }: Query): boolean {
  const { isComing } = (meta?.[META] ?? {}) as Partial<{ isComing: boolean }>
  return state.data === undefined && (options.queryFn === undefined || isComing === true)
}

/** The positions that have come with the data of a query; `undefined`: none, or it has other data by now. */
export function positionsThatCame({ meta, state }: Query): Positions | undefined {
  const { positions, dataUpdatedAt } = (meta?.[META] ?? {}) as Partial<Travelling>
  if (positions === undefined || dataUpdatedAt !== state.dataUpdatedAt || state.data === undefined)
    return undefined
  const pairs = Object.entries(positions).filter(([, position]) => isPosition(position))
  return pairs.length > 0 ? new Map(pairs) : undefined
}
